"""Figure 6 of the paper: displacement fields at the border of a structure, as arrows.

Numbers measure the discontinuity of each field at the border.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from textscf.data.cohort import Cohort
from textscf.data.geometry import axis_codes, axis_order
from textscf.errors import InputError
from textscf.metrics.discontinuity import displacement_jumps
from textscf.metrics.measures import METRICS
from textscf.plotting.basis import BOXES, budget, pairs_and_subjects
from textscf.plotting.drawing import Drawing
from textscf.plotting.field_panels import Arrows, Cut, Ratios, draw_panels
from textscf.plotting.figures.example import Pair, chosen_pair, cohort_of, dice_of, displacement_of, pair_sentences
from textscf.plotting.points import looks
from textscf.plotting.slices import AXIAL, DISPLAY_AXES, to_display
from textscf.plotting.style import journal_style
from textscf.results import captions
from textscf.results.items import Item, Results, Row

_MARGIN_MM = 25.0
_RATIO = METRICS["border_ratio"]
_JUMPS = list(_RATIO.columns)

NEEDS_DICE = True


def draw(item: Item, results: Results) -> Drawing:
    """Draw the fixed scan with the structure and a box, then the field in the box for each row's first seed."""
    cohort = cohort_of(item, results)
    pair, n_pairs = chosen_pair(results, item.rows[-1], item.pair)
    labels = cohort.load_labels(pair.fixed)
    label, name = _structure(item, cohort, pair, labels)
    fields = [displacement_of(results, row, cohort, pair) for row in item.rows]
    jumps = [
        jumps_of(results, row, pair, labels == label, field, cohort)
        for row, field in zip(item.rows, fields, strict=True)
    ]
    data = pd.DataFrame(jumps)
    index = int(np.argmax((to_display(labels, axis_codes(cohort.affine)) == label).sum(axis=(0, 1))))
    cut = _cut(cohort, pair, labels, label, index)
    arrows = [
        Arrows(captions.marked_label(row), _numbers(line), *_in_plane(field, cohort, index))
        for row, line, field in zip(item.rows, jumps, fields, strict=True)
    ]
    ratios = ratios_of_pairs(item, results)
    with journal_style():
        figure, shrunk = draw_panels(cut, name, arrows, Ratios(ratios, looks(item)))
    by_pair = ratios.groupby("method", sort=False)["ratio"].agg(lambda values: " ".join(f"{v:.4f}" for v in values))
    sentences = _sentences(item, results, pair, n_pairs, name, shrunk, data)
    return Drawing(figure, sentences, data.assign(ratio_by_pair=data["method"].map(by_pair)))


def ratios_of_pairs(item: Item, results: Results) -> pd.DataFrame:
    """Ratio of the jump across borders to that inside structures, of every pair, averaged over seeds.

    Columns: method, fixed, moving, ratio. The jumps are those of all structures of a pair.
    """
    frames = []
    for row in item.rows:
        pairs = pd.concat(results.pairs(row))
        pairs = pairs.assign(ratio=pairs[_JUMPS[0]] / pairs[_JUMPS[1]], method=row.label)
        frames.append(pairs.groupby(["method", "fixed", "moving"], sort=False)["ratio"].mean().reset_index())
    return pd.concat(frames, ignore_index=True)


def jumps_of(
    results: Results, row: Row, pair: Pair, mask: np.ndarray, displacement: np.ndarray, cohort: Cohort
) -> dict[str, str | float]:
    """Jumps of the displacement at the structure in this pair, and their means over all structures, pairs and seeds.

    Raises InputError for a run without registration, and for a run whose evaluation has no jump columns.
    """
    results.check_metric(row, _RATIO)
    pairs = pd.concat(results.pairs(row))
    path = results.run_folder(row.runs[0]) / "pairs.csv"
    if pairs[_JUMPS].isna().all(axis=None):
        raise InputError(f"{path}: no jumps of a displacement; expected runs that register")
    border, inside = displacement_jumps(mask.astype(np.uint8), displacement, cohort.spacing)
    return {
        "method": row.label,
        **vars(pair),
        "dice": dice_of(results, row, pair),
        "pair_border": border,
        "pair_inside": inside,
        "pair_ratio": _ratio(border, inside),
        "mean_border": float(pairs[_JUMPS[0]].mean()),
        "mean_inside": float(pairs[_JUMPS[1]].mean()),
        "mean_ratio": float((pairs[_JUMPS[0]] / pairs[_JUMPS[1]]).mean()),
    }


