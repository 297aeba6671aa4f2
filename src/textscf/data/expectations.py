"""Checks a prepared cohort before any training: the places of its organs and the overlap of its scans."""

import functools
import logging
from collections.abc import Mapping
from typing import Any, get_args

import numpy as np
import pandas as pd
from scipy import ndimage

from textscf.data.cohort import Cohort
from textscf.data.geometry import axis_codes
from textscf.errors import InputError
from textscf.job.workers import ParallelMap
from textscf.metrics.aggregation import run_means, structure_rows
from textscf.metrics.metric import Convention
from textscf.metrics.pair import evaluate_pair

_LOG = logging.getLogger(__name__)
_TOWARDS = {"left of": "L", "right of": "R", "in front of": "A", "behind": "P", "above": "S", "below": "I"}
_OPPOSITE = dict(zip("LRAPSI", "RLPAIS", strict=True))
_NAMES = {"L": "left-right", "A": "anterior-posterior", "S": "superior-inferior"}


def check_expectations(cohort: Cohort, expect: Mapping[str, Any], mapping: ParallelMap) -> None:
    """Raise InputError unless the prepared `cohort` fits its config's `expect`; it names the likely wrong assumption.

    Places compare the centres of mass of two structures, in the directions of the cohort's affine, in every scan that
    has both. Dice (percent) and HD95 (mm) are means over the test pairs without registration, by the project's metrics.
    """
    if "places" in expect:
        _check_places(cohort, expect["places"], mapping)
    if "initial" in expect:
        _check_initial(cohort, expect["initial"], mapping)
    _LOG.info("cohort %s is as expected: %s", cohort.name, ", ".join(expect))


def _check_places(cohort: Cohort, places: list[list[str]], mapping: ParallelMap) -> None:
    labels = dict(zip(cohort.structure_names, cohort.label_values, strict=True))
    unknown = {name for first, _, second in places for name in (first, second)} - labels.keys()
    if unknown:
        raise InputError(f"cohort {cohort.name}: expect.places: no structure '{min(unknown)}' in its anatomy")
    subjects = cohort.labelled()
    centres = mapping(functools.partial(_centres, cohort), subjects, "checking places")
    misplaced: dict[int, list[str]] = {}
    for number, (first, side, second) in enumerate(places):
        axis, sign = _direction(cohort, _TOWARDS[side])
        for subject, found in zip(subjects, centres, strict=True):
            both = labels[first] in found and labels[second] in found
            if both and sign * (found[labels[first]][axis] - found[labels[second]][axis]) <= 0:
                misplaced.setdefault(number, []).append(subject)
    if misplaced:
        number, wrong = next(iter(misplaced.items()))
        raise InputError(
            f"{cohort.label_path(wrong[0])}: {places[number][0]} is not {' '.join(places[number][1:])}, as in "
            f"{len(wrong)} of {len(centres)} scans; expected in all; {_reason(cohort, places, misplaced)}"
        )


def _centres(cohort: Cohort, subject: str) -> dict[int, np.ndarray]:
    """Centre of mass in voxels (3,) of each label that a subject has."""
    labels = cohort.load_labels(subject)
    present = np.unique(labels[labels > 0])
    centres = ndimage.center_of_mass(labels > 0, labels, present)
    return {int(label): np.array(centre) for label, centre in zip(present, centres, strict=True)}


def _direction(cohort: Cohort, letter: str) -> tuple[int, int]:
    """Axis of the prepared grid along the patient axis of `letter`, and 1 if it runs towards `letter`, else -1."""
    codes = axis_codes(cohort.affine)
    return (codes.index(letter), 1) if letter in codes else (codes.index(_OPPOSITE[letter]), -1)


def _reason(cohort: Cohort, places: list[list[str]], misplaced: Mapping[int, list[str]]) -> str:
    everywhere = {number for number, subjects in misplaced.items() if len(subjects) == len(cohort.labelled())}
    for letter, name in _NAMES.items():
        along = {n for n, (_, side, _) in enumerate(places) if _TOWARDS[side] in (letter, _OPPOSITE[letter])}
        if len(along) > 1 and along <= everywhere:
            return f"axes: the {name} axis runs the other way than preprocess.axes or the data set's axes say"
    if everywhere:
        return "label numbering: the anatomy gives labels the names of other structures, or the axes are wrong"
    return "axes or labels of these scans differ from the others'"


def _check_initial(cohort: Cohort, expected: Mapping[str, Any], mapping: ParallelMap) -> None:
    pairs = cohort.labelled_pairs("test")
    if len(pairs) != expected["pairs"]:
        found = f"{len(pairs)} test pairs; expected {expected['pairs']}"
        raise InputError(f"{cohort.folder}: {found}; split: splits.test or pairs.test differ")
    rows = pd.concat(mapping(functools.partial(_rows, cohort), pairs, "checking the initial overlap"))
    means = _means(rows, expected["convention"])
    apart = {key: abs(means[key] - expected[key]) > expected["tolerance"] for key in ("dice", "hd95")}
    if any(apart.values()):
        raise InputError(
            f"{cohort.folder}: before registration Dice is {means['dice']:.3f} and HD95 {means['hd95']:.3f} mm; "
            f"expected {expected['dice']} and {expected['hd95']} within {expected['tolerance']} by the convention "
            f"{expected['convention']}; {_difference(cohort, rows, means, expected, apart)}"
        )


def _rows(cohort: Cohort, pair: tuple[str, str]) -> pd.DataFrame:
    fixed, moving = pair
    labels = cohort.load_labels(fixed), cohort.load_labels(moving)
    metrics = evaluate_pair(*labels, None, cohort.label_values, cohort.spacing)
    return structure_rows(metrics, "initial", fixed, moving, cohort.structure_names)


def _means(rows: pd.DataFrame, convention: Convention) -> dict[str, float]:
    means = run_means(rows, convention).iloc[0]
    return {"dice": 100 * float(means["dice"]), "hd95": float(means["hd95"])}


def _difference(
    cohort: Cohort, rows: pd.DataFrame, means: dict[str, float], expected: Mapping[str, Any], apart: Mapping[str, bool]
) -> str:
    if not apart["dice"]:
        factor = means["hd95"] / expected["hd95"]
        return f"spacing: Dice fits and HD95 is {factor:.2f} times the expected one at {list(cohort.spacing)} mm"
    for convention in get_args(Convention):
        if abs(_means(rows, convention)["dice"] - expected["dice"]) <= expected["tolerance"]:
            return f"convention: by that of {convention} Dice fits"
    names = ", ".join(cohort.subjects("test"))
    return f"split or order: the test scans are other ones than {names}, or labels were resampled otherwise"
