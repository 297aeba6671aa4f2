"""Example figure of one test pair: fixed and moving scan, and each method's warped scan, labels and grid."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy import ndimage

from textscf.data.cohort import Cohort
from textscf.data.geometry import axis_codes, axis_order
from textscf.errors import InputError
from textscf.files.layout import Layout
from textscf.metrics.overlap import confusion_counts, dice_scores
from textscf.metrics.warping import warp_labels
from textscf.plotting.basis import budget
from textscf.plotting.drawing import Drawing
from textscf.plotting.example_panels import Picture, draw_pictures
from textscf.plotting.slices import DISPLAY_AXES, content_box, organ_centre, position_to_display, to_display
from textscf.plotting.style import journal_style
from textscf.registration.evaluation import registrar_of
from textscf.results import captions
from textscf.results.items import Item, Results, Row


@dataclass(frozen=True)
class Pair:
    """Names of a fixed and a moving subject."""

    fixed: str
    moving: str


def draw(item: Item, results: Results) -> Drawing:
    """Draw one pair, registered by the first seed of every row.

    The pair has the median, best or worst Dice (`item.pair`) of the last row's first seed; see `chosen_pair`.
    """
    cohort = cohort_of(item, results)
    pair, n_pairs = chosen_pair(results, item.rows[-1], item.pair)
    fixed, moving = picture_of(cohort, pair.fixed, "Fixed"), picture_of(cohort, pair.moving, "Moving")
    before = dice_before(fixed.labels, moving.labels)
    moving = replace(moving, title=_with_dice(moving.title, before))
    warped = [warped_picture(moving, results, row, cohort, pair) for row in item.rows]
    codes = axis_codes(cohort.affine)
    pictures = [_displayed(picture, codes) for picture in (fixed, moving, *warped)]
    box = content_box([picture.image for picture in pictures[:2]])
    pictures = [picture.cropped(box) for picture in pictures]
    spacing = [cohort.spacing[axis] for axis in axis_order(codes, DISPLAY_AXES)]
    with journal_style():
        figure, step = draw_pictures(pictures, organ_centre(pictures[0].labels), spacing, cohort.anatomy["structures"])
    lines = [{"method": row.label, **vars(pair), "dice": dice_of(results, row, pair)} for row in item.rows]
    data = pd.DataFrame(lines).assign(dice_before=before)
    return Drawing(figure, _sentences(item, results, pair, n_pairs, step), data)


def chosen_pair(results: Results, row: Row, which: str = "median") -> tuple[Pair, int]:
    """Choose the pair with the worst, (lower) median or best Dice of the row's first seed; also count the pairs.

    Pairs without Dice are chosen from only if no pair has any, by their landmarks' error or else by their names.
    """
    pairs = results.pairs(row)[0]
    if pairs["dice"].notna().any():
        pairs = pairs[pairs["dice"].notna()]
    error = pairs["tre_mm"] if "tre_mm" in pairs else pd.Series(0.0, pairs.index)
    pairs = pairs.assign(error=-error).sort_values(["dice", "error", "fixed", "moving"], kind="stable")
    chosen = pairs.iloc[{"worst": 0, "median": (len(pairs) - 1) // 2, "best": -1}[which]]
    return Pair(str(chosen["fixed"]), str(chosen["moving"])), len(pairs)


def chosen_by(results: Results, row: Row) -> str:
    """The value, in words, by which `chosen_pair` orders the pairs of a row."""
    frame = results.pairs(row)[0]
    return "Dice" if frame["dice"].notna().any() else "landmark error" if "tre_mm" in frame else "place in the list"


def cohort_of(item: Item, results: Results) -> Cohort:
    """The common cohort of all rows; InputError if there are several."""
    names = sorted({results.settings(row.runs[0])["cohort"] for row in item.rows})
    if len(names) > 1:
        raise InputError(f"{item.name}: its runs are of cohorts {', '.join(names)}; an example shows one cohort")
    return Cohort.load(Layout(results.folder).cohort(names[0]))


def picture_of(cohort: Cohort, subject: str, title: str) -> Picture:
    """The scan of a subject with its label map, which is only background for a scan without labels."""
    labels = cohort.load_labels(subject) if cohort.has_labels(subject) else np.zeros(cohort.shape, np.uint8)
    return Picture(title, cohort.load_image(subject), labels)


def warped_picture(moving: Picture, results: Results, row: Row, cohort: Cohort, pair: Pair) -> Picture:
    """The moving scan as warped by a row's first seed: image linearly interpolated, labels of the nearest voxel."""
    displacement = displacement_of(results, row, cohort, pair)
    grid = np.stack(np.meshgrid(*map(np.arange, moving.image.shape), indexing="ij"), axis=-1)
    position = grid + displacement
    image = ndimage.map_coordinates(moving.image, np.moveaxis(position, -1, 0), order=1)
    title = _with_dice(captions.marked_label(row), dice_of(results, row, pair))
    return Picture(title, image, warp_labels(moving.labels, displacement), position)


