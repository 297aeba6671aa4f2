"""Pairs of the viewer: for each method its best, median and worst test pair, registered by its first seed."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import pandas as pd
from nibabel.affines import apply_affine

from textscf.data.cohort import Cohort
from textscf.plotting.example_panels import Picture
from textscf.plotting.figures.example import (
    Pair,
    chosen_by,
    chosen_pair,
    dice_before,
    picture_of,
    values_of,
    warped_picture,
)
from textscf.plotting.slices import grey_window, organ_centre
from textscf.report.embedded_volumes import EmbeddedVolumes, as_bytes
from textscf.results import captions
from textscf.results.items import Item, Results, Row

PAIRS = ("best", "median", "worst")


@dataclass(frozen=True)
class ViewedScan:
    """A scan: heading, and the names of the volumes with its image and labels."""

    title: str
    image: str
    labels: str


@dataclass(frozen=True)
class ViewedPair:
    """A registered pair.

    Attributes:
        fixed, moving, warped: the scans.
        window: intensities shown as black and white, of 0 to 255.
        centre: mean centre of the fixed scan's structures in mm of RAS axes.
        words: sentences on the pair.
    """

    fixed: ViewedScan
    moving: ViewedScan
    warped: ViewedScan
    window: Sequence[float]
    centre: Sequence[float]
    words: str = ""


@dataclass(frozen=True)
class ViewedMethod:
    """A row of the table: run and name, and its pair for each of `PAIRS`."""

    run: str
    label: str
    pairs: dict[str, ViewedPair]


def viewed_methods(item: Item, results: Results, cohort: Cohort, volumes: EmbeddedVolumes) -> list[ViewedMethod]:
    """Register the pairs of every row of `item`, and add their images and label maps to `volumes`."""
    return [_method(row, results, cohort, volumes) for row in item.rows]


def _method(row: Row, results: Results, cohort: Cohort, volumes: EmbeddedVolumes) -> ViewedMethod:
    chosen = {which: chosen_pair(results, row, which) for which in PAIRS}
    views = {
        pair: _viewed(row, results, cohort, volumes, pair) for pair in dict.fromkeys(p for p, _ in chosen.values())
    }
    by, label = chosen_by(results, row), captions.marked_label(row)
    pairs = {
        which: replace(views[pair], words=f"{_choice(label, which, by, n_pairs)} {views[pair].words}")
        for which, (pair, n_pairs) in chosen.items()
    }
    return ViewedMethod(row.run, label, pairs)


def _viewed(row: Row, results: Results, cohort: Cohort, volumes: EmbeddedVolumes, pair: Pair) -> ViewedPair:
    fixed = picture_of(cohort, pair.fixed, f"Fixed: {pair.fixed}")
    moving = picture_of(cohort, pair.moving, f"Moving: {pair.moving}")
    before = dice_before(fixed.labels, moving.labels)
    initial = results.is_initial(row)
    title = "Not registered" if initial else f"Warped by {row.label}"
    warped = replace(warped_picture(moving, results, row, cohort, pair), title=title)
    seeds = f" The first of {captions.seeds_phrase([len(row.runs)])} is shown." if len(row.runs) > 1 else ""
    values = _values(values_of(results, row, pair), before, initial)
    return ViewedPair(
        fixed=_stored(fixed, volumes),
        moving=_stored(moving, volumes),
        warped=_stored(warped, volumes),
        window=[round(255 * value, 1) for value in grey_window(fixed.image)],
        centre=apply_affine(cohort.affine, organ_centre(fixed.labels)).round(3).tolist(),
        words=f"Fixed scan {pair.fixed}, moving scan {pair.moving}. {values}{seeds}",
    )


def _stored(picture: Picture, volumes: EmbeddedVolumes) -> ViewedScan:
    return ViewedScan(picture.title, volumes.add(as_bytes(picture.image)), volumes.add(picture.labels.astype("uint8")))


def _choice(label: str, which: str, by: str, n_pairs: int) -> str:
    return f"{label}: the {which} of {captions.pairs_phrase([n_pairs])} by {by}."


def _values(values: pd.Series, before: float, initial: bool) -> str:
    """Sentences on the accuracy of a pair; `before` is its Dice in percent before registration."""
    after = 100 * float(values["dice"])
    if math.isnan(after):
        sentence = "No Dice, since no structure is labelled in both scans."
    elif initial:
        sentence = f"Without registration: Dice {after:.1f} %, HD95 {_distance(values['hd95'])}."
    else:
        sentence = (
            f"Dice {before:.1f} % before registration and {after:.1f} % after it, HD95 {_distance(values['hd95'])}."
        )
    error = float(values.get("tre_mm", math.nan))
    return sentence if math.isnan(error) else f"{sentence} Mean distance of landmarks {error:.2f} mm."


def _distance(hd95: float) -> str:
    return "infinite because the warp lost a structure" if math.isinf(hd95) else f"{hd95:.2f} mm"
