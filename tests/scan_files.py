"""Scans of any grid, and a checkpoint whose network has a field of some voxels, for tests of registration."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import torch
from nibabel import orientations
from scipy import ndimage
from scipy.spatial.transform import Rotation

from tests.cohorts import make_cohort
from tests.test_training import RUN
from textscf.data.cohort import Cohort
from textscf.files.state import load_state, save_state
from textscf.models.network import build_network
from textscf.registration.trained_run import export_checkpoint

LONGEST = 3.0
"""Longest displacement in voxels, about."""
GRID: dict[str, Any] = {"shape": [32, 36, 28], "spacing": [2.0, 2.0, 2.0]}


def make_checkpoint(folder: Path, intensity: dict[str, Any] | None = None, network: Any = None) -> Path:
    """Checkpoint of an untrained network whose field is some voxels long, on a grid of 64 x 72 x 56 mm in RAS axes."""
    cohort: Cohort = make_cohort(folder / "cohorts" / "blobs")
    torch.manual_seed(0)
    settings = {**RUN, "network": network or RUN["network"]}
    built = build_network(settings["network"])
    images = [torch.from_numpy(smooth(GRID["shape"], seed))[None, None] for seed in (8, 9)]
    with torch.no_grad():
        for weights in built.heads.parameters():
            weights.normal_()
        longest = built.eval()(*images).abs().max()
        for weights in built.heads.parameters():
            weights *= LONGEST / longest
    path = folder / "study" / "runs" / "run" / "checkpoint.pt"
    export_checkpoint(path, built, settings, cohort)
    state = load_state(path)
    state["cohort"] |= GRID
    state["cohort"]["preprocess"] |= {**GRID, "intensity": intensity or {"kind": "clip", "range": [0.0, 1.0]}}
    save_state(path, state)
    return path


def smooth(shape: Sequence[int], seed: int) -> np.ndarray:
    """An ellipsoid of smooth noise in [0, 1], float32; around it there is nothing."""
    volume = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=shape), 2.5)
    image = 0.2 + 0.8 * (volume - volume.min()) / np.ptp(volume)
    places = np.stack(np.meshgrid(*(np.linspace(-1.1, 1.1, n) for n in shape), indexing="ij"))
    return np.where((places**2).sum(0) < 1, image, 0).astype(np.float32)


def turned(
    degrees: tuple[float, ...], spacing: tuple[float, ...], centre: tuple[float, ...], shape: tuple[int, ...]
) -> np.ndarray:
    """Affine (4, 4) of a grid that is turned about its centre, which lies at `centre` in mm."""
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler("xyz", degrees, degrees=True).as_matrix() * np.array(spacing)
    affine[:3, 3] = np.array(centre) - affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    return affine


def save(path: Path, data: np.ndarray, affine: np.ndarray) -> Path:
    """Write a NIfTI file with both forms of the affine."""
    image = nib.Nifti1Image(data, affine)
    image.set_qform(affine, 1)
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(image, path)
    return path


def stored_as(source: Path, codes: str, path: Path) -> Path:
    """Write the scan with its voxels along other axes, such as `SAR`; nothing moves in the world."""
    image = nib.load(source)
    turn = orientations.ornt_transform(
        orientations.io_orientation(image.affine), orientations.axcodes2ornt(tuple(codes))
    )
    nib.save(image.as_reoriented(turn), path)
    return path


def padded(source: Path, before: tuple[int, ...], after: tuple[int, ...], path: Path, value: float = 0.0) -> Path:
    """Write the scan with voxels of one value around it; nothing moves in the world."""
    image: Any = nib.load(source)
    data = np.pad(np.asanyarray(image.dataobj), list(zip(before, after, strict=True)), constant_values=value)
    affine = image.affine.copy()
    affine[:3, 3] -= affine[:3, :3] @ np.array(before)
    return save(path, data, affine)
