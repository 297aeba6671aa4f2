"""Proposes data set, anatomy, cohort and study from the scans of a folder."""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from textscf.data.recipe import Recipe
from textscf.data.scans import Rejection, read_scan
from textscf.errors import InputError
from textscf.files.image_file import read_image_file, read_label_file
from textscf.files.io import atomic_path
from textscf.job.progress import progress_bar
from textscf.plotting.colours import PALETTE
from textscf.proposal.scan_folder import FoundScans

_SEED = 1
_MOST_VOXELS = 200_000  # of a grid that a CPU trains on within hours
_MULTIPLE = 16
_AIR = -200  # an intensity below this one means Hounsfield units
_SEGMENTOR = {
    "source": "train", "feature_size": 12, "depths": [1, 1, 1, 1], "attention_window": 4, "window": [64, 64, 64],
    "overlap": 0.25, "batch_size": 1, "steps": 400, "validate_every": 100, "learning_rate": 2.0e-3,
    "precision": "float32", "seed": 1,
}  # fmt: skip
_NOT_RUN = ("transmorph", "tm_tvf", "fourier_net", "im2grid", "lapirn*", "syn")


@dataclass(frozen=True)
class Looks:
    """Properties of the scans in a folder.

    Attributes:
        spacing: median voxel edge lengths in mm along the patient's axes right, anterior, superior.
        extent: largest extents in mm along these axes.
        values: numbers in the label maps, without 0, with the number of scans that have each.
        lowest: smallest intensity.
        n_scans: number of scans.
        n_labelled: number of scans with a label map.
    """

    spacing: tuple[float, ...]
    extent: tuple[float, ...]
    values: dict[int, int]
    lowest: float
    n_scans: int
    n_labelled: int


def look_at(found: FoundScans) -> Looks:
    """Read all scans and label maps once."""
    spacings, extents, lowest = [], [], []
    values: dict[int, int] = {}
    with progress_bar(len(found.files), "looking at scans") as bar:
        for image_path, label_path in found.files.values():
            image = read_image_file(image_path, fill=0.0)
            order = np.abs(image.affine[:3, :3] / image.spacing).argmax(axis=1)
            spacings.append(image.spacing[order])
            extents.append((np.array(image.data.shape) * image.spacing)[order])
            lowest.append(float(image.data.min()))
            numbers = np.unique(read_label_file(label_path).data).tolist() if label_path is not None else []
            for value in numbers:
                values[value] = values.get(value, 0) + 1
            bar.update(1)
    values.pop(0, None)
    return Looks(
        tuple(np.median(spacings, axis=0).round(2).tolist()),
        tuple(np.max(extents, axis=0).round(1).tolist()),
        dict(sorted(values.items())),
        min(lowest),
        len(found.files),
        len(found.labelled),
    )


def propose(name: str, folder: Path, found: FoundScans, looks: Looks, names: Mapping[int, str]) -> dict[str, Any]:
    """Settings by the path of their file below `config/`.

    Args:
        name: name of the cohort and the study.
        folder: folder of the scans.
        found: files in it.
        looks: what they look like.
        names: names of the structures by their number in the label maps; others are called ``structure N``.

    Raises:
        InputError: the label maps have more than 255 structures.
    """
    if len(looks.values) > 255:
        raise InputError(f"{folder}: its label maps have {len(looks.values)} structures; expected at most 255")
    is_ct = looks.lowest < _AIR
    anatomy = {f"anatomies/{name}.yaml": _anatomy(name, looks, names)} if found.labels else {}
    return {
        f"data_sets/{name}.yaml": _data_set(name, folder, found),
        **anatomy,
        f"cohorts/{name}.yaml": _cohort(name, found, looks, is_ct),
        f"{name}.yaml": _study(name, found),
    }


def _data_set(name: str, folder: Path, found: FoundScans) -> dict[str, Any]:
    release = {
        "folder": folder.resolve().name, "archive": None, "url": None, "checksum": None, "images": found.images,
        "labels": found.labels, **({"unlabelled": True} if 0 < len(found.labelled) < len(found.files) else {}),
        "instructions": f"put the folder {folder.resolve().name} into data_root",
    }  # fmt: skip
    return {"title": name, "licence": "unknown", "citation": "none", "agreement": None, "releases": [release]}


def _anatomy(name: str, looks: Looks, names: Mapping[int, str]) -> dict[str, Any]:
    structures = []
    for label, value in enumerate(looks.values, 1):
        title = names.get(value, f"structure {value}")
        side = next((side for side in ("left", "right") if side in title.lower().split()), None)
        prompt = "".join(letter if letter.isalnum() else " " for letter in title.lower())
        colour = PALETTE[1:][(label - 1) % len(PALETTE[1:])]
        structures.append({"label": label, "value": value, "name": title, "prompt": " ".join(prompt.split()),
                           "side": side, "colour": colour})  # fmt: skip
    return {"title": name, "body_part": "body", "structures": structures}


