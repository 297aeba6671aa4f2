"""Figure 6 of the paper: displacement fields at the border of a structure, as arrows, with a number for their break."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.patches import Rectangle

from textscf import captions
from textscf.data.cohort import Cohort
from textscf.data.geometry import axis_codes, axis_order
from textscf.errors import InputError
from textscf.metrics.discontinuity import displacement_jumps
from textscf.plotting.drawing import Drawing
from textscf.plotting.example import Pair, chosen_pair, cohort_of, dice_of, displacement_of, pair_phrase
from textscf.plotting.slices import AXIAL, DISPLAY_AXES, to_display
from textscf.plotting.style import INK, REFERENCE_COLOUR, TEXT_WIDTH, journal_style, new_figure
from textscf.results import Item, Results, Row

_MARGIN_MM = 25.0
_ARROWS_ACROSS = 26
_GREYS = LinearSegmentedColormap.from_list("arrows", ["#CFCFCF", "#000000"])
_BOX = "#E69F00"
_JUMPS = ["jump_across_borders", "jump_inside"]


@dataclass(frozen=True)
class _Slice:
    """An axial slice in display axes: mm per voxel along columns and rows, the structure's mask and its box."""

    image: np.ndarray
    labels: np.ndarray
    mask: np.ndarray
    spacing: tuple[float, float]
    rows: slice
    columns: slice


def draw(item: Item, results: Results) -> Drawing:
    """The fixed scan with the structure and a box, then each row's field in the box."""
    cohort = cohort_of(item, results)
    pair, n_pairs = chosen_pair(results, item.rows[-1], item.pair)
    labels = cohort.load_labels(pair.fixed)
    label, name = _structure(item, cohort, labels)
    codes = axis_codes(cohort.affine)
    shown_labels = to_display(labels, codes)
    index = int(np.argmax((shown_labels == label).sum(axis=(0, 1))))
    part = _slice(to_display(cohort.load_image(pair.fixed), codes), shown_labels, label, index, _spacing(cohort))
    fields = [displacement_of(results, row, cohort, pair) for row in item.rows]
    data = pd.DataFrame(
        [_line(results, row, pair, labels == label, u, cohort) for row, u in zip(item.rows, fields, strict=True)]
    )
    arrows = [AXIAL.cut(component, index) for u in fields for component in _in_plane(u, cohort)]
    largest = max(float(np.hypot(u, v)[part.rows, part.columns].max()) for u, v in _pairs(arrows))
    with journal_style():
        figure = new_figure(TEXT_WIDTH, 60)
        axes = figure.subplots(1, len(fields) + 1)
        _draw_scan(axes[0], part)
        for place, (u, v), line in zip(axes[1:], _pairs(arrows), data.itertuples(), strict=True):
            _draw_field(place, part, u, v, largest)
            title = f"{line.method}\nborder {line.pair_border:.2f}, inside {line.pair_inside:.2f}"
            place.set_title(title, pad=3)
        axes[0].set_title(f"Fixed scan\n{name} and box", pad=3)
    return Drawing(figure, _sentences(item, pair, n_pairs, name, largest, data), data)


def _structure(item: Item, cohort: Cohort, labels: np.ndarray) -> tuple[int, str]:
    """Label and name of the structure asked for; of the largest one if the fixed scan lacks it."""
    known = dict(zip(cohort.structure_names, cohort.label_values, strict=True))
    label = known.get(item.structure or "", 0)
    if label and (labels == label).any():
        return label, str(item.structure)
    counts = {value: int((labels == value).sum()) for value in cohort.label_values}
    label = max(counts, key=lambda value: counts[value])
    return label, next(name for name, value in known.items() if value == label)


def _spacing(cohort: Cohort) -> list[float]:
    return [cohort.spacing[axis] for axis in axis_order(axis_codes(cohort.affine), DISPLAY_AXES)]


def _slice(image: np.ndarray, labels: np.ndarray, label: int, index: int, spacing: Sequence[float]) -> _Slice:
    shown = AXIAL.cut(labels, index)
    mask = shown == label
    columns_mm, rows_mm = (spacing[axis] for axis in AXIAL.in_plane)
    box = []
    for axis, step in ((0, rows_mm), (1, columns_mm)):
        used = np.flatnonzero(mask.any(axis=1 - axis))
        margin = round(_MARGIN_MM / step)
        box.append(slice(max(int(used[0]) - margin, 0), min(int(used[-1]) + margin + 1, mask.shape[axis])))
    return _Slice(AXIAL.cut(image, index), shown, mask, (columns_mm, rows_mm), box[0], box[1])


def _in_plane(displacement: np.ndarray, cohort: Cohort) -> list[np.ndarray]:
    """Components in mm along columns and rows of the picture, volumes in display axes."""
    codes = axis_codes(cohort.affine)
    order = axis_order(codes, DISPLAY_AXES)
    components = []
    for axis in AXIAL.in_plane:
        stored = order[axis]
        sign = 1 if codes[stored] == DISPLAY_AXES[axis] else -1
        components.append(to_display(displacement[..., stored], codes) * sign * cohort.spacing[stored])
    return components


