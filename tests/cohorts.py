"""Small prepared cohorts for tests: ellipsoids in noise, moved from subject to subject."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from textscf.data import geometry
from textscf.data.cohort import Cohort
from textscf.data.recipe import Recipe
from textscf.data.scans import StoredScan, transform
from textscf.files.io import read_labels, sha256_of, write_json, write_nifti, write_yaml

SHAPE = (20, 24, 16)
SPLITS = {"train": ["s1", "s2", "s3"], "validation": ["s4", "s5"], "test": ["s6", "s7", "s8"]}
STRUCTURES = [
    {"label": 1, "name": "left blob", "prompt": "left blob", "side": "left", "colour": "#0072B2"},
    {"label": 2, "name": "right blob", "prompt": "right blob", "side": "right", "colour": "#D55E00"},
]
LUNG = [{"label": 1, "name": "lung", "prompt": "lung", "side": None, "colour": "#56B4E9"}]

SEGMENTOR: dict[str, Any] = {
    "source": "train",
    "feature_size": 12,
    "depths": [1, 1, 1, 1],
    "attention_window": 4,
    "window": [32, 32, 64],
    "overlap": 0.25,
    "batch_size": 1,
    "steps": 3,
    "validate_every": 2,
    "learning_rate": 1e-3,
    "precision": "float32",
    "layout": None,
    "compiled": False,
    "seed": 0,
}


def make_subject(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Image float32 in [0, 1] and labels uint8 of SHAPE."""
    generator = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(*(np.arange(n) for n in SHAPE), indexing="ij"), axis=-1)
    labels = np.zeros(SHAPE, dtype=np.uint8)
    for label, centre in ((1, (6, 12, 8)), (2, (14, 12, 8))):
        offset = (grid - np.array(centre) - generator.uniform(-2, 2, 3)) / np.array([3.5, 5.0, 4.0])
        labels[(offset**2).sum(-1) < 1] = label
    image = np.choose(labels, [0.2, 0.6, 0.8]) + generator.normal(0, 0.05, SHAPE)
    return np.clip(image, 0, 1).astype(np.float32), labels


def make_cohort(
    folder: Path, name: str = "blobs", structures: list[dict[str, Any]] = STRUCTURES, first_seed: int = 0
) -> Cohort:
    """Write a prepared cohort of 8 subjects with the first of the labels, those of `structures`, to `folder`."""
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    subjects = [subject for split in SPLITS.values() for subject in split]
    for number, subject in enumerate(subjects, first_seed):
        image, labels = make_subject(number)
        labels[labels > len(structures)] = 0
        write_nifti(folder / f"images/{subject}.nii.gz", image, affine)
        write_nifti(folder / f"labels/{subject}.nii.gz", labels, affine)
    names = [f"{kind}/{subject}.nii.gz" for kind in ("images", "labels") for subject in subjects]
    described = {"name": name, "title": "Two blobs", "notice": "made for tests", "licence": "none",
                 "citation": "none", "modality": "test image",
                 "anatomy": {"title": "Blobs", "body_part": "test", "structures": structures}}  # fmt: skip
    pairs = {
        split: [[f, m] for f in SPLITS[split] for m in SPLITS[split] if f != m] for split in ("validation", "test")
    }
    grid = {"shape": SHAPE, "spacing": [2.0, 2.0, 2.0], "affine": affine.tolist()}
    files = {name: sha256_of(folder / name) for name in names}
    write_json(folder / "cohort.json", {**described, **grid, "splits": SPLITS, "pairs": pairs, "files": files})
    preprocess = {"axes": "header", "orientation": "RAS", "source_spacing": None, "spacing": [2.0, 2.0, 2.0],
                  "shape": list(SHAPE), "intensity": {"kind": "none"}}  # fmt: skip
    write_yaml(folder / "config.yaml", {**described, "preprocess": preprocess, "splits": SPLITS})
    return Cohort.load(folder)


def prepare_labels(path: Path, recipe: Recipe) -> np.ndarray:
    """Prepare a label map as a cohort's preparation does: uint8 of `recipe.shape`."""
    volume = read_labels(path)
    axes = geometry.axis_codes(volume.affine) if recipe.axes == "header" else recipe.axes
    labels = volume.data.astype(np.uint8)
    spacing = recipe.source_spacing or volume.spacing
    scan = StoredScan(labels.astype(np.float32), labels, axes, spacing, volume.affine, volume.affine)
    prepared = transform(scan, replace(recipe, intensity="clip", intensity_range=(0.0, 255.0)))[1]
    assert prepared is not None
    return prepared
