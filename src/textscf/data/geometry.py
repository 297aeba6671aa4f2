"""Orients, resamples, pads and crops volumes `(H, W, D)` as NumPy arrays; reads no files.

Axis codes follow nibabel: each letter names the side of the patient towards which the axis runs. `RAS` means
right, anterior, superior.
"""

from typing import Literal

import numpy as np
from nibabel import orientations
from scipy import ndimage


def obliqueness(affine: np.ndarray) -> float:
    """Largest angle in degrees between a voxel axis of `affine` (4, 4) and its nearest patient axis."""
    directions = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    return float(np.degrees(np.arccos(np.clip(np.abs(directions).max(axis=0), 0.0, 1.0))).max())


def corner_distance(affine: np.ndarray, other: np.ndarray, shape: tuple[int, ...]) -> float:
    """Largest distance in mm between the corners of a grid under two affines (4, 4)."""
    corners = np.array([*np.ndindex(2, 2, 2)]) * (np.array(shape) - 1)
    homogeneous = np.column_stack([corners, np.ones(8)])
    return float(np.linalg.norm((homogeneous @ (affine - other).T)[:, :3], axis=1).max())


def axis_codes(affine: np.ndarray) -> str:
    """Axis codes of a grid with `affine` (4, 4): three letters, such as `LAS`."""
    return "".join(orientations.aff2axcodes(affine))


def axis_order(stored: str, target: str) -> np.ndarray:
    """Index of the stored axis that becomes each target axis, (3,) integers."""
    transform = _transform(stored, target)
    return np.argsort(transform[:, 0]).astype(int)


def reorient(volume: np.ndarray, stored: str, target: str) -> np.ndarray:
    """Permute and flip the axes of `volume` (H, W, D) from `stored` to `target` axis codes."""
    return np.ascontiguousarray(orientations.apply_orientation(volume, _transform(stored, target)))


def _transform(stored: str, target: str) -> np.ndarray:
    return orientations.ornt_transform(orientations.axcodes2ornt(stored), orientations.axcodes2ornt(target))


def resampled_shape(shape: tuple[int, ...], spacing: np.ndarray, target: np.ndarray) -> tuple[int, ...]:
    """Shape of a grid of `spacing` (3,) mm after `scipy.ndimage.zoom` resampled it to `target` (3,) mm."""
    factors = np.asarray(spacing) / np.asarray(target)
    return tuple(round(n * factor) for n, factor in zip(shape, factors.tolist(), strict=True))


def resample(volume: np.ndarray, spacing: np.ndarray, target: np.ndarray, order: Literal[0, 2]) -> np.ndarray:
    """Resample `volume` (H, W, D) from `spacing` to `target` mm with splines of `order`; dtype unchanged.

    As in the paper's preprocessing, `scipy.ndimage.zoom` scales the volume by spacing / target. It aligns the centres
    of the corner voxels of both grids. A volume whose shape stays the same is returned unchanged.
    """
    if resampled_shape(volume.shape, spacing, target) == volume.shape:
        return volume
    return ndimage.zoom(volume, np.asarray(spacing) / np.asarray(target), order=order)


def centre_fit(volume: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Pad with zeros or crop `volume` (H, W, D) around its centre to `shape`.

    If the difference is odd, the extra voxel is added or removed at the end of the axis, so cropping undoes padding.
    """
    fitted = np.zeros(shape, dtype=volume.dtype)
    source, target = [], []
    for old, new in zip(volume.shape, shape, strict=True):
        margin, kept = abs(new - old) // 2, min(old, new)
        source.append(slice(margin, margin + kept) if old > new else slice(0, kept))
        target.append(slice(margin, margin + kept) if new > old else slice(0, kept))
    fitted[tuple(target)] = volume[tuple(source)]
    return fitted


def centred_affine(orientation: str, spacing: tuple[float, ...], shape: tuple[int, ...]) -> np.ndarray:
    """Affine (4, 4) of a grid with the given axis codes and spacing in mm; the grid's centre lies at 0 mm."""
    affine = np.diag([0.0, 0.0, 0.0, 1.0])
    for axis, (place, sign) in enumerate(orientations.axcodes2ornt(orientation)):
        affine[int(place), axis] = sign * spacing[axis]
    affine[:3, 3] = -affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    return affine
