"""Simulates the scans of a cohort: phantoms, images of real label maps, or deformations of one real scan."""

import hashlib
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from textscf.data import geometry
from textscf.data.cohort import Number, subject_numbers
from textscf.data.releases import source_files, stored_axes
from textscf.data.simulation.from_one import deformed_subject
from textscf.data.simulation.phantom import check_phantom
from textscf.data.simulation.subject import simulate_image, simulate_phantom_subject
from textscf.data.simulation.tissues import structure_labels
from textscf.data.subject_store import StoredSubject, digest
from textscf.errors import InputError
from textscf.files.io import read_image, read_labels, write_json, write_nifti
from textscf.job.workers import parallel_map

_LOG = logging.getLogger(__name__)
_CODE = sorted(Path(__file__).parent.glob("*.py"))
"""Sources that the simulated files depend on."""
_AXES = "LAS"  # axis codes of all volumes inside the simulation


@dataclass(frozen=True)
class _SimulationTask:
    """One subject to simulate: its content (`settings`, `seed`, `number`), its grid and its output folder.

    `settings` are a phantom, or the `from_one` section if there is an `image_file`. `label_file` is the real label
    map, or None if the anatomy is drawn too. `axes` are the axis codes of the stored volumes, or `header` for those of
    the label file. `spacing` overrides the label file's spacing.
    """

    subject: str
    number: int
    seed: int
    settings: Mapping[str, Any]
    image_file: Path | None
    label_file: Path | None
    labels: tuple[int, ...]
    axes: str
    shape: tuple[int, ...]
    spacing: tuple[float, ...] | None
    folder: Path

    @property
    def simulated(self) -> StoredSubject:
        return StoredSubject(self.folder, self.subject)


def simulate_cohort(config: Mapping[str, Any], source: Path | None, folder: Path, workers: int) -> None:
    """Write images/ and labels/ of every subject of a resolved cohort `config` below `folder`.

    `source` is the folder of the real scans, for cohorts with `simulate_ct` or `from_one`. Complete subjects that were
    made from the same settings, files and code are kept. simulation.json, which says what is simulated, is written
    last. Raises InputError for a bad phantom or label map; the message names the file or key.
    """
    tasks = _tasks(config, source, folder)
    if tasks:
        _check_labels_are_known(tasks[0], config["name"])
    with parallel_map(min(workers, len(tasks))) as mapping:
        kept = sum(mapping(_simulate, tasks, "simulating"))
    write_json(folder / "simulation.json", _description(config, tasks))
    _LOG.info("%s: %d subjects simulated, %d kept as they were", folder, len(tasks) - kept, kept)


def _tasks(config: Mapping[str, Any], source: Path | None, folder: Path) -> list[_SimulationTask]:
    settings, name = config["preprocess"], config["name"]
    drawn = config["source"]["kind"] == "phantom"
    one = config.get("from_one")
    simulation = config["source"] if drawn else one or config.get("simulate_ct")
    if not simulation or (one and config.get("simulate_ct")):
        raise InputError(
            f"cohort {name}: {'two ways' if simulation else 'nothing'} to simulate; expected source.kind phantom, "
            "simulate_ct or from_one"
        )
    if not one:
        check_phantom(simulation["phantom"], f"cohort {name}: {'source' if drawn else 'simulate_ct'}.phantom")
    if drawn and settings["axes"] not in ("header", settings["orientation"]):
        raise InputError(
            f"cohort {name}: preprocess.axes is {settings['axes']}; expected header or {settings['orientation']}, "
            "as phantoms are drawn on the prepared grid"
        )
    if not drawn and source is None:
        raise InputError(f"cohort {name}: no folder of scans; expected --source, as its label maps are real")
    spacing = settings["spacing"] if drawn else settings.get("source_spacing")
    real = {} if source is None or drawn else source_files(dict(config), source)
    without = next((str(image) for image, labels in real.values() if labels is None), None)
    if without:
        raise InputError(f"cohort {name}: {without}: has no label map; expected one to simulate from")
    return [
        _SimulationTask(
            subject=subject,
            number=_whole(number, name),
            seed=int(simulation["seed"]),
            settings=one or simulation["phantom"],
            image_file=real[subject][0] if one else None,
            label_file=real[subject][1] if real else None,
            labels=tuple(int(structure["label"]) for structure in config["anatomy"]["structures"]),
            axes=settings["orientation"] if source is None or drawn else stored_axes(dict(config), source),
            shape=tuple(settings["shape"]),
            spacing=tuple(spacing) if spacing else None,
            folder=folder,
        )
        for subject, number in subject_numbers(dict(config)).items()
    ]


def _whole(number: Number, cohort: str) -> int:
    if isinstance(number, str):
        raise InputError(f"cohort {cohort}: splits: '{number}' is a name; expected numbers, which seed the simulation")
    return number