def _cohort(name: str, found: FoundScans, looks: Looks, is_ct: bool) -> dict[str, Any]:
    spacing, shape = _grid(looks)
    subjects = found.labelled or list(found.files)  # validation and test pairs have labels, if any have
    random.Random(_SEED).shuffle(subjects)
    n_validation, n_test = max(2, len(subjects) // 10), max(2, len(subjects) // 5)
    splits = {
        "train": subjects[n_validation + n_test :] + sorted(found.files.keys() - set(subjects)),
        "validation": subjects[:n_validation],
        "test": subjects[n_validation : n_validation + n_test],
    }
    intensity = {"kind": "clip", "range": [-500, 800]} if is_ct else {"kind": "percentile", "range": [0.5, 99.5]}
    return {
        "title": name,
        "notice": None,
        "modality": "computed tomography" if is_ct else "magnetic resonance imaging",
        "anatomy": name if found.labels else None,
        "source": {"kind": "archive", "data_set": name},
        "simulate_ct": None,
        "preprocess": {"axes": "header", "orientation": "RAS", "source_spacing": None, "spacing": spacing,
                       "shape": shape, "intensity": intensity},
        "field": "full",
        "subject": "{}" if all(name[0].isalpha() for name in found.files) else "sub-{}",
        "splits": {split: sorted(members) for split, members in splits.items()},
        "pairs": {split: {"next": min(2, len(splits[split]) - 1)} for split in ("validation", "test")},
        "segmentors": {"tiny": _SEGMENTOR} if found.labels else {},
    }  # fmt: skip


def _grid(looks: Looks) -> tuple[list[float], list[int]]:
    """Spacing and shape of a grid that holds all scans and has at most `_MOST_VOXELS` voxels."""
    spacing = np.array(looks.spacing)
    while True:
        shape = np.ceil(np.array(looks.extent) / spacing / _MULTIPLE).astype(int) * _MULTIPLE
        if np.prod(shape) <= _MOST_VOXELS or (shape <= 2 * _MULTIPLE).all():
            return spacing.round(2).tolist(), shape.tolist()
        spacing = np.maximum(spacing, spacing.max() * 0.8) * 1.1


def _study(name: str, found: FoundScans) -> dict[str, Any]:
    left_out = dict.fromkeys((*_NOT_RUN, "textscf_base"), "not in the first small study")
    if found.labels is None:
        left_out |= {"textscf": "no labels to train a segmentor on"}
    return {
        "study": name,
        "title": name,
        "cohorts": {"primary": name},
        "experiments": ["table3"],
        "defaults": {
            "backbones": {"voxelmorph": {"encoder": [8, 16, 16, 16], "decoder": [16, 16, 16, 16, 16, 8, 8]},
                          "lku_net": {"start_channels": 8}},
            "head": {"segmentor": "tiny", "prompts": "minilm", "hidden_channels": 256},
            "training": {"epochs": 20, "steps_per_epoch": 50, "learning_rate": 1.0e-3, "precision": "bfloat16"},
        },
        "not_run": left_out,
    }  # fmt: skip


_HEADS = {
    "data_sets": "Where the scans lie. Proposed by src/new_cohort.py: state the licence and whom to cite.",
    "anatomies": "The structures: `value` is the number in the stored label maps. State body_part, names and prompts.",
    "cohorts": "Preparation, splits and pairs. Proposed by src/new_cohort.py: look at each value.",
    "": "A small study of the new cohort: LKU-Net, VoxelMorph and textSCF at small size.",
}


def write_proposal(config: Path, proposal: Mapping[str, Any]) -> list[Path]:
    """Write the files below `config`; InputError if one of them is there already."""
    paths = [config / place for place in proposal]
    for path in paths:
        if path.exists():
            raise InputError(f"{path}: is there already; expected a new name (--name), or remove it first")
    for path, (place, content) in zip(paths, proposal.items(), strict=True):
        head = _HEADS[place.rpartition("/")[0]]
        with atomic_path(path) as temporary:
            text = yaml.safe_dump(content, sort_keys=False, default_flow_style=None, width=110, allow_unicode=True)
            temporary.write_text(f"# {head}\n{text}", encoding="utf-8")
    return paths


def check_scans(found: FoundScans, config: dict[str, Any]) -> list[Rejection]:
    """All reasons for which preparation would refuse a scan."""
    recipe = Recipe.from_config(config)
    rejections = []
    with progress_bar(len(found.files), "checking scans") as bar:
        for subject, (image, labels) in found.files.items():
            scan = read_scan(subject, image, labels, recipe)
            rejections += scan if isinstance(scan, list) else []
            bar.update(1)
    return rejections
