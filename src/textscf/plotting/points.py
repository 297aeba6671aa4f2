"""Common parts of scatter plots of methods: colours, markers, legend, and sentences about pairs and seeds."""

from collections.abc import Iterator
from typing import Any

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.collections import Collection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from textscf.plotting.style import INK, PALE, legend_columns, method_colours
from textscf.results import captions
from textscf.results.items import Item

MARKERS = ["o", "s", "^", "D", "v", "P", "X", "<", ">"]
MARKER_SIZE = 4.5
"""Diameter of a marker in points."""
QUOTED: dict[str, Any] = {
    "linestyle": "", "marker": "*", "markersize": 7, "markerfacecolor": "none", "markeredgewidth": 0.8
}  # fmt: skip
"""Marker style of values that the paper quotes: hollow stars."""


def looks(item: Item) -> Iterator[tuple[str, str, str]]:
    """Label, colour and marker of each row."""
    colours = colours_of(item)
    for n, row in enumerate(item.rows):
        yield row.label, colours[row.label], MARKERS[n % len(MARKERS)]


def colours_of(item: Item) -> dict[str, str]:
    """Colours of quoted methods and of rows, by label.

    The reference has a colour of its own; without a reference, the last row gets it.
    """
    labels = list(dict.fromkeys([*item.quoted, *(row.label for row in item.rows)]))
    reference = (item.reference_row or item.rows[-1]).label
    return {label: colour for label, (colour, _) in zip(labels, method_colours(labels, reference), strict=True)}


def prepare(axes: Axes, xlabel: str, ylabel: str) -> None:
    """Set axis labels and draw a pale grid behind the points."""
    axes.set(xlabel=xlabel, ylabel=ylabel)
    axes.grid(linewidth=0.4, color=PALE)
    axes.set_axisbelow(True)


def draw_markers(axes: Axes, item: Item, data: pd.DataFrame, x: str, y: str) -> Collection:
    """Draw a marker for each line of `data` in the colour and shape of its `method`; return the markers."""
    shapes = {label: marker for label, _, marker in looks(item)}
    sns.scatterplot(
        data, x=x, y=y, hue="method", palette=colours_of(item), style="method", markers=shapes, s=MARKER_SIZE**2,
        edgecolor=INK, linewidth=0.4, zorder=3, legend=False, ax=axes,
    )  # fmt: skip
    return axes.collections[-1]


def legend_of(figure: Figure, item: Item, width: float, marker: str | None = None) -> None:
    """Draw a legend of rows and quoted methods above the axes, `width` mm wide; `marker` replaces all rows' markers."""
    handles = [
        Line2D(
            [], [], linestyle="", marker=marker or own, markersize=MARKER_SIZE, color=colour, markeredgecolor=INK,
            markeredgewidth=0.4, label=captions.marked_label(row),
        )
        for row, (_, colour, own) in zip(item.rows, looks(item), strict=True)
    ]  # fmt: skip
    colours = colours_of(item)
    handles += [Line2D([], [], color=colours[label], label=f"{label} (quoted)", **QUOTED) for label in item.quoted]
    figure.legend(handles=handles, ncols=legend_columns(handles, width), loc="outside upper center", handlelength=1)


def counted(item: Item, data: pd.DataFrame) -> list[str]:
    """Caption sentences: number of pairs and seeds, how missing structures count, meaning of the dagger."""
    pairs = captions.pairs_phrase(sorted(set(data["pairs"])))
    seeds = captions.seeds_phrase(list(data.loc[data["trained"], "seeds"]))
    return [
        f"Means over {pairs}; {seeds}.",
        captions.convention_sentence(item.convention),
        *captions.leakage_sentences(item),
    ]
