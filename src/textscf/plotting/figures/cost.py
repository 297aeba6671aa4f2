"""Figure 5b of the paper: mean Dice against multi-adds; the area of a circle shows the number of parameters."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullLocator

from textscf.plotting.drawing import Drawing
from textscf.plotting.means import points_of, summarise
from textscf.plotting.point_labels import Anchor, write_labels
from textscf.plotting.points import counted, legend_of, looks, prepare
from textscf.plotting.style import COLUMN_WIDTH, INK, journal_style, new_figure
from textscf.results import captions
from textscf.results.items import Item, Results

_LARGEST = 22.0
_ROUND = [1.0, 2.0, 5.0]


def draw(item: Item, results: Results) -> Drawing:
    """Draw a circle per run; circles of a sweep are joined by a line and labelled with the swept value."""
    data = cost_values(item, results)
    largest = int(data["parameters"].max())
    with journal_style():
        figure = new_figure(COLUMN_WIDTH, 84)
        axes = figure.subplots()
        prepare(axes, "Multi-adds (G)", "Dice (%)")
        axes.set_xscale("log")
        for label, colour, _ in looks(item):
            line = data[data["method"] == label]
            axes.plot(line["giga_multi_adds"], line["dice"], color=colour, linewidth=0.7)
            _draw_circles(axes, line, colour, largest)
        axes.margins(0.15)
        _set_ticks(axes)
        legend_of(figure, item, COLUMN_WIDTH, marker="o")
        _draw_sizes(figure, largest)
        _draw_values(axes, data, largest)
    return Drawing(figure, _sentences(item, data), data)


def cost_values(item: Item, results: Results) -> pd.DataFrame:
    """Columns of `summarise`, plus parameters and giga_multi_adds at inference, and value (the swept value as text)."""
    points = points_of(item)
    counts = [results.complexity(point)["inference"] for point in points]
    return summarise(item, results).assign(
        parameters=[count["parameters"] for count in counts],
        giga_multi_adds=[count["multi_adds"] / 1e9 for count in counts],
        value=[", ".join(map(str, point.swept.values())) for point in points],
    )


def _draw_circles(axes: Axes, data: pd.DataFrame, colour: str, largest: int) -> None:
    """Draw circles with a dot at each centre, small circles in front of large ones."""
    for x, y, count in zip(data["giga_multi_adds"], data["dice"], data["parameters"], strict=True):
        in_front = 2.5 - count / largest / 2
        axes.plot(
            x, y, "o", color=colour, markersize=_diameter(count, largest), alpha=0.55, markeredgecolor=INK,
            markeredgewidth=0.4, zorder=in_front,
        )  # fmt: skip
        axes.plot(x, y, ".", color=colour, markersize=4, markeredgecolor=INK, markeredgewidth=0.3, zorder=3)


def _draw_values(axes: Axes, data: pd.DataFrame, largest: int) -> None:
    columns = (data[name] for name in ("giga_multi_adds", "dice", "parameters", "value"))
    anchors = [Anchor(x, y, _diameter(count, largest) / 2, value) for x, y, count, value in zip(*columns, strict=True)]
    write_labels(axes, anchors)


def _set_ticks(axes: Axes) -> None:
    """Set ticks at powers of ten, as plain numbers; a shorter axis also gets 2 and 5 times them, or all multiples."""
    low, high = axes.get_xlim()
    multiples = [1.0] if high / low > 1000 else _ROUND if high / low > 10 else list(map(float, range(1, 10)))
    axes.xaxis.set_major_locator(LogLocator(subs=multiples, numticks=20))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_locator(NullLocator())


def _diameter(parameters: float, largest: int) -> float:
    """Diameter of a circle in points; its area is proportional to the number of parameters."""
    return _LARGEST * float(np.sqrt(parameters / largest))


def _draw_sizes(figure: Figure, largest: int) -> None:
    """Draw a legend of circles below the axes, for round numbers of parameters."""
    rounds = np.multiply.outer(10.0 ** np.arange(12), _ROUND).ravel()
    top = rounds[rounds <= largest][-1]
    handles = [
        Line2D(
            [], [], linestyle="", marker="o", markersize=_diameter(count, largest), markerfacecolor="white",
            markeredgecolor=INK, markeredgewidth=0.5, label=f"{_compact(count)} parameters",
        )
        for count in (top / 10, top)
    ]  # fmt: skip
    figure.legend(handles=handles, ncols=2, loc="outside lower center", borderpad=0.8, handletextpad=1.2)


def _compact(count: float) -> str:
    return f"{count / 1e6:g} M" if count >= 1e5 else f"{count / 1e3:g} k"


def _sentences(item: Item, data: pd.DataFrame) -> list[str]:
    swept = [", ".join(map(captions.setting_name, point.swept)) for point in points_of(item) if point.swept]
    return [
        "Area of a circle: parameters. Both are counted at inference, where the filters of a text-driven head are "
        "stored. A dot marks the circle's centre. Up and to the left is better.",
        *([f"Numbers: {' or '.join(dict.fromkeys(swept))}."] if swept else []),
        *counted(item, data),
    ]
