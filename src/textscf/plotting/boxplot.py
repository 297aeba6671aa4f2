"""Figure 3 of the paper: Dice of every structure, methods side by side, with paired t-tests."""

import textwrap
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from textscf import captions
from textscf.plotting.drawing import Drawing
from textscf.plotting.style import COLUMN_WIDTH, TEXT_WIDTH, journal_style, method_colours, new_figure
from textscf.results import Item, Results, compare_with_reference
from textscf.statistics import ALL

ALPHA = 0.05

_NARROWEST_BOX = 1.35
_MARGIN = 15.0
_CHARACTER = 1.45
_INK, _PALE = "#222222", "#DDDDDD"
_MARKS = {"better": "*", "worse": "v"}


@dataclass(frozen=True)
class _Panel:
    """One line of boxes: its axes, structures, and the widths in mm of the figure and of one structure's boxes."""

    axes: Axes
    structures: list[str]
    width: float
    slot: float


def draw(item: Item, results: Results) -> Drawing:
    """Boxplots of all structures, ordered by the reference's mean Dice (the last row's without a reference)."""
    data = dice_of_pairs(item, results)
    tests = compare_with_reference(item, results)
    ordered_by = item.reference_row or item.rows[-1]
    order = structure_order(data, ordered_by.label)
    with journal_style():
        figure, panels = _layout(order, len(item.rows))
        for panel in panels:
            _draw_panel(panel, item, data, tests)
        _draw_legends(figure, item, panels[0].width, _kinds_of_marks(tests))
    return Drawing(figure, _sentences(item, results, data, ordered_by.label))


def dice_of_pairs(item: Item, results: Results) -> pd.DataFrame:
    """Columns method, structure, fixed, moving, dice (%): seeds averaged per pair, missing as the convention has it."""
    frames = []
    for row in item.rows:
        frame = results.seed_mean(row, item.convention)[["structure", "fixed", "moving", "dice"]]
        frames.append(frame.assign(dice=frame["dice"] * 100, method=row.label))
    return pd.concat(frames, ignore_index=True)


def structure_order(data: pd.DataFrame, method: str) -> list[str]:
    """Structures by falling mean Dice of a method; those without any value come last."""
    means = data[data["method"] == method].groupby("structure", sort=False)["dice"].mean()
    return list(means.sort_values(ascending=False, kind="stable").index)


def mark_of(test: Mapping[Hashable, Any]) -> tuple[str, bool] | None:
    """How a line of the tests is marked: reference `better` or `worse`, and whether also after Holm; None from 0.05."""
    if not test["p"] < ALPHA:
        return None
    return ("better" if test["difference"] > 0 else "worse", bool(test["p_holm"] < ALPHA))


