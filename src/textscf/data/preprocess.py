"""Prepares a whole cohort: stored scans become `images/`, `labels/`, `landmarks/` and `cohort.json`."""

import functools
import itertools
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from textscf.data.cohort import Cohort, expand_pairs, expand_subjects
from textscf.data.cohort_alignment import Reference, aligned_with, transform_aligned
from textscf.data.geometry import centred_affine
from textscf.data.landmark_file import LandmarkFile
from textscf.data.landmarks import check_correspondence, landmarks_in_scan, placed_landmarks
from textscf.data.recipe import FIRST, Recipe
from textscf.data.releases import landmark_files, stored_files, stored_recipe
from textscf.data.scans import Rejection, StoredScan, read_scan, transform
from textscf.data.subject_store import RECORDS, StoredSubject, digest
from textscf.errors import InputError
from textscf.files.io import read_labels, write_csv, write_json, write_nifti
from textscf.job.workers import ParallelMap, parallel_map

if TYPE_CHECKING:
    import pandas as pd

_LOG = logging.getLogger(__name__)
_NAMED_IN_MESSAGE = 3
_PACKAGE = Path(__file__).parents[1]
_CODE = [
    *(_PACKAGE / "data" / f"{name}.py" for name in ("preprocess", "geometry", "recipe", "scans", "cohort_alignment")),
    *(_PACKAGE / "data" / f"{name}.py" for name in ("alignment", "ants_package")),
    *(_PACKAGE / "files" / f"{name}.py" for name in ("io", "nifti", "image_file")),
    _PACKAGE / "world" / "grid.py",
]
"""Sources that the prepared scans depend on."""

_CODE_OF_LANDMARKS = [
    *(_PACKAGE / "data" / f"{name}.py" for name in ("landmark_file", "landmarks", "placement")),
    *(_PACKAGE / "files" / f"{name}.py" for name in ("csv_file", "point_file")),
]
"""Further sources that prepared landmarks depend on."""


@dataclass(frozen=True)
class _PreparationTask:
    subject: str
    image: Path
    labels: Path | None
    landmarks: LandmarkFile | None
    folder: Path
    recipe: Recipe
    reference: Path | None
    alignment: NDArray[np.float64] | None = None

    @property
    def prepared(self) -> StoredSubject:
        return StoredSubject(self.folder, self.subject, self.labels is not None, self.landmarks is not None)

    @property
    def sources(self) -> list[Path]:
        """Files that the prepared ones are made from."""
        landmarks = None if self.landmarks is None else self.landmarks.path
        return [path for path in (self.image, self.labels, self.reference, landmarks) if path is not None]


def preprocess_cohort(config: dict[str, Any], raw: Path, folder: Path, workers: int) -> None:
    """Prepare every subject of a resolved cohort `config` from the scans under `raw` into `folder`.

    All subjects are checked before the first is written. A subject is kept if its inputs, settings and outputs are
    those of an earlier call. The cohort's `expect` section is checked next, and `cohort.json` is written last. Raises
    InputError if files cannot be used; the message counts the subjects and names the first files, and
    `folder`/rejected.csv lists all files.
    """
    if not raw.is_dir():
        raise InputError(f"{raw}: no such folder; expected the scans of cohort {config['name']}")
    tasks = _tasks(config, raw, folder)
    expand_pairs(config)
    rejected = folder / "rejected.csv"
    rejected.unlink(missing_ok=True)
    with parallel_map(min(workers, len(tasks))) as mapping:
        checked = mapping(_check, tasks, "checking")
        _refuse([rejection for found in checked for rejection in found or []], len(tasks), rejected)
        _check_test_pairs(config, tasks)
        todo = [task for task, found in zip(tasks, checked, strict=True) if found is not None]
        if todo or config.get("expect"):
            (folder / "cohort.json").unlink(missing_ok=True)
        todo = _aligned(todo, len(tasks), mapping, rejected)
        at_border = mapping(_prepare, todo, "preparing")
        if todo:
            labelled = [task for task in tasks if task.labels is not None]
            _warn_of_missing_structures(config, mapping(_labels_in, labelled, "looking for structures"))
        description = _description(config, tasks)
        if config.get("expect"):
            from textscf.data.expectations import check_expectations  # imports pandas, which is slow

            check_expectations(Cohort.described(folder, description), config["expect"], mapping)
    for task in itertools.compress(todo, at_border):
        _LOG.warning("%s: labels reach the border of the grid; preprocess.shape may be too small", task.subject)
    _remove_strays(tasks, folder)
    write_json(folder / "cohort.json", description)
    _LOG.info("%s: %d subjects prepared, %d kept as they were", folder, len(todo), len(tasks) - len(todo))


