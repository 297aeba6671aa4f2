"""Figure 5a of the paper: mean Dice over the values of one setting."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, NullLocator

from textscf.errors import InputError
from textscf.plotting.drawing import Drawing
from textscf.plotting.points import counted, legend_of, looks, prepare
from textscf.plotting.style import COLUMN_WIDTH, INK, journal_style, new_figure
from textscf.plotting.summary import points_of, summarise
from textscf.results import Item, Results


def draw(item: Item, results: Results) -> Drawing:
    """A line per sweep with 95 % intervals; InputError for a row that is not a sweep over the one setting."""
    keys = {tuple(point.swept) for point in points_of(item)}
    if len(keys) != 1 or len(next(iter(keys))) != 1:
        raise InputError(f"{item.name}: its rows are not sweeps over one and the same setting")
    ((key,),) = keys
    data = summarise(item, results).sort_values(["method", key], kind="stable").reset_index(drop=True)
    with journal_style():
        figure = new_figure(COLUMN_WIDTH, 58)
        axes = figure.subplots()
        prepare(axes, item.xlabel or key, "Dice (%)")
        axes.set_xscale("log", base=2)
        for label, colour, marker in looks(item):
            _draw_line(axes, data[data["method"] == label], key, colour, marker)
        values = sorted(set(data[key]))
        axes.xaxis.set_major_locator(FixedLocator(values))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xticklabels([f"{value:g}" for value in values])
        if len(item.rows) > 1:
            legend_of(figure, item, COLUMN_WIDTH)
    bars = "Error bars: 95 % interval of the mean by a bootstrap over subjects."
    return Drawing(figure, [bars, *counted(item, data)], data)


def _draw_line(axes: Axes, data: pd.DataFrame, key: str, colour: str, marker: str) -> None:
    reach = data[["dice_low", "dice_high"]].sub(data["dice"], axis=0).abs().to_numpy().T
    axes.errorbar(
        data[key], data["dice"], reach, color=colour, linewidth=1, elinewidth=0.7, capsize=2, capthick=0.7,
        marker=marker, markersize=4.5, markeredgecolor=INK, markeredgewidth=0.4,
    )  # fmt: skip
