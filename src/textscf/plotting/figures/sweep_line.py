"""Figure 5a of the paper: mean Dice over the values of one setting."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, NullLocator

from textscf.errors import InputError
from textscf.plotting.basis import INTERVAL, basis
from textscf.plotting.drawing import Drawing
from textscf.plotting.looks import Look
from textscf.plotting.means import points_of, summarise
from textscf.plotting.points import MARKER_SIZE, legend_of, looks, prepare
from textscf.plotting.style import COLUMN_WIDTH, INK, journal_style, new_figure
from textscf.results import captions
from textscf.results.items import Item, Results

_ASIDE = 2**0.06
"""Factor between the horizontal positions of two rows at the same value."""
_BESIDE = 2**0.12
"""Factor between the horizontal positions of a mean and of its seeds."""

NEEDS_DICE = True


def draw(item: Item, results: Results) -> Drawing:
    """Draw a line per sweep with 95 % intervals; InputError if the rows are not all sweeps over one setting."""
    key = _swept_setting(item)
    data = summarise(item, results).sort_values(["method", key], kind="stable").reset_index(drop=True)
    with journal_style():
        figure = new_figure(COLUMN_WIDTH, 58)
        axes = figure.subplots()
        prepare(axes, item.xlabel or captions.setting_name(key).capitalize(), "Dice (%)")
        axes.set_xscale("log", base=2)
        for n, (label, look) in enumerate(looks(item).items()):
            aside = _ASIDE ** (n - (len(item.rows) - 1) / 2)
            _draw_line(axes, data[data["method"] == label], key, aside, look)
        values = sorted(set(data[key]))
        if peak := _printed_peak(item):
            axes.axvline(peak, color=INK, linewidth=0.8, linestyle="dotted", zorder=1)
            axes.annotate(
                "paper's peak", (peak, 0), (-2, 3), xycoords=axes.get_xaxis_transform(), textcoords="offset points",
                rotation=90, ha="right", va="bottom", fontsize=6,
            )  # fmt: skip
        axes.xaxis.set_major_locator(FixedLocator(values))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xticklabels([f"{value:g}" for value in values])
        if len(item.rows) > 1:
            legend_of(figure, item, COLUMN_WIDTH)
    bars = f"Error bars: {INTERVAL}."
    dots = ["Small dots: each seed's own mean."] if (data["seeds"] > 1).any() else []
    printed = [f"Dotted line: the value that the paper finds best, {_printed_peak(item)}."] if item.printed else []
    return Drawing(figure, [bars, *dots, *printed, *basis(item, results, points_of(item))], data)


def _printed_peak(item: Item) -> int | None:
    """Value of the setting that is best in the paper; None if the cohort is not the paper's."""
    return next((value for key, value in item.printed.items() if key.startswith("peak_")), None)


def _swept_setting(item: Item) -> str:
    """Dotted key of the setting that all rows sweep."""
    points = points_of(item)
    keys = {tuple(point.swept) for point in points}
    if len(keys) != 1 or len(next(iter(keys))) != 1:
        raise InputError(f"{item.name}: its rows are not sweeps over one and the same setting")
    ((key,),) = keys
    wrong = [value for point in points if not isinstance(value := point.swept[key], int | float) or value <= 0]
    if wrong:
        raise InputError(f"{item.name}: {key}: found {wrong[0]!r}; expected positive numbers")
    return key


def _draw_line(axes: Axes, data: pd.DataFrame, key: str, aside: float, look: Look) -> None:
    """Draw a line with error bars and seeds; the factor `aside` shifts it so that the rows' bars do not overlap."""
    reach = data[["dice_low", "dice_high"]].sub(data["dice"], axis=0).abs().to_numpy().T
    axes.errorbar(
        data[key] * aside, data["dice"], reach, color=look.colour, linewidth=1, elinewidth=0.7, capsize=2, capthick=0.7,
        marker=look.marker, markersize=MARKER_SIZE, markeredgecolor=INK, markeredgewidth=0.4,
    )  # fmt: skip
    for value, of_seeds in zip(data[key], data["dice_by_seed"], strict=True):
        means = [float(mean) for mean in of_seeds.split()]
        if len(means) > 1:
            place = [value * aside * _BESIDE] * len(means)
            axes.plot(place, means, linestyle="", marker=".", markersize=3, color=look.colour, alpha=0.8)
