"""Prepares a whole cohort: stored scans become `images/`, `labels/` and `cohort.json`."""

import hashlib
import itertools
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import textscf
from textscf.data.cohort import Cohort, expand_pairs, expand_subjects
from textscf.data.geometry import centred_affine
from textscf.data.recipe import Recipe
from textscf.data.releases import stored_files, stored_recipe
from textscf.data.scans import Rejection, read_scan, transform
from textscf.errors import InputError
from textscf.files.io import read_json, sha256_of, write_csv, write_json, write_nifti
from textscf.job.workers import parallel_map

_LOG = logging.getLogger(__name__)
_NAMED_IN_MESSAGE = 3


@dataclass(frozen=True)
class _PreparationTask:
    subject: str
    image: Path
    labels: Path
    folder: Path
    recipe: Recipe

    @property
    def outputs(self) -> tuple[str, str]:
        return f"images/{self.subject}.nii.gz", f"labels/{self.subject}.nii.gz"

    @property
    def record(self) -> Path:
        return self.folder / ".preprocessed" / f"{self.subject}.json"


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
        todo = [task for task, found in zip(tasks, checked, strict=True) if found is not None]
        if todo or config.get("expect"):
            (folder / "cohort.json").unlink(missing_ok=True)
        at_border = mapping(_prepare, todo, "preparing")
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
    files = stored_files(config, raw)
    return [_PreparationTask(subject, image, labels, folder, recipe) for subject, (image, labels) in files.items()]


def _check(task: _PreparationTask) -> list[Rejection] | None:
    """Check one subject. Returns its rejections, or None if it is already prepared."""
    if task.record.is_file() and _is_prepared(task):
        return None
    scan = read_scan(task.subject, task.image, task.labels, task.recipe)
    return scan if isinstance(scan, list) else []


def _is_prepared(task: _PreparationTask) -> bool:
    inputs_exist = task.image.is_file() and task.labels.is_file()
    if not inputs_exist or not all((task.folder / name).is_file() for name in task.outputs):
        return False
    try:
        record = read_json(task.record)
    except InputError:
        return False
    digests = {name: sha256_of(task.folder / name) for name in task.outputs}
    return bool(record == {"inputs": _inputs_digest(task), "files": digests})


def _inputs_digest(task: _PreparationTask) -> str:
    parts = [textscf.__version__, repr(task.recipe), sha256_of(task.image), sha256_of(task.labels)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _prepare(task: _PreparationTask) -> bool:
    """Write the two prepared files, then their record. Returns whether labels reach the border of the grid."""
    scan = read_scan(task.subject, task.image, task.labels, task.recipe)
    if isinstance(scan, list):
        raise InputError(f"{scan[0].file}: {scan[0].reason}")
    image, labels = transform(scan, task.recipe)
    affine = centred_affine(task.recipe.orientation, task.recipe.spacing, task.recipe.shape)
    for name, data in zip(task.outputs, (image, labels), strict=True):
        _write(task.folder / name, data, affine)
    digests = {name: sha256_of(task.folder / name) for name in task.outputs}
    write_json(task.record, {"inputs": _inputs_digest(task), "files": digests})
    return _labels_reach_border(labels)


def _write(path: Path, data: np.ndarray, affine: np.ndarray) -> None:
    try:
        write_nifti(path, data, affine)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror}); expected room and permission") from error


def _labels_reach_border(labels: np.ndarray) -> bool:
    return any(labels.take(end, axis).any() for axis in range(3) for end in (0, -1))


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
    expected = {folder / name for task in tasks for name in task.outputs} | {task.record for task in tasks}
    for kind in ("images", "labels", ".preprocessed"):
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
        "files": {name: digest for task in tasks for name, digest in read_json(task.record)["files"].items()},
    }