def _pairs(arrows: Sequence[np.ndarray]) -> list[tuple[np.ndarray, np.ndarray]]:
    return list(zip(arrows[::2], arrows[1::2], strict=True))


def _line(
    results: Results, row: Row, pair: Pair, mask: np.ndarray, displacement: np.ndarray, cohort: Cohort
) -> dict[str, float | str]:
    """Jumps at the structure in this pair, and over all structures and pairs."""
    border, inside = displacement_jumps(mask.astype(np.uint8), displacement, cohort.spacing)
    pairs = pd.concat(results.pairs(row))
    if not set(_JUMPS) <= set(pairs):
        raise InputError(f"{results.run_folder(row.runs[0])}/pairs.csv: has no column '{_JUMPS[0]}'; evaluate it again")
    means = pairs[_JUMPS].mean()
    return {
        "method": captions.marked_label(row),
        **vars(pair),
        "dice": dice_of(results, row, pair),
        "pair_border": border,
        "pair_inside": inside,
        "mean_border": float(means.iloc[0]),
        "mean_inside": float(means.iloc[1]),
        "mean_ratio": float(means.iloc[0] / means.iloc[1]),
    }


def _draw_scan(axes: Axes, part: _Slice) -> None:
    columns, rows = part.spacing
    extent = (0.0, part.image.shape[1] * columns, part.image.shape[0] * rows, 0.0)
    axes.imshow(part.image, cmap="gray", extent=extent, interpolation="nearest")
    _outline(axes, part.mask, part.spacing, REFERENCE_COLOUR, 1.0)
    place = (part.columns.start * columns, part.rows.start * rows)
    size = ((part.columns.stop - part.columns.start) * columns, (part.rows.stop - part.rows.start) * rows)
    axes.add_patch(Rectangle(place, *size, fill=False, edgecolor=_BOX, linewidth=1.0))
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)


def _draw_field(axes: Axes, part: _Slice, u: np.ndarray, v: np.ndarray, largest: float) -> None:
    """Arrows to where each voxel comes from, darker the longer; all in mm."""
    columns, rows = part.spacing
    shape = part.mask.shape
    width = max((part.columns.stop - part.columns.start), (part.rows.stop - part.rows.start))
    step = max(1, round(width / _ARROWS_ACROSS))
    picked = (slice(part.rows.start, part.rows.stop, step), slice(part.columns.start, part.columns.stop, step))
    y, x = np.meshgrid((np.arange(shape[0]) + 0.5) * rows, (np.arange(shape[1]) + 0.5) * columns, indexing="ij")
    axes.quiver(
        x[picked], y[picked], u[picked], v[picked], np.hypot(u, v)[picked], cmap=_GREYS, norm=Normalize(0, largest),
        angles="xy", scale_units="xy", scale=1, width=0.006, headwidth=4,
    )  # fmt: skip
    for label in np.unique(part.labels[part.labels > 0]):
        _outline(axes, part.labels == label, part.spacing, INK, 0.4)
    _outline(axes, part.mask, part.spacing, REFERENCE_COLOUR, 1.2)
    axes.set(
        xlim=(part.columns.start * columns, part.columns.stop * columns),
        ylim=(part.rows.stop * rows, part.rows.start * rows), aspect="equal", xticks=[], yticks=[],
    )  # fmt: skip
    axes.spines[:].set(visible=True, color=_BOX)


def _outline(axes: Axes, mask: np.ndarray, spacing: tuple[float, float], colour: str, width: float) -> None:
    padded = np.pad(mask, 1).astype(np.float32)
    x = (np.arange(padded.shape[1]) - 0.5) * spacing[0]
    y = (np.arange(padded.shape[0]) - 0.5) * spacing[1]
    axes.contour(x, y, padded, levels=[0.5], colors=[colour], linewidths=width)


def _sentences(item: Item, pair: Pair, n_pairs: int, name: str, largest: float, data: pd.DataFrame) -> list[str]:
    means = "; ".join(
        f"{line.method} {line.mean_border:.3f} and {line.mean_inside:.3f}, ratio {line.mean_ratio:.2f}"
        for line in data.itertuples()
    )
    other = f" ({item.structure} is missing from this scan)" if item.structure and name != item.structure else ""
    return [
        f"{pair_phrase(item, pair, n_pairs)}.",
        f"Axial slice through the {name}{other}, the patient's right on the left; blue: its outline, black: other "
        "structures.",
        "Arrows lead to where a voxel comes from in the moving scan, to scale, darker the longer; the longest is "
        f"{largest:.1f} mm.",
        f"Numbers: mean change of the displacement between neighbouring voxels across the border of the {name} and "
        "inside it, in mm per mm.",
        f"Over all structures and {captions.pairs_phrase([n_pairs])}, across borders and inside: {means}.",
        *captions.leakage_sentences(item),
    ]
