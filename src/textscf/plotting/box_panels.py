"""Panels of boxplots below each other, with their scales, names and legends."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.artist import setp
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from textscf.plotting.looks import Look
from textscf.plotting.marks import EDGE, Mark, marks_in, marks_of
from textscf.plotting.points import looks as looks_in
from textscf.plotting.style import (
    CHARACTER_WIDTH,
    COLUMN_WIDTH,
    INK,
    PALE,
    TEXT_WIDTH,
    box_style,
    legend_columns,
    new_figure,
)
from textscf.results import captions
from textscf.results.items import Item

_NARROWEST_BOX = 1.35
_MARGIN = 15.0
_LEGEND_LINE = 3.8
"""Height in mm of a line of the legend, of about two names in a column and seven on the whole page."""
_TURN = 40
_WIDTH = 0.8
"""Width of the boxes of one structure together; stripplot, which draws the marks above them, has no other."""


@dataclass(frozen=True)
class BoxPanel:
    """One panel of boxes.

    Attributes:
        axes: where the boxes are drawn.
        structures: names of the structures.
        width: width of the figure in mm.
        slots: number of structures for which the panel has room.
        upright: whether the structures' names are written without rotation.
    """

    axes: Axes
    structures: list[str]
    width: float
    slots: int
    upright: bool

    @property
    def slot(self) -> float:
        """Width of one structure's slot in mm."""
        return (self.width - _MARGIN) / self.slots


def layout(order: list[str], n_methods: int) -> tuple[Figure, list[BoxPanel]]:
    """Create panels below each other, each with as many structures as its width allows."""
    boxes = n_methods + 1
    width = COLUMN_WIDTH if len(order) * boxes * 2.5 < COLUMN_WIDTH - _MARGIN else TEXT_WIDTH
    per_panel = max(1, int((width - _MARGIN) / (boxes * _NARROWEST_BOX)))
    n_panels = -(-len(order) // per_panel)
    chunks = [list(chunk) for chunk in np.array_split(np.array(order, dtype=object), n_panels)]
    slots = len(chunks[0])
    upright = _names_fit(order, (width - _MARGIN) / slots)
    turned_height = 0 if upright else CHARACTER_WIDTH * max(map(len, order)) * np.sin(np.radians(_TURN))
    legend = _LEGEND_LINE * n_methods / (2 if width == COLUMN_WIDTH else 7)
    figure = new_figure(width, 15 + legend + (50 + turned_height) * n_panels)
    all_axes = figure.subplots(n_panels, 1, squeeze=False)[:, 0]
    return figure, [BoxPanel(axes, chunk, width, slots, upright) for axes, chunk in zip(all_axes, chunks, strict=True)]


def draw_panel(panel: BoxPanel, item: Item, data: pd.DataFrame, tests: pd.DataFrame) -> None:
    """Draw the boxes of all methods for the panel's structures; marks show the differences from the reference.

    Args:
        panel: where to draw.
        item: the figure.
        data: columns method, structure, dice (%), one line per pair.
        tests: result of `compare_with_reference`.
    """
    looks = looks_in(item)
    _draw_boxes(panel, data, looks)
    _draw_scale(panel, data["dice"].min())
    _draw_marks(panel, tests, looks)
    _label_structures(panel)


def _draw_scale(panel: BoxPanel, lowest: float) -> None:
    """Draw a Dice axis from the multiple of 20 below `lowest` to 100, with room for marks above."""
    axes, floor = panel.axes, 0 if np.isnan(lowest) else int(lowest // 20 * 20)
    axes.set_ylim(floor - 0.02 * (100 - floor), 100 + 0.07 * (100 - floor))
    axes.spines["left"].set_bounds(floor, 100)
    axes.set_yticks(range(floor, 101, 20 if floor < 60 else 10))
    axes.set_ylabel("Dice (%)")
    axes.grid(axis="y", linewidth=0.4, color=PALE)
    axes.set_axisbelow(True)
    for place in range(1, len(panel.structures)):
        axes.axvline(place - 0.5, color=PALE, linewidth=0.4, ymax=0.93)


def _draw_boxes(panel: BoxPanel, data: pd.DataFrame, looks: dict[str, Look]) -> None:
    """Draw boxes, means and outliers; hatches and the colours of outliers are added to what seaborn draws."""
    shown = data[data["structure"].isin(panel.structures)].dropna(subset="dice")
    sns.boxplot(
        shown, y="dice", width=_WIDTH, gap=0.2, **box_style(), **_places(panel, looks),
    )  # fmt: skip
    boxes_of_methods: list[Any] = panel.axes.containers
    drawn = [looks[label] for label in looks if label in set(shown["method"])]
    for boxes, look in zip(boxes_of_methods, drawn, strict=True):
        setp(boxes.boxes, hatch=look.hatch)
        setp(boxes.fliers, markerfacecolor=look.colour)


def _draw_marks(panel: BoxPanel, tests: pd.DataFrame, looks: dict[str, Look]) -> None:
    floor = panel.axes.get_yticks()[0]
    tests = tests.assign(height=100 + 0.04 * (100 - floor), mark=marks_of(tests))
    for mark in marks_in(tests):
        marker, size = mark.shape
        places = _places(panel, looks)
        sns.stripplot(
            tests[tests["mark"] == mark], y="height", dodge=True, jitter=False, marker=marker, size=size,
            edgecolor=INK, linewidth=EDGE, clip_on=False,
            **places if mark.firm else places | {"palette": ["white"] * len(looks)},
        )  # fmt: skip


def _places(panel: BoxPanel, looks: dict[str, Look]) -> dict[str, Any]:
    """Arguments by which seaborn puts structures side by side, and at each of them the methods in their colours."""
    structures = {"x": "structure", "order": panel.structures}
    methods = {"hue": "method", "hue_order": list(looks), "palette": [look.colour for look in looks.values()]}
    return {**structures, **methods, "legend": False, "ax": panel.axes}


def _names_fit(names: Sequence[str], slot: float) -> bool:
    """Whether the names, wrapped at spaces, fit below slots of `slot` mm without rotation."""
    return all(len(word) * CHARACTER_WIDTH < slot for name in names for word in name.split())


def _label_structures(panel: BoxPanel) -> None:
    names = [
        textwrap.fill(name, int(panel.slot / CHARACTER_WIDTH)) if panel.upright else name for name in panel.structures
    ]
    panel.axes.set(xlabel="", xlim=(-0.5, panel.slots - 0.5))
    panel.axes.set_xticks(range(len(names)), names)
    if not panel.upright:
        for label in panel.axes.get_xticklabels():
            label.set(rotation=_TURN, ha="right", rotation_mode="anchor")
    panel.axes.tick_params(axis="x", length=0)


def draw_legends(figure: Figure, item: Item, width: float, marks: list[Mark]) -> None:
    """Draw the legend of the methods above the panels and that of the marks below."""
    looks = looks_in(item)
    methods = [
        Patch(
            facecolor=looks[row.label].colour, hatch=looks[row.label].hatch, edgecolor=INK, linewidth=0.5,
            label=captions.marked_label(row),
        )
        for row in item.rows
    ]  # fmt: skip
    explained = [mark.artist("#777777") for mark in marks]
    for handle, mark in zip(explained, marks, strict=True):
        handle.set_label(mark.explanation(item.reference_row.label if item.reference_row else ""))
    figure.legend(handles=methods, ncols=legend_columns(methods, width), loc="outside upper center", handlelength=1.4)
    if explained:
        figure.legend(handles=explained, ncols=legend_columns(explained, width), loc="outside lower center")
