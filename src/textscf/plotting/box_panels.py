"""Panels of boxplots below each other, with their scales, names and legends."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from textscf.plotting.marks import Mark, mark_of
from textscf.plotting.style import (
    CHARACTER_WIDTH,
    COLUMN_WIDTH,
    INK,
    PALE,
    TEXT_WIDTH,
    legend_columns,
    method_colours,
    new_figure,
)
from textscf.results import captions
from textscf.results.items import Item

_NARROWEST_BOX = 1.35
_MARGIN = 15.0
_TURN = 40


@dataclass(frozen=True)
class BoxPanel:
    """One panel of boxes.

    Attributes:
        axes: where the boxes are drawn.
        structures: names of the structures.
        width: width of the figure in mm.
        slot: width of one structure's slot in mm.
        upright: whether the structures' names are written without rotation.
    """

    axes: Axes
    structures: list[str]
    width: float
    slot: float
    upright: bool


def layout(order: list[str], n_methods: int) -> tuple[Figure, list[BoxPanel]]:
    """Create panels below each other, each with as many structures as its width allows."""
    boxes = n_methods + 1
    width = COLUMN_WIDTH if len(order) * boxes * 2.5 < COLUMN_WIDTH - _MARGIN else TEXT_WIDTH
    per_panel = max(1, int((width - _MARGIN) / (boxes * _NARROWEST_BOX)))
    n_panels = -(-len(order) // per_panel)
    chunks = [list(chunk) for chunk in np.array_split(np.array(order, dtype=object), n_panels)]
    slots = len(chunks[0])
    slot = (width - _MARGIN) / slots
    upright = _names_fit(order, slot)
    turned_height = 0 if upright else CHARACTER_WIDTH * max(map(len, order)) * np.sin(np.radians(_TURN))
    figure = new_figure(width, 15 + (50 + turned_height) * n_panels)
    all_axes = figure.subplots(n_panels, 1, squeeze=False)[:, 0]
    for axes in all_axes:
        axes.set_xlim(-0.5, slots - 0.5)
    return figure, [BoxPanel(axes, chunk, width, slot, upright) for axes, chunk in zip(all_axes, chunks, strict=True)]


def draw_panel(panel: BoxPanel, item: Item, data: pd.DataFrame, tests: pd.DataFrame) -> None:
    """Draw the boxes of all methods for the panel's structures; marks show the differences from the reference.

    Args:
        panel: where to draw.
        item: the figure.
        data: columns method, structure, dice (%), one line per pair.
        tests: result of `compare_with_reference`.
    """
    axes, labels = panel.axes, [row.label for row in item.rows]
    _draw_scale(panel, data["dice"].min())
    pitch = 0.84 / len(labels)
    looks = method_colours(labels, item.reference_row.label if item.reference_row else None)
    for n, (label, look) in enumerate(zip(labels, looks, strict=True)):
        places = np.arange(len(panel.structures)) + (n - (len(labels) - 1) / 2) * pitch
        _draw_boxes(axes, places, _values(data, label, panel.structures), 0.8 * pitch, look)
        _draw_marks(axes, places, tests[tests["method"] == label], panel.structures, look[0])
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


def _values(data: pd.DataFrame, label: str, structures: Sequence[str]) -> list[np.ndarray]:
    by_structure = data[data["method"] == label].groupby("structure")["dice"]
    return [by_structure.get_group(structure).dropna().to_numpy() for structure in structures]


def _draw_boxes(axes: Axes, places: np.ndarray, values: list[np.ndarray], width: float, look: tuple[str, str]) -> None:
    colour, hatch = look
    line = {"linewidth": 0.5, "color": INK}
    axes.boxplot(
        values,
        positions=places,
        widths=width,
        manage_ticks=False,
        patch_artist=True,
        showmeans=True,
        boxprops={"facecolor": colour, "edgecolor": INK, "linewidth": 0.5, "hatch": hatch},
        whiskerprops=line,
        capprops=line,
        medianprops={"linewidth": 1.0, "color": "black", "solid_capstyle": "butt"},
        meanprops={"marker": "D", "markersize": 2, "markerfacecolor": "white", "markeredgecolor": INK}
        | {"markeredgewidth": 0.4},
        flierprops={"marker": "o", "markersize": 1.4, "markerfacecolor": colour, "markeredgecolor": "#555555"}
        | {"markeredgewidth": 0.2},
    )


def _draw_marks(axes: Axes, places: np.ndarray, tests: pd.DataFrame, structures: Sequence[str], colour: str) -> None:
    marks = {test["structure"]: mark_of(test) for test in tests.to_dict("records")}
    floor = axes.get_yticks()[0]
    for place, structure in zip(places, structures, strict=True):
        mark = marks.get(structure)
        if mark:
            axes.add_line(mark.artist(colour, place, 100 + 0.04 * (100 - floor)))


def _names_fit(names: Sequence[str], slot: float) -> bool:
    """Whether the names, wrapped at spaces, fit below slots of `slot` mm without rotation."""
    return all(len(word) * CHARACTER_WIDTH < slot for name in names for word in name.split())


def _label_structures(panel: BoxPanel) -> None:
    names = [
        textwrap.fill(name, int(panel.slot / CHARACTER_WIDTH)) if panel.upright else name for name in panel.structures
    ]
    panel.axes.set_xticks(range(len(names)), names)
    if not panel.upright:
        for label in panel.axes.get_xticklabels():
            label.set(rotation=_TURN, ha="right", rotation_mode="anchor")
    panel.axes.tick_params(axis="x", length=0)


def draw_legends(figure: Figure, item: Item, width: float, marks: list[Mark]) -> None:
    """Draw the legend of the methods above the panels and that of the marks below."""
    reference = item.reference_row.label if item.reference_row else None
    looks = method_colours([row.label for row in item.rows], reference)
    methods = [
        Patch(facecolor=colour, hatch=hatch, edgecolor=INK, linewidth=0.5, label=captions.marked_label(row))
        for row, (colour, hatch) in zip(item.rows, looks, strict=True)
    ]
    explained = [mark.artist("#777777") for mark in marks]
    for handle, mark in zip(explained, marks, strict=True):
        handle.set_label(mark.explanation(str(reference)))
    figure.legend(handles=methods, ncols=legend_columns(methods, width), loc="outside upper center", handlelength=1.4)
    if explained:
        figure.legend(handles=explained, ncols=legend_columns(explained, width), loc="outside lower center")
