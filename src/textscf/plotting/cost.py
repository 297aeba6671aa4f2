"""Figure 5b of the paper: mean Dice against multi-adds, parameters as the area of a circle."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullFormatter

from textscf.plotting.drawing import Drawing
from textscf.plotting.points import counted, legend_of, looks, prepare
from textscf.plotting.style import COLUMN_WIDTH, INK, journal_style, new_figure
from textscf.plotting.summary import points_of, summarise
from textscf.results import Item, Results

_LARGEST = 24.0


def draw(item: Item, results: Results) -> Drawing:
    """A circle per run; those of a sweep are joined and carry the swept value."""
    data = summarise(item, results)
    points = points_of(item)
    counts = [results.complexity(point)["inference"] for point in points]
    data["parameters"] = [count["parameters"] for count in counts]
    data["giga_multi_adds"] = [count["multi_adds"] / 1e9 for count in counts]
    data["value"] = [", ".join(map(str, point.swept.values())) for point in points]
    largest = int(data["parameters"].max())
    with journal_style():
        figure = new_figure(COLUMN_WIDTH, 82)
        axes = figure.subplots()
        prepare(axes, "Multi-adds (G)", "Dice (%)")
        axes.set_xscale("log")
        for label, colour, _ in looks(item):
            _draw_method(axes, data[data["method"] == label], colour, largest)
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.margins(0.16)
        legend_of(figure, item, COLUMN_WIDTH, marker="o")
        _draw_sizes(figure, largest)
    sentences = [
        "Area of a circle: parameters. Both are counted at inference, where the filters of a text-driven head are "
        "stored. Up and to the left is better.",
        *counted(item, data),
    ]
    if data["value"].ne("").any():
        sentences.insert(1, "Numbers: start channels of the network.")
    return Drawing(figure, sentences, data)


def _draw_method(axes: Axes, data: pd.DataFrame, colour: str, largest: int) -> None:
    axes.plot(data["giga_multi_adds"], data["dice"], color=colour, linewidth=0.7)
    columns = (data[name].to_list() for name in ("giga_multi_adds", "dice", "parameters", "value"))
    for x, y, parameters, value in zip(*columns, strict=True):
        size = _diameter(parameters, largest)
        axes.plot(x, y, "o", color=colour, markersize=size, alpha=0.55, markeredgecolor=INK, markeredgewidth=0.4)
        axes.plot(x, y, ".", color=INK, markersize=1.5)
        if value:
            axes.annotate(value, (x, y), (size / 2 + 1, 0), textcoords="offset points", fontsize=5.5, va="center")


def _diameter(parameters: float, largest: int) -> float:
    return _LARGEST * float(np.sqrt(parameters / largest))


def _draw_sizes(figure: Figure, largest: int) -> None:
    """Circles of round numbers of parameters below the axes."""
    top = 10.0 ** np.floor(np.log10(largest))
    handles = [
        Line2D(
            [], [], linestyle="", marker="o", markersize=_diameter(count, largest), markerfacecolor="white",
            markeredgecolor=INK, markeredgewidth=0.5, label=f"{_million(count)} parameters",
        )
        for count in (top / 10, top)
    ]  # fmt: skip
    figure.legend(handles=handles, ncols=2, loc="outside lower center", borderpad=0.8, handletextpad=1.2)


def _million(count: float) -> str:
    return f"{count / 1e6:g} M" if count >= 1e5 else f"{count / 1e3:g} k"
