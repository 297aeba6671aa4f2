"""Common parts of scatter plots of methods: colours, markers, legend, and sentences about pairs and seeds."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.collections import Collection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from textscf.plotting.looks import Look, looks_of
from textscf.plotting.style import INK, PALE, legend_columns
from textscf.results import captions
from textscf.results.items import Item

MARKER_SIZE = 4.5
"""Diameter of a marker in points."""
PRINTED: dict[str, Any] = {
    "linestyle": "", "marker": "*", "markersize": 7, "markerfacecolor": "none", "markeredgewidth": 0.8
}  # fmt: skip
"""Marker style of values that the paper prints: hollow stars."""


def looks(item: Item) -> dict[str, Look]:
    """Looks of rows by label."""
    return looks_of([row.label for row in item.rows])


def colours_of(item: Item) -> dict[str, str]:
    """Colours of rows by label."""
    return {label: look.colour for label, look in looks(item).items()}


def prepare(axes: Axes, xlabel: str, ylabel: str) -> None:
    """Set axis labels and draw a pale grid behind the points."""
    axes.set(xlabel=xlabel, ylabel=ylabel)
    axes.grid(linewidth=0.4, color=PALE)
    axes.set_axisbelow(True)


def draw_markers(axes: Axes, item: Item, data: pd.DataFrame, x: str, y: str) -> Collection:
    """Draw a marker for each line of `data` in the colour and shape of its `method`; return the markers."""
    shapes = {label: look.marker for label, look in looks(item).items()}
    sns.scatterplot(
        data, x=x, y=y, hue="method", palette=colours_of(item), style="method", markers=shapes, s=MARKER_SIZE**2,
        edgecolor=INK, linewidth=0.4, zorder=3, legend=False, ax=axes,
    )  # fmt: skip
    return axes.collections[-1]


def legend_of(figure: Figure, item: Item, width: float, marker: str | None = None, more: Sequence[Line2D] = ()) -> None:
    """Draw a legend of rows and of `more` above the axes, `width` mm wide; `marker` replaces all rows' markers."""
    look = looks(item)
    handles = [
        Line2D(
            [], [], linestyle="", marker=marker or look[row.label].marker, markersize=MARKER_SIZE,
            color=look[row.label].colour, markeredgecolor=INK, markeredgewidth=0.4, label=captions.marked_label(row),
        )
        for row in item.rows
    ]  # fmt: skip
    handles += more
    figure.legend(handles=handles, ncols=legend_columns(handles, width), loc="outside upper center", handlelength=1)
