"""Figure 5b of the paper: mean Dice against multi-adds; the area of a circle shows the number of parameters."""

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.collections import Collection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

from textscf.plotting.basis import basis
from textscf.plotting.drawing import Drawing
from textscf.plotting.means import points_of, summarise
from textscf.plotting.point_labels import write_labels
from textscf.plotting.points import colours_of, legend_of, prepare
from textscf.plotting.style import COLUMN_WIDTH, INK, journal_style, new_figure
from textscf.results import captions
from textscf.results.items import Item, Results

_LARGEST = 22.0**2
"""Area of the largest circle's box in square points."""
_ROUND = [1.0, 2.0, 5.0]

NEEDS_DICE = True


def draw(item: Item, results: Results) -> Drawing:
    """Draw a circle per run; circles of a sweep are joined by a line and labelled with the swept value."""
    data = cost_values(item, results)
    with journal_style():
        figure = new_figure(COLUMN_WIDTH, 84)
        axes = figure.subplots()
        prepare(axes, "Multi-adds (G)", "Dice (%)")
        axes.set_xscale("log")
        circles = _draw_circles(axes, item, data)
        axes.margins(0.15)
        _set_ticks(axes)
        legend_of(figure, item, COLUMN_WIDTH, marker="o")
        _draw_sizes(figure, data["parameters"].max())
        write_labels(axes, circles, list(data.sort_values("parameters", ascending=False)["value"]))
    return Drawing(figure, _sentences(item, results), data)


def cost_values(item: Item, results: Results) -> pd.DataFrame:
    """Columns of `summarise`, plus parameters and giga_multi_adds at inference, and value (the swept value as text)."""
    points = points_of(item)
    counts = [results.complexity(point)["inference"] for point in points]
    return summarise(item, results).assign(
        parameters=[count["parameters"] for count in counts],
        giga_multi_adds=[count["multi_adds"] / 1e9 for count in counts],
        value=[", ".join(map(str, point.swept.values())) for point in points],
    )


def _draw_circles(axes: Axes, item: Item, data: pd.DataFrame) -> Collection:
    """Draw lines, circles with the small ones in front of the large ones, and a dot at each centre; return circles."""
    look = {"x": "giga_multi_adds", "y": "dice", "hue": "method", "palette": colours_of(item), "legend": False}
    sns.lineplot(data, **look, estimator=None, sort=False, linewidth=0.7, ax=axes)
    sns.scatterplot(
        data.sort_values("parameters", ascending=False), **look, size="parameters", sizes=(0, _LARGEST),
        size_norm=(0, data["parameters"].max()), alpha=0.55, edgecolor=INK, linewidth=0.4, zorder=2, ax=axes,
    )  # fmt: skip
    sns.scatterplot(data, **look, s=4, edgecolor=INK, linewidth=0.3, zorder=3, ax=axes)
    return axes.collections[0]


def _set_ticks(axes: Axes) -> None:
    """Set ticks at few enough plain numbers that their labels do not touch, and at least at two."""
    low, high = axes.get_xlim()
    few = LogLocator(subs=_ROUND if high < 100 * low else [1.0])
    axes.xaxis.set_major_locator(MaxNLocator(4) if high < 10 * low else few)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_locator(NullLocator())


def _draw_sizes(figure: Figure, largest: int) -> None:
    """Draw a legend of circles below the axes, for round numbers of parameters."""
    rounds = np.multiply.outer(10.0 ** np.arange(12), _ROUND).ravel()
    top = rounds[rounds <= largest][-1]
    handles = [
        Line2D(
            [], [], linestyle="", marker="o", markersize=float(np.sqrt(_LARGEST * count / largest)),
            markerfacecolor="white", markeredgecolor=INK, markeredgewidth=0.5, label=f"{_compact(count)} parameters",
        )
        for count in (top / 10, top)
    ]  # fmt: skip
    figure.legend(handles=handles, ncols=2, loc="outside lower center", borderpad=0.8, handletextpad=1.2)


def _compact(count: float) -> str:
    return f"{count / 1e6:g} M" if count >= 1e5 else f"{count / 1e3:g} k"


def _sentences(item: Item, results: Results) -> list[str]:
    swept = [", ".join(map(captions.setting_name, point.swept)) for point in points_of(item) if point.swept]
    return [
        "Area of a circle: parameters. Both are counted at inference, where the filters of a text-driven head are "
        "stored. A dot marks the circle's centre. Up and to the left is better.",
        *([f"Numbers: {' or '.join(dict.fromkeys(swept))}."] if swept else []),
        *basis(item, results, points_of(item)),
    ]
