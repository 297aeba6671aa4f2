"""Displacement fields from a cohort's grid back to the grid of its stored scans."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from textscf.data import geometry
from textscf.data.recipe import Recipe
from textscf.data.scans import stored_geometry


@dataclass(frozen=True)
class Placement:
    """Where the voxels of a stored grid lie on the prepared one.

    Attributes:
        shape: of the stored grid, (H, W, D).
        affine: of the stored grid (4, 4), voxel to mm.
        order: stored axis that became prepared axis 0, 1, 2.
        scale, offset: index i of stored axis ``order[a]`` lies at ``scale[a] * i + offset[a]`` on prepared axis a.
    """

    shape: tuple[int, ...]
    affine: NDArray[np.float64]
    order: tuple[int, ...] = (0, 1, 2)
    scale: tuple[float, ...] = (1.0, 1.0, 1.0)
    offset: tuple[float, ...] = (0.0, 0.0, 0.0)

    @classmethod
    def of_stored(cls, path: Path, recipe: Recipe) -> "Placement":
        """Of the stored label map `path` that `recipe` prepares; InputError if it cannot be read."""
        return cls.of_grid(*stored_geometry(path, recipe), recipe)

    @classmethod
    def of_grid(
        cls, shape: tuple[int, ...], affine: np.ndarray, axes: str, spacing: tuple[float, ...], recipe: Recipe
    ) -> "Placement":
        """Of a stored grid with these axis codes and this spacing in mm, whatever its affine says of them."""
        order = geometry.axis_order(axes, recipe.orientation)
        scale, offset = np.empty(3), np.empty(3)
        for axis, stored in enumerate(order):
            n_stored = shape[stored]
            flipped = axes[stored] != recipe.orientation[axis]
            turned_scale, turned_offset = (-1.0, n_stored - 1.0) if flipped else (1.0, 0.0)
            n_resampled = geometry.resampled_shape(
                (n_stored,), np.array([spacing[stored]]), np.array([recipe.spacing[axis]])
            )[0]
            zoom = (n_resampled - 1) / (n_stored - 1) if n_stored > 1 else 1.0
            missing = recipe.shape[axis] - n_resampled
            margin = abs(missing) // 2 * np.sign(missing)
            scale[axis], offset[axis] = turned_scale * zoom, turned_offset * zoom + margin
        return cls(shape, affine, tuple(order.tolist()), tuple(scale.tolist()), tuple(offset.tolist()))

    def to_stored(self) -> NDArray[np.float64]:
        """Matrix (4, 4) from indices of the prepared grid to indices of the stored one."""
        matrix = np.zeros((4, 4))
        matrix[3, 3] = 1
        for axis, stored in enumerate(self.order):
            matrix[stored, axis] = 1 / self.scale[axis]
            matrix[stored, 3] = -self.offset[axis] / self.scale[axis]
        return matrix

    def covered(self, shape: tuple[int, ...]) -> NDArray[np.bool_]:
        """Which voxels of a prepared grid of `shape` the stored grid covers, its outer voxels to their faces."""
        covered = np.ones(shape, dtype=bool)
        for axis, stored in enumerate(self.order):
            places = (np.arange(shape[axis]) - self.offset[axis]) / self.scale[axis]
            inside = (places >= -0.5) & (places <= self.shape[stored] - 0.5)
            covered &= inside.reshape([-1 if other == axis else 1 for other in range(3)])
        return covered

    def displacement(self, field: NDArray[np.floating], step: float = 1.0) -> NDArray[np.float32]:
        """A field ``(H, W, D, 3)`` of the prepared grid on the stored grid, in stored voxels and axes.

        Between voxels it is interpolated linearly; beyond the prepared grid it goes on as at the border.

        Args:
            field: in voxels of the prepared grid, ``warped(x) = moving(x + u(x))``.
            step: every how many voxels the stored grid is sampled, its corner voxels included.
        """
        for axis, stored in enumerate(self.order):
            n_points = round(self.shape[stored] / step)
            points = np.linspace(0, self.shape[stored] - 1, n_points)
            field = _interpolated(field, self.scale[axis] * points + self.offset[axis], axis)
        turned = np.moveaxis(field / np.array(self.scale), (0, 1, 2), self.order)
        return turned[..., np.argsort(self.order)].astype(np.float32)


def _interpolated(field: NDArray[np.floating], places: NDArray[np.float64], axis: int) -> NDArray[np.floating]:
    """Linear interpolation of `field` at `places` along one axis, constant beyond its ends."""
    last = field.shape[axis] - 1
    places = places.clip(0, last)
    lower = np.floor(places).astype(int)
    weight = (places - lower).reshape([-1 if other == axis else 1 for other in range(field.ndim)])
    return field.take(lower, axis) * (1 - weight) + field.take(np.minimum(lower + 1, last), axis) * weight