def _check_labels_are_known(task: _SimulationTask, cohort: str) -> None:
    if task.image_file is not None:
        if len(task.settings["stored_labels"]) != len(task.labels):
            found = f"{len(task.settings['stored_labels'])} labels"
            raise InputError(f"cohort {cohort}: from_one.stored_labels: {found}; expected {len(task.labels)}")
        return
    known = structure_labels(task.settings)
    unknown = sorted(set(task.labels) ^ known) if task.label_file is None else sorted(set(task.labels) - known)
    if unknown:
        raise InputError(
            f"cohort {cohort}: labels {unknown} are not in both anatomy and phantom; expected {sorted(known)}"
        )


def _simulate(task: _SimulationTask) -> bool:
    """Write one subject's files, then its record. Returns True if the subject was already complete."""
    inputs = _inputs(task)
    if task.simulated.is_complete(inputs):
        return True
    if task.image_file is not None and task.label_file is not None:
        image, labels, affine = _deformed(task, task.image_file, task.label_file)
    else:
        image, labels, affine = _drawn(task) if task.label_file is None else _imaged(task, task.label_file)
        image = image.astype(np.int16)
    task.simulated.begin()
    write_nifti(task.simulated.image, image, affine)
    write_nifti(task.simulated.labels, labels, affine)
    task.simulated.complete(inputs)
    return False


def _drawn(task: _SimulationTask) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Image, labels and affine of a phantom on the cohort's grid."""
    spacing = np.asarray(task.spacing, float)
    order = geometry.axis_order(task.axes, _AXES)
    shape = tuple(int(task.shape[axis]) for axis in order)
    image, labels = simulate_phantom_subject(task.settings, task.number, task.seed, shape, spacing[order])
    affine = geometry.centred_affine(task.axes, tuple(spacing), task.shape)
    return geometry.reorient(image, _AXES, task.axes), geometry.reorient(labels, _AXES, task.axes), affine


def _imaged(task: _SimulationTask, path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Image, labels and affine of a subject with a real label map, on the grid of that map."""
    volume = read_labels(path)
    axes = geometry.axis_codes(volume.affine) if task.axes == "header" else task.axes
    spacing = np.asarray(task.spacing or volume.spacing, float)
    unknown = sorted(set(np.unique(volume.data).tolist()) - {0, *task.labels})
    if unknown:
        raise InputError(f"{path}: labels {unknown} are not in the anatomy; expected 0 and {list(task.labels)}")
    labels = geometry.reorient(volume.data.astype(np.uint8), axes, _AXES)
    order = geometry.axis_order(axes, _AXES)
    try:
        image = simulate_image(labels, task.settings, task.number, task.seed, spacing[order])
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    return geometry.reorient(image, _AXES, axes), volume.data.astype(np.uint8), volume.affine


def _deformed(task: _SimulationTask, image_file: Path, label_file: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Image, labels and affine of a subject deformed from the one real scan, on the grid of that scan."""
    image, stored = read_image(image_file), read_labels(label_file)
    if image.data.shape != stored.data.shape:
        raise InputError(
            f"{label_file}: shape {stored.data.shape}; expected {image.data.shape} as in {image_file.name}"
        )
    if not 0 <= image.data.min() < image.data.max():
        found = f"{image.data.min():g} to {image.data.max():g}"
        raise InputError(
            f"{image_file}: intensities from {found}; expected a scan that is 0 outside and positive inside"
        )
    numbers = np.zeros(int(np.iinfo(np.int16).max) + 1, np.uint8)
    numbers[task.settings["stored_labels"]] = task.labels
    labels = numbers[stored.data]
    missing = sorted(set(task.labels) - set(np.unique(labels).tolist()))
    if missing:
        wanted = [task.settings["stored_labels"][task.labels.index(label)] for label in missing]
        raise InputError(f"{label_file}: has no voxel of labels {wanted}; expected all of from_one.stored_labels")
    spacing = task.spacing or stored.spacing
    return *deformed_subject(image.data, labels, task.settings, task.number, task.seed, spacing), stored.affine


def _inputs(task: _SimulationTask) -> str:
    settings = {key: value for key, value in vars(task).items() if key not in ("folder", "image_file", "label_file")}
    files = [path for path in (task.image_file, task.label_file) if path is not None and path.is_file()]
    return digest([json.dumps(settings, sort_keys=True)], files, _CODE)


def _description(config: Mapping[str, Any], tasks: list[_SimulationTask]) -> dict[str, Any]:
    if config.get("from_one"):
        simulated = "deformation, contrast, bias field and noise; the scan is real"
    else:
        drawn = config["source"]["kind"] == "phantom"
        simulated = "anatomy and images" if drawn else "images; the label maps are real"
    return {
        "cohort": config["name"],
        "notice": config["notice"],
        "simulated": simulated,
        "phantom": tasks[0].settings.get("title"),
        "seed": tasks[0].seed,
        "config": hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest(),
        "files": {name: value for task in tasks for name, value in task.simulated.files().items()},
    }
