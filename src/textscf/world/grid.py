"""Grids in world space: affines, boxes of content, and sampling of NumPy volumes at points in millimetres."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from nibabel import orientations
from numpy.typing import NDArray
from scipy import ndimage

Points = NDArray[np.float64]
"""Points ``(..., 3)``, in millimetres of RAS axes or in voxel indices."""

Order = Literal[0, 1, 2, 3]
"""Order of the splines of an interpolation; 0 is the nearest voxel."""

_SLAB = 2**20  # voxels that are sampled at once
_EDGE = 0.5 + 1e-6  # a voxel reaches half a voxel beyond its centre


@dataclass(frozen=True)
class Grid:
    """A grid of voxels in world space: `shape` (H, W, D) and `affine` (4, 4), voxel index to mm in RAS axes."""

    shape: tuple[int, ...]
    affine: NDArray[np.float64]

    @property
    def spacing(self) -> NDArray[np.float64]:
        """Voxel edge lengths (3,) in mm."""
        return np.linalg.norm(self.affine[:3, :3], axis=0)

    @property
    def centre(self) -> Points:
        """Middle of the grid, (3,) in mm."""
        return apply_affine(self.affine, (np.array(self.shape) - 1) / 2)

    def slabs(self) -> list[slice]:
        """Slices of the first axis that hold at most about a million voxels each."""
        height, *plane = self.shape
        step = max(1, _SLAB // max(1, int(np.prod(plane))))
        return [slice(start, min(start + step, height)) for start in range(0, height, step)]

    def points(self, rows: slice = slice(None)) -> Points:
        """Centres of the voxels in mm, ``(H, W, D, 3)``; only those of `rows` along the first axis."""
        axes = [np.arange(n, dtype=np.float64) for n in self.shape]
        axes[0] = axes[0][rows]
        return apply_affine(self.affine, np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1))

    def contains(self, points: Points) -> NDArray[np.bool_]:
        """Mask ``(...)`` of the points ``(..., 3)``, in mm, that lie in a voxel of the grid."""
        index = apply_affine(np.linalg.inv(self.affine), points)
        return np.asarray(((index >= -_EDGE) & (index <= np.array(self.shape) - 1 + _EDGE)).all(axis=-1))


def apply_affine(affine: NDArray[np.floating], points: NDArray[np.floating]) -> Points:
    """Apply an affine (4, 4) to points ``(..., 3)``."""
    return np.asarray(points @ affine[:3, :3].T + affine[:3, 3], dtype=np.float64)


def oriented(data: NDArray, affine: NDArray[np.float64], codes: str) -> tuple[NDArray, NDArray[np.float64]]:
    """Permute and flip the axes of a volume towards axis codes; every voxel keeps its place in the world."""
    turn = orientations.ornt_transform(orientations.io_orientation(affine), orientations.axcodes2ornt(codes))
    return orientations.apply_orientation(data, turn), affine @ orientations.inv_ornt_aff(turn, data.shape)


def upright_grid(grid: Grid) -> Grid:
    """Grid along the patient's axes that covers another one, with the spacing of its nearest axes."""
    codes = "".join(orientations.aff2axcodes(grid.affine))
    axes = oriented(np.empty((1, 1, 1)), np.eye(4), codes)[1][:3, :3]
    corners = apply_affine(grid.affine, np.array([*np.ndindex(2, 2, 2)]) * (np.array(grid.shape) - 1.0)) @ axes
    low, high = corners.min(axis=0), corners.max(axis=0)
    shape = np.maximum(1, np.round((high - low) / grid.spacing).astype(int) + 1)
    affine = np.eye(4)
    affine[:3, :3] = axes * grid.spacing
    affine[:3, 3] = grid.centre - affine[:3, :3] @ ((shape - 1) / 2)
    return Grid(tuple(shape.tolist()), affine)


def without_constant_border(data: NDArray, affine: NDArray[np.float64]) -> tuple[NDArray, NDArray[np.float64]]:
    """Cut outer slices that hold a single value, such as padding; every other voxel keeps its place in the world.

    A scan and the same scan with constant padding on any side give the same result. A volume of one value is returned
    unchanged.
    """
    box, previous = [slice(0, n) for n in data.shape], None
    while box != previous:
        previous = list(box)
        for axis in range(3):
            while (box[axis].stop - box[axis].start) > 1 and _is_constant(data, box, axis, box[axis].start):
                box[axis] = slice(box[axis].start + 1, box[axis].stop)
            while (box[axis].stop - box[axis].start) > 1 and _is_constant(data, box, axis, box[axis].stop - 1):
                box[axis] = slice(box[axis].start, box[axis].stop - 1)
    if any(side.stop - side.start == 1 < n for side, n in zip(box, data.shape, strict=True)):
        return data, affine
    moved = affine.copy()
    moved[:3, 3] = apply_affine(affine, np.array([side.start for side in box], dtype=np.float64))
    return data[tuple(box)], moved


def _is_constant(data: NDArray, box: Sequence[slice], axis: int, index: int) -> bool:
    face = data[tuple(slice(index, index + 1) if a == axis else side for a, side in enumerate(box))]
    return bool((face == face.flat[0]).all())


def sample(
    volume: NDArray,
    affine: NDArray[np.float64],
    onto: Grid,
    transform: Callable[[Points], Points] | None = None,
    order: Order = 1,
    outside: float = 0.0,
) -> NDArray:
    """Sample a volume at the voxels of another grid: ``result(x) = volume(transform(x))``.

    Args:
        volume: (H, W, D).
        affine: affine (4, 4) of the volume.
        onto: grid of the result.
        transform: maps points of `onto` to points of the volume, both in mm of RAS axes; None for the identity.
        order: order of the splines: 0 nearest neighbour, 1 linear, 2 or 3.
        outside: value of points that lie beyond the outer faces of the volume's voxels, as in ITK.

    Returns:
        (H', W', D') of the volume's type for order 0, else float32.
    """
    coefficients: Any = volume
    if order > 1:
        coefficients = ndimage.spline_filter(volume.astype(np.float32), order, output=np.float32, mode="mirror")
    to_index = np.linalg.inv(affine)
    result = np.empty(onto.shape, volume.dtype if order == 0 else np.float32)
    for rows in onto.slabs():
        points = onto.points(rows)
        index = apply_affine(to_index, points if transform is None else transform(points))
        result[rows] = _at_indices(coefficients, index, order, outside)
    return result


def _at_indices(coefficients: Any, index: Points, order: Order, outside: float) -> NDArray:
    last = np.array(coefficients.shape) - 1
    inside = ((index >= -_EDGE) & (index <= last + _EDGE)).all(axis=-1)
    places = np.moveaxis(index.clip(0, last), -1, 0)
    if order == 0:
        places = np.floor(places + 0.5).clip(max=last.reshape(3, 1, 1, 1))
    values = ndimage.map_coordinates(coefficients, places, order=order, mode="mirror", prefilter=False)
    return np.where(inside, values, outside)