def _ratio(border: float, inside: float) -> float:
    return border / inside if inside else float("nan")


def _numbers(jumps: dict[str, str | float]) -> str:
    border, inside, ratio = (jumps[f"pair_{name}"] for name in ("border", "inside", "ratio"))
    return f"border {border:.2f}\ninside {inside:.2f}\nratio {ratio:.2f}"


def _structure(item: Item, cohort: Cohort, pair: Pair, labels: np.ndarray) -> tuple[int, str]:
    """Label and name of the requested structure, or of the largest structure if the fixed scan lacks it."""
    sizes = {
        name: np.count_nonzero(labels == value)
        for name, value in zip(cohort.structure_names, cohort.label_values, strict=True)
    }
    largest = max(sizes, key=lambda name: sizes[name])
    if not sizes[largest]:
        raise InputError(f"{cohort.label_path(pair.fixed)}: holds no structure; expected at least one")
    name = item.structure if item.structure and sizes.get(item.structure) else largest
    return int(cohort.label_values[cohort.structure_names.index(name)]), name


def _cut(cohort: Cohort, pair: Pair, labels: np.ndarray, label: int, index: int) -> Cut:
    """Cut the axial slice, with a box around the structure."""
    codes = axis_codes(cohort.affine)
    spacing = [cohort.spacing[axis] for axis in axis_order(codes, DISPLAY_AXES)]
    shown = AXIAL.cut(to_display(labels, codes), index)
    columns_mm, rows_mm = (spacing[axis] for axis in AXIAL.in_plane)
    box = []
    for axis, step in ((0, rows_mm), (1, columns_mm)):
        used = np.flatnonzero((shown == label).any(axis=1 - axis))
        margin = round(_MARGIN_MM / step)
        box.append(slice(max(int(used[0]) - margin, 0), min(int(used[-1]) + margin + 1, shown.shape[axis])))
    image = AXIAL.cut(to_display(cohort.load_image(pair.fixed), codes), index)
    return Cut(image, shown, label, (columns_mm, rows_mm), box[0], box[1])


def _in_plane(displacement: np.ndarray, cohort: Cohort, index: int) -> Sequence[np.ndarray]:
    """Components of the displacement in mm, along columns and rows of the axial picture at slice `index`."""
    codes = axis_codes(cohort.affine)
    order = axis_order(codes, DISPLAY_AXES)
    components = []
    for axis in AXIAL.in_plane:
        stored = order[axis]
        sign = 1 if codes[stored] == DISPLAY_AXES[axis] else -1
        component = to_display(displacement[..., stored], codes) * sign * cohort.spacing[stored]
        components.append(AXIAL.cut(component, index))
    return components


def _sentences(
    item: Item, results: Results, pair: Pair, n_pairs: int, name: str, shrunk: float, data: pd.DataFrame
) -> list[str]:
    other = f" (this scan has no {item.structure})" if item.structure and name != item.structure else ""
    scale = "to scale" if shrunk == 1 else f"drawn at {shrunk:g} of their length"
    means = "; ".join(
        f"{line.method} {line.mean_border:.3f} and {line.mean_inside:.3f}, ratio {line.mean_ratio:.2f}"
        for line in data.itertuples()
    )
    return [
        *pair_sentences(item, results, pair, n_pairs),
        f"Axial slice through the {name}{other}, the patient's right on the left; blue: its outline, black: other "
        "structures.",
        f"Arrows lead to where a voxel comes from in the moving scan, {scale}, darker the longer.",
        f"Numbers: mean size of the change of the displacement from voxel to voxel across the border of the {name} and "
        "inside it, in mm per mm.",
        "Right: ratio of the jump across the borders of all structures to that inside them, of each of "
        f"{pairs_and_subjects(results.pairs(row)[0] for row in item.rows)}, averaged over seeds.",
        BOXES,
        f"Over all pairs, mean jumps across borders and inside, with the mean of the pairs' ratios: {means}.",
        *budget(results, [row for row in item.rows if results.is_trained(row)]),
        *captions.leakage_sentences(item),
    ]