def _tasks(config: dict[str, Any], raw: Path, folder: Path) -> list[_PreparationTask]:
    recipe = stored_recipe(config, raw)
    files, landmarks = stored_files(config, raw), landmark_files(config, raw)
    reference = Path(recipe.align_to) if recipe.align_to else None
    if recipe.align_to == FIRST:
        reference = next(iter(files.values()))[0]
    return [
        _PreparationTask(subject, image, labels, landmarks.get(subject), folder, recipe, reference)
        for subject, (image, labels) in files.items()
    ]


def _check(task: _PreparationTask) -> list[Rejection] | None:
    """Check one subject. Returns its rejections, or None if it is already prepared."""
    if all(path.is_file() for path in task.sources) and task.prepared.is_complete(_inputs(task)):
        return None
    scan = read_scan(task.subject, task.image, task.labels, task.recipe)
    if isinstance(scan, list) or task.landmarks is None:
        return scan if isinstance(scan, list) else []
    try:
        landmarks_in_scan(task.landmarks, scan)
        if task.reference is None:  # else the place on the grid is known after the alignment
            _placed(task, scan)
    except InputError as error:
        return [_rejected_landmarks(task, error)]
    return []


def _inputs(task: _PreparationTask) -> str:
    settings, code = [repr(task.recipe)], _CODE
    if task.landmarks is not None:
        settings, code = [*settings, task.landmarks.axes], [*_CODE, *_CODE_OF_LANDMARKS]
    return digest(settings, task.sources, code)


def _aligned(
    todo: list[_PreparationTask], n_subjects: int, mapping: ParallelMap, rejected: Path
) -> list[_PreparationTask]:
    """The subjects with their alignment, if scans are aligned. InputError if an alignment fails."""
    if not todo or todo[0].reference is None:
        return todo
    reference = Reference.read(todo[0].reference, todo[0].recipe)
    found = mapping(functools.partial(_align, reference), todo, "aligning")
    _refuse([each for each in found if isinstance(each, Rejection)], n_subjects, rejected)
    return [each for each in found if not isinstance(each, Rejection)]


def _align(reference: Reference, task: _PreparationTask) -> _PreparationTask | Rejection:
    try:
        scan = _read(task)
        task = replace(task, alignment=aligned_with(reference, task.image, scan, task.recipe))
    except InputError as error:
        return Rejection(task.subject, str(task.image), str(error))
    try:
        _placed(task, scan)
    except InputError as error:
        return _rejected_landmarks(task, error)
    return task


def _read(task: _PreparationTask) -> StoredScan:
    scan = read_scan(task.subject, task.image, task.labels, task.recipe)
    if isinstance(scan, list):
        raise InputError(f"{scan[0].file}: {scan[0].reason}")
    return scan


def _placed(task: _PreparationTask, scan: StoredScan) -> "pd.DataFrame | None":
    """Landmarks on the prepared grid, if the subject has any."""
    return None if task.landmarks is None else placed_landmarks(task.landmarks, scan, task.recipe, task.alignment)


def _rejected_landmarks(task: _PreparationTask, error: InputError) -> Rejection:
    path = "" if task.landmarks is None else str(task.landmarks.path)
    return Rejection(task.subject, path, str(error).removeprefix(f"{path}: "))


