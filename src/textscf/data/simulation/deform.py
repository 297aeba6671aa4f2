"""Random differences between subjects: smooth diffeomorphisms, organ size and place, sliding along borders.

All maps are pull-backs in mm: they take a point of the subject to the point of the phantom that is drawn there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import ndimage

from textscf.data.simulation.fields import sample_spline, smooth_noise
from textscf.data.simulation.shapes import rotation

_KNOT = 12.0  # mm between the lattice points of a velocity
_SQUARINGS = 6


def random_displacement(
    rng: np.random.Generator,
    scales: Sequence[Mapping[str, float]],
    frame: Sequence[float],
    centres: Sequence[np.ndarray],
) -> np.ndarray:
    """Diffeomorphic displacement (3, H, W, D) in mm on the product grid of `centres` (mm, three vectors).

    A stationary velocity is the sum of noise `{width, amplitude}` in mm for each of `scales`. It is drawn on a lattice
    over `frame` (mm), integrated by scaling and squaring (Arsigny et al. 2006) and sampled. The lattice does not
    depend on the grid, so every grid size gives the same subject.
    """
    knots = [int(np.ceil(extent / _KNOT)) + 1 for extent in frame]
    spacing = [_KNOT] * 3
    velocity = np.zeros((3, *knots), np.float32)
    for scale in scales:
        for component in velocity:
            component += np.float32(scale["amplitude"]) * smooth_noise(rng, knots, spacing, scale["width"])
    displacement = _integrate(velocity / np.float32(_KNOT)) * np.float32(_KNOT)
    coordinates = [c / np.float32(_KNOT) + np.float32((n - 1) / 2) for c, n in zip(centres, knots, strict=True)]
    return np.stack([sample_spline(component, coordinates) for component in displacement])


def _integrate(velocity: np.ndarray) -> np.ndarray:
    """Displacement (3, h, w, d) at time 1 of a stationary velocity, both in lattice units."""
    grid = np.indices(velocity.shape[1:], dtype=np.float32)
    displacement = velocity / np.float32(2**_SQUARINGS)
    for _ in range(_SQUARINGS):
        places = grid + displacement
        moved = [ndimage.map_coordinates(part, places, order=1, mode="nearest") for part in displacement]
        displacement = displacement + np.stack(moved)
    return displacement


@dataclass(frozen=True)
class Affine:
    """Pull-back q = matrix @ p + offset, in mm."""

    matrix: np.ndarray
    offset: np.ndarray

    def __call__(self, points: Sequence[np.ndarray]) -> list[np.ndarray]:
        rows, offset = self.matrix.astype(np.float32), self.offset.astype(np.float32)
        return [r[0] * points[0] + r[1] * points[1] + r[2] * points[2] + o for r, o in zip(rows, offset, strict=True)]

    def after(self, first: "Affine") -> "Affine":
        """The map that applies `first`, then this one."""
        return Affine(
            np.einsum("ij,jk->ik", self.matrix, first.matrix),
            np.einsum("ij,j->i", self.matrix, first.offset) + self.offset,
        )

    def inverse(self) -> "Affine":
        """Inverse map, the push-forward: from the phantom to the subject."""
        matrix = np.linalg.inv(self.matrix)
        return Affine(matrix, -np.einsum("ij,j->i", matrix, self.offset))


def slide(rng: np.random.Generator, sliding: Mapping[str, Any]) -> Affine:
    """Turn the contents of an ellipsoid `{centre, radii}` by random angles of sd `degrees` about its axes.

    The ellipsoid is mapped onto itself, so its contents slide along its border against the surroundings.
    """
    centre, radii = np.asarray(sliding["centre"], float), np.asarray(sliding["radii"], float)
    turn = rotation(rng.standard_normal(3) * np.asarray(sliding["degrees"], float))
    matrix = turn * radii[:, None] / radii[None, :]
    return Affine(matrix, centre - np.einsum("ij,j->i", matrix, centre))


def vary(rng: np.random.Generator, centre: np.ndarray, variation: Mapping[str, Any]) -> Affine:
    """Resize, turn and shift about `centre` (mm) by random amounts.

    `variation` gives sds: `size` of the log of the overall size (half of it per axis), `turn` (degrees), `place` (mm).
    """
    size = float(variation.get("size", 0))
    scale = np.exp(rng.standard_normal() * size + rng.standard_normal(3) * size / 2)
    turn = rotation(rng.standard_normal(3) * float(variation.get("turn", 0)))
    shift = rng.standard_normal(3) * np.asarray(variation.get("place", (0, 0, 0)), float)
    matrix = turn / scale[None, :]
    return Affine(matrix, centre - np.einsum("ij,j->i", matrix, centre + shift))
