"""Synthetic inputs of the benchmarks: noise scans, brain labels and a smooth field."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from textscf.data.simulation.from_one import deformed_subject
from textscf.data.simulation.subject import simulate_phantom_subject
from textscf.files.io import read_labels
from textscf.registration.volumes import Scan
from textscf.study.catalogue import Catalogue

CONFIG = Path(__file__).parents[1] / "config"
REAL_BRAIN = "brain_t1w/labels_freesurfer.nii.gz"


def noise_scan(shape: Sequence[int], regions: int, device: str, seed: int) -> Scan:
    """Scan of smooth noise; each region holds the voxels nearest to one of `regions` random places."""
    generator = np.random.default_rng(seed)
    noise = ndimage.gaussian_filter(generator.standard_normal(shape), 4).astype(np.float32)
    places = cKDTree(generator.uniform(0, shape, (regions, 3)))
    labels = places.query(np.indices(shape).reshape(3, -1).T)[1].astype(np.uint8).reshape(shape)
    image, nearest = (torch.from_numpy(part)[None, None].to(device) for part in (noise / noise.max(), labels))
    return Scan(image, nearest, nearest, torch.full_like(image, 0.9))


def brain_labels(shape: Sequence[int], number: int) -> NDArray[np.uint8]:
    """Label map of a simulated brain with the 35 structures of OASIS; the brain fills a grid of this shape."""
    cohort = Catalogue(CONFIG).cohort("simulated_brain")
    settings = cohort["preprocess"]
    extent = np.multiply(settings["shape"], settings["spacing"])
    return simulate_phantom_subject(cohort["source"]["phantom"], number, 7, shape, extent / shape)[1]


def real_brain_labels(data_root: Path) -> NDArray[np.uint8]:
    """Label map ``(160, 192, 224)`` of a real brain with the 35 structures of OASIS."""
    settings = Catalogue(CONFIG).cohort("brain_from_one")["from_one"]
    stored = read_labels(data_root / REAL_BRAIN).data
    numbers = np.zeros(int(stored.max()) + 1, np.uint8)
    numbers[settings["stored_labels"]] = np.arange(1, len(settings["stored_labels"]) + 1)
    return numbers[stored]


def deformed_brains(labels: NDArray[np.uint8], numbers: Sequence[int]) -> list[NDArray[np.uint8]]:
    """Label maps of subjects of the cohort ``brain_from_one``: the real brain's, deformed at random."""
    settings = Catalogue(CONFIG).cohort("brain_from_one")["from_one"]
    image = labels.astype(np.float32)
    return [deformed_subject(image, labels, settings, n, settings["seed"], (1, 1, 1))[1] for n in numbers]


def smooth_field(shape: Sequence[int], size: float) -> NDArray[np.float32]:
    """Smooth random displacement field ``(H, W, D, 3)`` with a standard deviation of `size` voxels.

    Like the field of a network, it has each component contiguous in memory.
    """
    coarse = np.random.default_rng(3).standard_normal((3, *(-(-n // 16) for n in shape)))
    zoom = [n / m for n, m in zip(shape, coarse.shape[1:], strict=True)]
    field = np.stack([ndimage.zoom(part, zoom, order=3, mode="nearest") for part in coarse])
    return np.moveaxis((field * size / field.std()).astype(np.float32), 0, -1)
