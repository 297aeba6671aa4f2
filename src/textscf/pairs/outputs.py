"""Files of a registered pair, all in the space of the scans that the user gave."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textscf.files.image_file import ImageFile
from textscf.files.itk import write_composite, write_displacement, write_like
from textscf.registration.scan_pair import PairRegistration
from textscf.registration.world_transform import WorldTransform
from textscf.world.grid import Grid, apply_affine, sample

_HALF_VOXEL = 0.5


@dataclass(frozen=True)
class Measured:
    """Numbers about the written files.

    Attributes:
        outside: value of the warped scan where the moving scan has no voxel.
        folded: part of the fixed scan's voxels with a Jacobian determinant of 0 or less.
        jacobian: smallest, median and largest determinant.
        inverse_error: median, 99th percentile and maximum of how far the inverse misses, in mm.
        inverse_missing: part of the moving scan's voxels that the inverse misses by more than half a voxel.
    """

    outside: float
    folded: float
    jacobian: list[float]
    inverse_error: list[float]
    inverse_missing: float


def write_pair(pair: PairRegistration, fixed: ImageFile, moving: ImageFile, out: Path) -> Measured:
    """Write the transformation and what follows from it.

    - `warped.nii.gz`: the moving scan on the fixed scan's grid, linear interpolation.
    - `warp.nii.gz`: displacement field on the fixed scan's grid, as ITK and ANTs define it; contains the alignment.
    - `transform.h5`: the same transformation as a composite of ITK.
    - `inverse_warp.nii.gz`: displacement field on the moving scan's grid; takes the fixed scan to the moving scan.
    - `jacobian.nii.gz`: Jacobian determinant of the transformation in world space, alignment included.
    """
    transform, grids = pair.transform, [Grid(scan.data.shape, scan.affine) for scan in (fixed, moving)]
    outside = float(moving.data.min())
    write_like(out / "warped.nii.gz", sample(moving.data, moving.affine, grids[0], transform, 1, outside), fixed)
    positions = _positions(transform, grids[0])
    determinant = _determinant(positions, fixed.affine)
    write_like(out / "jacobian.nii.gz", determinant, fixed)
    for rows in grids[0].slabs():
        positions[rows] -= grids[0].points(rows)
    write_displacement(out / "warp.nii.gz", positions, fixed)
    del positions
    write_composite(out / "transform.h5", *_lattice(transform, grids[0]), transform.initial)
    inverse, missed = _inverse(transform, grids[1])
    write_displacement(out / "inverse_warp.nii.gz", inverse, moving)
    return Measured(
        outside,
        float((determinant <= 0).mean()),
        [float(value) for value in (determinant.min(), np.median(determinant), determinant.max())],
        [float(value) for value in (*np.percentile(missed, [50, 99]), missed.max())],
        float((missed > _HALF_VOXEL * grids[1].spacing.min()).mean()),
    )


def warp_labels(transform: WorldTransform, labels: ImageFile, fixed: ImageFile) -> NDArray[Any]:
    """Warp a label map of the moving scan to the fixed scan's grid, by the nearest voxel."""
    return sample(labels.data, labels.affine, Grid(fixed.data.shape, fixed.affine), transform, order=0)


def _positions(transform: WorldTransform, grid: Grid) -> NDArray[np.float64]:
    """Points of the moving scan at the fixed scan's voxels, ``(H, W, D, 3)`` in mm."""
    found = np.empty((*grid.shape, 3))
    for rows in grid.slabs():
        found[rows] = transform(grid.points(rows))
    return found


def _determinant(positions: NDArray[np.float64], affine: NDArray[np.float64]) -> NDArray[np.float32]:
    """Jacobian determinant of the positions on a grid in world space; differences are one-sided at the border."""
    rows = [
        np.gradient(positions, axis=axis) if positions.shape[axis] > 1 else np.broadcast_to(affine[:3, axis],
                                                                                           positions.shape)
        for axis in range(3)
    ]  # fmt: skip
    volume = np.einsum("...a,...a->...", rows[0], np.cross(rows[1], rows[2]))
    return (volume / np.linalg.det(affine[:3, :3])).astype(np.float32)


def _lattice(transform: WorldTransform, grid: Grid) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Displacement in mm on the network's grid, extended to all of `grid`; and its affine."""
    network = transform.grid
    corners = np.array([*np.ndindex(2, 2, 2)]) * (np.array(grid.shape) - 1.0)
    index = apply_affine(np.linalg.inv(network.affine) @ grid.affine, corners)
    first = np.minimum(np.floor(index.min(axis=0)).astype(int) - 1, 0)
    last = np.maximum(np.ceil(index.max(axis=0)).astype(int) + 1, np.array(network.shape) - 1)
    places = [np.arange(a, b + 1).clip(0, n - 1) for a, b, n in zip(first, last, network.shape, strict=True)]
    affine = network.affine.copy()
    affine[:3, 3] = apply_affine(network.affine, first.astype(float))
    return transform.field[np.ix_(*places)] @ network.affine[:3, :3].T, affine


def _inverse(transform: WorldTransform, grid: Grid) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Displacement in mm of the inverse on the moving scan's grid, and how far it misses, in mm."""
    displacement, missed = np.empty((*grid.shape, 3), np.float32), np.empty(grid.shape, np.float32)
    for rows in grid.slabs():
        points = grid.points(rows)
        found, missed[rows] = transform.inverse(points)
        displacement[rows] = found - points
    return displacement, missed
