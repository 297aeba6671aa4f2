"""Maps displacement fields from a cohort's prepared grid back to the grid of its stored scans."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from textscf.data import geometry
from textscf.data.recipe import Recipe
from textscf.data.scans import stored_geometry
from textscf.errors import InputError


@dataclass(frozen=True)
class Placement:
    """Position of a stored grid's voxels on the prepared grid.

    Attributes:
        shape: shape (H, W, D) of the stored grid.
        affine: affine (4, 4) of the stored grid, voxel to mm.
        order: stored axes that became prepared axes 0, 1, 2.
        scale, offset: index i of stored axis ``order[a]`` lies at ``scale[a] * i + offset[a]`` on prepared axis a.
    """

    shape: tuple[int, ...]
    affine: NDArray[np.float64]
    order: tuple[int, ...] = (0, 1, 2)
    scale: tuple[float, ...] = (1.0, 1.0, 1.0)
    offset: tuple[float, ...] = (0.0, 0.0, 0.0)

    @classmethod
    def of_stored(cls, path: Path, recipe: Recipe) -> "Placement":
        """Placement of the scan or label map `path` that `recipe` prepares. Raises InputError if it cannot be read."""
        return cls.of_grid(*stored_geometry(path, recipe), recipe)

    @classmethod
    def of_grid(
        cls, shape: tuple[int, ...], affine: np.ndarray, axes: str, spacing: tuple[float, ...], recipe: Recipe
    ) -> "Placement":
        """Placement of a stored grid with these axis codes and spacing in mm; both take precedence over its affine.

        Raises InputError for a recipe that aligns scans, which turns them.
        """
        if recipe.align_to:
            raise InputError(
                f"preprocess.align: '{recipe.align_to}'; expected none, as results on the stored grids are wanted"
            )
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
        """Mask of the voxels of a prepared grid of `shape` that the stored grid covers, up to its outer voxel faces."""
        covered = np.ones(shape, dtype=bool)
        for axis, stored in enumerate(self.order):
            places = (np.arange(shape[axis]) - self.offset[axis]) / self.scale[axis]
            inside = (places >= -0.5) & (places <= self.shape[stored] - 0.5)
            covered &= inside.reshape([-1 if other == axis else 1 for other in range(3)])
        return covered

    def displacement(self, field: NDArray[np.floating], step: float = 1.0) -> NDArray[np.float32]:
        """Convert a displacement field ``(H, W, D, 3)`` to the stored grid, in stored voxels and axes.

        The field is interpolated linearly between voxels. Beyond the prepared grid, its border values continue.

        Args:
            field: displacement field in voxels of the prepared grid, ``warped(x) = moving(x + u(x))``.
            step: approximate distance between samples in stored voxels; the corner voxels are always sampled.
        """
        for axis, stored in enumerate(self.order):
            n_points = round(self.shape[stored] / step)
            points = np.linspace(0, self.shape[stored] - 1, n_points)
            field = _interpolated(field, self.scale[axis] * points + self.offset[axis], axis)
        turned = np.moveaxis(field / np.array(self.scale), (0, 1, 2), self.order)
        return turned[..., np.argsort(self.order)].astype(np.float32)


def _interpolated(field: NDArray[np.floating], places: NDArray[np.float64], axis: int) -> NDArray[np.floating]:
    """Linear interpolation of `field` at `places` along one axis; constant beyond the ends of the axis."""
    last = field.shape[axis] - 1
    places = places.clip(0, last)
    lower = np.floor(places).astype(int)
    weight = (places - lower).reshape([-1 if other == axis else 1 for other in range(field.ndim)])
    return field.take(lower, axis) * (1 - weight) + field.take(np.minimum(lower + 1, last), axis) * weight