def _layout(order: list[str], n_methods: int) -> tuple[Figure, list[_Panel]]:
    """Panels below each other, each with as many structures as leave the boxes wide enough."""
    boxes = n_methods + 1
    width = COLUMN_WIDTH if len(order) * boxes * 2.5 < COLUMN_WIDTH - _MARGIN else TEXT_WIDTH
    per_panel = max(1, int((width - _MARGIN) / (boxes * _NARROWEST_BOX)))
    n_panels = -(-len(order) // per_panel)
    chunks = [list(chunk) for chunk in np.array_split(np.array(order, dtype=object), n_panels)]
    slots = len(chunks[0])
    figure = new_figure(width, 12 + (62 if n_panels == 1 else 56) * n_panels)
    all_axes = figure.subplots(n_panels, 1, squeeze=False)[:, 0]
    slot = (width - _MARGIN) / slots
    for axes in all_axes:
        axes.set_xlim(-0.5, slots - 0.5)
    return figure, [_Panel(axes, chunk, width, slot) for axes, chunk in zip(all_axes, chunks, strict=True)]


def _draw_panel(panel: _Panel, item: Item, data: pd.DataFrame, tests: pd.DataFrame) -> None:
    axes, labels = panel.axes, [row.label for row in item.rows]
    _draw_scale(panel, data["dice"].min())
    pitch = 0.84 / len(labels)
    looks = method_colours(labels, item.reference_row.label if item.reference_row else None)
    for n, (label, look) in enumerate(zip(labels, looks, strict=True)):
        places = np.arange(len(panel.structures)) + (n - (len(labels) - 1) / 2) * pitch
        _draw_boxes(axes, places, _values(data, label, panel.structures), 0.8 * pitch, look)
        _draw_marks(axes, places, tests[tests["method"] == label], panel.structures, look[0])
    _label_structures(panel)


def _draw_scale(panel: _Panel, lowest: float) -> None:
    """Dice from the multiple of 20 below `lowest` to 100, with room for marks above."""
    axes, floor = panel.axes, 0 if np.isnan(lowest) else int(lowest // 20 * 20)
    axes.set_ylim(floor - 0.02 * (100 - floor), 100 + 0.07 * (100 - floor))
    axes.spines["left"].set_bounds(floor, 100)
    axes.set_yticks(range(floor, 101, 20 if floor < 60 else 10))
    axes.set_ylabel("Dice (%)")
    axes.grid(axis="y", linewidth=0.4, color=_PALE)
    axes.set_axisbelow(True)
    for place in range(1, len(panel.structures)):
        axes.axvline(place - 0.5, color=_PALE, linewidth=0.4, ymax=0.93)


def _values(data: pd.DataFrame, label: str, structures: Sequence[str]) -> list[np.ndarray]:
    by_structure = data[data["method"] == label].groupby("structure")["dice"]
    return [by_structure.get_group(structure).dropna().to_numpy() for structure in structures]


def _draw_boxes(axes: Axes, places: np.ndarray, values: list[np.ndarray], width: float, look: tuple[str, str]) -> None:
    colour, hatch = look
    line = {"linewidth": 0.5, "color": _INK}
    axes.boxplot(
        values,
        positions=places,
        widths=width,
        manage_ticks=False,
        patch_artist=True,
        showmeans=True,
        boxprops={"facecolor": colour, "edgecolor": _INK, "linewidth": 0.5, "hatch": hatch},
        whiskerprops=line,
        capprops=line,
        medianprops={"linewidth": 1.0, "color": "black", "solid_capstyle": "butt"},
        meanprops={"marker": "D", "markersize": 2, "markerfacecolor": "white", "markeredgecolor": _INK}
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
            axes.add_line(_mark(*mark, colour, place, 100 + 0.04 * (100 - floor)))


def _mark(kind: str, after_holm: bool, colour: str, x: float = np.nan, y: float = np.nan) -> Line2D:
    return Line2D(
        [x],
        [y],
        linestyle="",
        marker=_MARKS[kind],
        markersize=4 if kind == "better" else 3,
        markerfacecolor=colour if after_holm else "white",
        markeredgecolor=_INK,
        markeredgewidth=0.35,
        clip_on=False,
    )


def _label_structures(panel: _Panel) -> None:
    characters = int(panel.slot / _CHARACTER)
    fits = all(len(word) <= characters for name in panel.structures for word in name.split())
    names = [textwrap.fill(name, characters) if fits else textwrap.fill(name, 24) for name in panel.structures]
    panel.axes.set_xticks(range(len(names)), names)
    if not fits:
        for label in panel.axes.get_xticklabels():
            label.set(rotation=40, ha="right", rotation_mode="anchor")
    panel.axes.tick_params(axis="x", length=0)


def _kinds_of_marks(tests: pd.DataFrame) -> list[tuple[str, bool]]:
    if tests.empty:
        return []
    structures = tests[tests["structure"] != ALL]
    marks = {mark_of(test) for test in structures.to_dict("records")}
    return sorted((mark for mark in marks if mark), key=lambda mark: (mark[0], not mark[1]))


def _draw_legends(figure: Figure, item: Item, width: float, marks: list[tuple[str, bool]]) -> None:
    """Methods above, marks below."""
    reference = item.reference_row.label if item.reference_row else None
    looks = method_colours([row.label for row in item.rows], reference)
    methods = [
        Patch(facecolor=colour, hatch=hatch, edgecolor=_INK, linewidth=0.5, label=captions.marked_label(row))
        for row, (colour, hatch) in zip(item.rows, looks, strict=True)
    ]
    explained = [_mark(kind, after_holm, "#777777") for kind, after_holm in marks]
    for handle, (kind, after_holm) in zip(explained, marks, strict=True):
        handle.set_label(f"{reference} {kind}, p < {ALPHA} {'after Holm' if after_holm else 'uncorrected'}")
    for handles, place in ((methods, "outside upper center"), (explained, "outside lower center")):
        if handles:
            longest = max(len(str(handle.get_label())) for handle in handles)
            columns = int(width / (longest * _CHARACTER + 9))
            figure.legend(handles=handles, ncols=min(max(columns, 1), len(handles)), loc=place, handlelength=1.4)


def _sentences(item: Item, results: Results, data: pd.DataFrame, ordered_by: str) -> list[str]:
    n_pairs = len(data[["fixed", "moving"]].drop_duplicates())
    counts = [len(row.runs) for row in item.rows if not results.is_initial(row)]
    sentences = [
        f"{captions.pairs_phrase([n_pairs])}; {captions.seeds_phrase(counts)}, averaged per pair.",
        captions.convention_sentence(item.convention),
        f"Structures are ordered by the mean Dice of {ordered_by}.",
        "Boxes: quartiles and median; diamonds: means; whiskers: furthest value within 1.5 interquartile ranges; "
        "points: values beyond.",
    ]
    if item.reference_row:
        sentences.append(
            f"Marks above a method's box: two-sided paired t-test over pairs against {item.reference_row.label}, "
            f"p < {ALPHA}; filled: also after Holm's adjustment over structures, open: uncorrected only, as in the "
            f"paper's test. Star: {item.reference_row.label} better, triangle: worse."
        )
    return sentences + captions.leakage_sentences(item)
