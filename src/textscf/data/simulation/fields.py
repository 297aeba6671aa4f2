"""Smooth fields on a grid: cubic B-splines over a lattice, sampled axis by axis.

The code uses element-wise arithmetic in a fixed order and no BLAS, so the bytes do not depend on threads.
"""

from collections.abc import Sequence

import numpy as np

_LATTICE_SD = (151 / 315) ** 1.5  # sd of a 3-D cubic B-spline over unit white noise, root mean square over positions


def voxel_centres(n: int, spacing: float) -> np.ndarray:
    """Positions (n,) in mm of the voxel centres of one axis, relative to the grid's centre."""
    return (np.arange(n, dtype=np.float32) - np.float32((n - 1) / 2)) * np.float32(spacing)


def sample_spline(lattice: np.ndarray, coordinates: Sequence[np.ndarray]) -> np.ndarray:
    """Sample a cubic B-spline with coefficients `lattice` (h, w, d) on the product grid of three coordinate vectors.

    Coordinates are in lattice units. Outside the lattice, its edge values continue. Returns (H, W, D) float32,
    where H, W, D are the lengths of the coordinate vectors.
    """
    field = lattice.astype(np.float32)
    for axis, coordinate in enumerate(coordinates):
        base = np.floor(coordinate).astype(np.int64)
        weights = _cubic_weights((coordinate - base).astype(np.float32))
        shape = [1, 1, 1]
        shape[axis] = len(coordinate)
        total: np.ndarray | None = None
        for tap, weight in enumerate(weights):
            index = np.clip(base + tap - 1, 0, field.shape[axis] - 1)
            part = np.take(field, index, axis=axis)
            part *= weight.reshape(shape)
            total = part if total is None else np.add(total, part, out=total)
        field = total if total is not None else field
    return field


def _cubic_weights(t: np.ndarray) -> list[np.ndarray]:
    """The four cubic B-spline weights at fraction `t` in [0, 1)."""
    s = 1 - t
    return [s**3 / 6, (3 * t**3 - 6 * t**2 + 4) / 6, (3 * s**3 - 6 * s**2 + 4) / 6, t**3 / 6]


def smooth_noise(rng: np.random.Generator, shape: Sequence[int], spacing: Sequence[float], scale: float) -> np.ndarray:
    """Noise (H, W, D) with mean 0, standard deviation about 1 and bumps about `scale` mm wide."""
    extent = [n * s for n, s in zip(shape, spacing, strict=True)]
    lattice = rng.standard_normal([int(np.ceil(e / scale)) + 3 for e in extent], dtype=np.float32)
    coordinates = [
        voxel_centres(n, s) / np.float32(scale) + np.float32((m - 1) / 2)
        for n, s, m in zip(shape, spacing, lattice.shape, strict=True)
    ]
    return sample_spline(lattice, coordinates) / np.float32(_LATTICE_SD)


def resize(field: np.ndarray, shape: Sequence[int], stride: Sequence[int]) -> np.ndarray:
    """Interpolate a field sampled at every `stride`-th voxel to the full `shape` (H, W, D)."""
    coordinates = [np.arange(n, dtype=np.float32) / np.float32(step) for n, step in zip(shape, stride, strict=True)]
    return sample_spline(field, coordinates)
