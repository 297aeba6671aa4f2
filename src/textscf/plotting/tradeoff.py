"""Figure 4 of the paper: mean Dice against SDlogJ, over lambda and with or without integration."""

import pandas as pd
from matplotlib.axes import Axes

from textscf.plotting.drawing import Drawing
from textscf.plotting.points import counted, legend_of, looks, prepare
from textscf.plotting.style import COLUMN_WIDTH, INK, journal_style, new_figure
from textscf.plotting.summary import summarise
from textscf.results import Item, Results


def draw(item: Item, results: Results) -> Drawing:
    """A point per run; those of a sweep are joined by a line in order of lambda."""
    data = summarise(item, results)
    with journal_style():
        figure = new_figure(COLUMN_WIDTH, 72)
        axes = figure.subplots()
        prepare(axes, "SDlogJ", "Dice (%)")
        for label, colour, marker in looks(item):
            _draw_method(axes, data[data["method"] == label], colour, marker)
        axes.margins(0.1)
        legend_of(figure, item, COLUMN_WIDTH)
    return Drawing(figure, [*_explanations(data), *counted(item, data)], data)


def _draw_method(axes: Axes, data: pd.DataFrame, colour: str, marker: str) -> None:
    for integrated, line in data.sort_values("smoothness").groupby("integrated"):
        face = "white" if integrated else colour
        axes.plot(
            line["sdlogj"], line["dice"], color=colour, linewidth=0.7, linestyle="dotted" if integrated else "solid",
            marker=marker, markersize=4, markerfacecolor=face, markeredgecolor=colour if integrated else INK,
            markeredgewidth=0.8 if integrated else 0.4,
        )  # fmt: skip
        if integrated:
            for point in line.itertuples():
                place = (point.sdlogj, point.dice)
                axes.annotate("Int", place, (2.5, 2), textcoords="offset points", fontsize=5.5, color=INK)


def _explanations(data: pd.DataFrame) -> list[str]:
    sentences = ["Up and to the left is better."]
    if data["integrated"].any():
        sentences.append("Int, open markers: with a diffeomorphic integration layer.")
    swept = data[data.duplicated("method", keep=False)]
    if len(swept):
        ranges = [
            f"{method} {', '.join(f'{value:g}' for value in sorted(set(line['smoothness'])))}"
            for method, line in swept.groupby("method", sort=False)
        ]
        sentences.append(f"Lines join values of lambda: {'; '.join(ranges)}.")
    return sentences
