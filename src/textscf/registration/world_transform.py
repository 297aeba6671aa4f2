"""Transformation between the worlds of two scans: a network's displacement field after an affine alignment."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from textscf.world.grid import Grid, Points, apply_affine

_ITERATIONS = 50
_SMALLEST_STEP = 1 / 64
_CLOSE = 1e-3  # voxels


@dataclass(frozen=True)
class WorldTransform:
    """Maps points of the fixed scan to points of the moving scan: ``T(x) = initial(x + u(x))``.

    All points are in millimetres of RAS axes. A warped scan is ``warped(x) = moving(T(x))``.

    Attributes:
        field: displacement ``(H, W, D, 3)`` in voxels of `grid`. Beyond the grid, its border values continue.
        grid: grid of the field in the fixed scan's world.
        initial: affine (4, 4) from the fixed scan's world to the moving scan's.
    """

    field: NDArray[np.float32]
    grid: Grid
    initial: NDArray[np.float64]

    def __call__(self, points: Points) -> Points:
        """Points of the moving scan at points ``(..., 3)`` of the fixed scan."""
        index = apply_affine(np.linalg.inv(self.grid.affine), points)
        moved = index + self._displacement(index)
        return apply_affine(self.initial @ self.grid.affine, moved)

    def inverse(self, points: Points) -> tuple[Points, NDArray[np.float64]]:
        """Points of the fixed scan that the transformation maps to points ``(..., 3)`` of the moving scan.

        Every point is found by a fixed-point iteration, whose steps are halved where they do not come closer.

        Returns:
            points ``(..., 3)``, and how far each misses its target, ``(...)`` in mm. Where the field folds there is no
            inverse, and the distance stays large.
        """
        to_index = np.linalg.inv(self.initial @ self.grid.affine)
        target = apply_affine(to_index, points).reshape(-1, 3)
        found, step = target.copy(), np.ones(len(target))
        rest = target - found - self._displacement(found)
        active = np.arange(len(target))
        for _ in range(_ITERATIONS):
            active = active[np.linalg.norm(rest[active], axis=1) > _CLOSE]
            active = active[step[active] >= _SMALLEST_STEP]
            if not len(active):
                break
            tried = found[active] + step[active, None] * rest[active]
            left = target[active] - tried - self._displacement(tried)
            better = np.linalg.norm(left, axis=1) < np.linalg.norm(rest[active], axis=1)
            found[active[better]], rest[active[better]] = tried[better], left[better]
            step[active[~better]] /= 2
        missed = np.linalg.norm(rest * self.grid.spacing, axis=1)
        return apply_affine(self.grid.affine, found).reshape(points.shape), missed.reshape(points.shape[:-1])

    @cached_property
    def _tensor(self) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(self.field, np.float32)).movedim(-1, 0)[None]

    def _displacement(self, index: Points) -> Points:
        """Displacement in voxels at voxel indices, linear between voxels and constant beyond the border."""
        scale = 2 / np.maximum(np.array(self.grid.shape) - 1, 1)
        places = torch.from_numpy((index.reshape(1, -1, 1, 1, 3) * scale - 1)[..., ::-1].astype(np.float32))
        found = functional.grid_sample(self._tensor, places, padding_mode="border", align_corners=True)
        return found.reshape(3, -1).T.double().numpy().reshape(index.shape)