def _with_dice(title: str, dice: float) -> str:
    return title if np.isnan(dice) else f"{title}\nDice {dice:.1f} %"


def dice_of(results: Results, row: Row, pair: Pair) -> float:
    """Dice of a pair in percent for a row's first seed: mean over the structures present in both scans."""
    return 100 * float(values_of(results, row, pair)["dice"])


def values_of(results: Results, row: Row, pair: Pair) -> pd.Series:
    """Values of a pair in the `pairs.csv` of a row's first seed; InputError unless it is there once."""
    pairs = results.pairs(row)[0]
    found = pairs[(pairs["fixed"] == pair.fixed) & (pairs["moving"] == pair.moving)]
    if len(found) != 1:
        raise InputError(
            f"{results.run_folder(row.runs[0])}/pairs.csv: {len(found)} rows of the pair {pair.fixed}, {pair.moving}; "
            "expected one"
        )
    return found.iloc[0]


def dice_before(fixed: np.ndarray, moving: np.ndarray) -> float:
    """Dice in percent of two unregistered label maps: mean over the structures present in both; NaN without any."""
    present = np.intersect1d(fixed[fixed > 0], moving[moving > 0])
    counts = confusion_counts(fixed, moving, int(max(fixed.max(), moving.max())) + 1)
    return 100 * float(dice_scores(counts)[present].mean()) if present.size else float("nan")


def displacement_of(results: Results, row: Row, cohort: Cohort, pair: Pair) -> np.ndarray:
    """Displacement field ``(H, W, D, 3)`` in voxels that a row's first seed predicts for a pair."""
    run = row.runs[0]
    registrar = registrar_of(results.settings(run), cohort, results.training_folder(run) / "checkpoint.pt", "cpu")
    return np.zeros((*cohort.shape, 3)) if registrar is None else registrar.displacement(pair.fixed, pair.moving)[0]


def pair_sentences(item: Item, results: Results, pair: Pair, n_pairs: int) -> list[str]:
    """Caption sentences that name the pair and the seed shown."""
    by = chosen_by(results, item.rows[-1])
    chosen = f"the pair with the {item.pair} {by} of {item.rows[-1].label} among {captions.pairs_phrase([n_pairs])}"
    counts = [len(row.runs) for row in item.rows if results.is_trained(row)]
    several = [f"The first of {captions.seeds_phrase(counts)} is shown."] if max(counts, default=1) > 1 else []
    return [f"Fixed: {pair.fixed}, moving: {pair.moving}, {chosen}.", *several]


def _displayed(picture: Picture, codes: str) -> Picture:
    position = None if picture.position is None else position_to_display(picture.position, codes)
    return Picture(picture.title, to_display(picture.image, codes), to_display(picture.labels, codes), position)


def _sentences(item: Item, results: Results, pair: Pair, n_pairs: int, step: float) -> list[str]:
    return [
        *pair_sentences(item, results, pair, n_pairs),
        "Outlines: structures of the scan shown; dotted: those of the fixed scan.",
        "Dice: mean over the structures present in both scans; of the moving scan: before registration.",
        f"Grid: lines every {step:g} mm of the moving scan, as the registration draws them onto the fixed one.",
        "Slices through the mean centre of the structures; the patient's right is on the left.",
        *budget(results, [row for row in item.rows if results.is_trained(row)]),
        *captions.leakage_sentences(item),
    ]