def _prepare(task: _PreparationTask) -> bool:
    """Write the prepared files, then their record. Returns whether labels reach the border of the grid."""
    scan = _read(task)
    if task.alignment is None:
        image, labels = transform(scan, task.recipe)
    else:
        image, labels = transform_aligned(scan, task.recipe, task.alignment)
    landmarks = _placed(task, scan)
    affine = centred_affine(task.recipe.orientation, task.recipe.spacing, task.recipe.shape)
    task.prepared.begin()
    _write(task.prepared.image, lambda path: write_nifti(path, image, affine))
    if labels is not None:
        _write(task.prepared.labels, lambda path: write_nifti(path, labels, affine))
    if landmarks is not None:
        _write(task.prepared.landmarks, lambda path: write_csv(path, landmarks))
    found = {} if task.alignment is None else {"alignment": task.alignment.tolist()}
    task.prepared.complete(_inputs(task), **found)
    return labels is not None and _labels_reach_border(labels)


def _write(path: Path, write: Callable[[Path], None]) -> None:
    try:
        write(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror}); expected room and permission") from error


def _check_test_pairs(config: dict[str, Any], tasks: list[_PreparationTask]) -> None:
    """Say how many subjects have labels and landmarks where some lack them; refuse landmarks that do not correspond."""
    landmarks = {task.subject: task.landmarks for task in tasks if task.landmarks is not None}
    labelled = sum(task.labels is not None for task in tasks)
    if labelled < len(tasks):
        _LOG.info("cohort %s: %d of %d subjects have labels", config["name"], labelled, len(tasks))
    if not landmarks:
        return
    pairs = expand_pairs(config).get("test", [])
    count = check_correspondence(landmarks, pairs)
    _LOG.info(
        "cohort %s: %d of %d subjects and %d of %d test pairs have landmarks",
        config["name"], len(landmarks), len(tasks), count, len(pairs),
    )  # fmt: skip
    if pairs and not count:
        raise InputError(f"cohort {config['name']}: no test pair has landmarks in both scans; expected one at least")


def _labels_reach_border(labels: np.ndarray) -> bool:
    return any(labels.take(end, axis).any() for axis in range(3) for end in (0, -1))


def _labels_in(task: _PreparationTask) -> set[int]:
    return set(np.unique(read_labels(task.prepared.labels).data).tolist())


def _warn_of_missing_structures(config: dict[str, Any], present: list[set[int]]) -> None:
    """Say which structures of the anatomy no scan has, because tables then have no value for them."""
    for structure in config["anatomy"]["structures"] if present else []:
        if not any(structure["label"] in labels for labels in present):
            _LOG.warning(
                "cohort %s: no scan has %s (label %d): it has no Dice, or counts as 0 by the paper's convention; "
                "take it out of the anatomy, or look at the numbers of the label maps",
                config["name"], structure["name"], structure["label"],
            )  # fmt: skip


def _refuse(rejections: list[Rejection], n_subjects: int, report: Path) -> None:
    if not rejections:
        return
    import pandas as pd

    write_csv(report, pd.DataFrame(rejections))
    for rejection in rejections:
        _LOG.error("rejected %s: %s", rejection.file, rejection.reason)
    named = "; ".join(f"{rejection.file}: {rejection.reason}" for rejection in rejections[:_NAMED_IN_MESSAGE])
    more = f"; {len(rejections) - _NAMED_IN_MESSAGE} more" if len(rejections) > _NAMED_IN_MESSAGE else ""
    n_bad = len({rejection.subject for rejection in rejections})
    raise InputError(f"{n_bad} of {n_subjects} subjects cannot be used: {named}{more} (all in {report})")


def _remove_strays(tasks: list[_PreparationTask], folder: Path) -> None:
    subjects = [task.prepared for task in tasks]
    expected = {path for subject in subjects for path in (*subject.paths, subject.record)}
    for kind in ("images", "labels", "landmarks", RECORDS):
        for path in set((folder / kind).glob("*")) - expected:
            path.unlink()


def _description(config: dict[str, Any], tasks: list[_PreparationTask]) -> dict[str, Any]:
    recipe = tasks[0].recipe
    affine = centred_affine(recipe.orientation, recipe.spacing, recipe.shape)
    kept = ("name", "title", "notice", "licence", "citation", "modality", "anatomy")
    return {key: config[key] for key in kept} | {
        "shape": list(recipe.shape),
        "spacing": list(recipe.spacing),
        "affine": affine.tolist(),
        "splits": expand_subjects(config),
        "pairs": expand_pairs(config),
        "files": {name: value for task in tasks for name, value in task.prepared.files().items()},
    }
