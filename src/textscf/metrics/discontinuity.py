"""Jumps of a displacement field between neighbouring voxels, across the borders of structures and inside them.

The paper's Figure 6 shows a field that is discontinuous at an organ's border, but gives no number. This metric measures
it. If a method lets organs slide, its field jumps more across borders than inside structures.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from textscf.metrics.bounding_box import bounding_box

_Slice = tuple[NDArray[np.integer], NDArray[np.floating]]
"""Labels ``(W * D,)`` and displacement in mm ``(3, W * D)`` of one slice along the first axis."""


def displacement_jumps(
    labels: NDArray[np.integer], displacement: NDArray[np.floating], spacing: Sequence[float]
) -> tuple[float, float]:
    """Mean length of the displacement difference between voxels that share a face, divided by their centre distance.

    Args:
        labels: label map of the fixed scan ``(H, W, D)``, 0 is background.
        displacement: ``(H, W, D, 3)`` in voxels; jumps are computed in its data type.
        spacing: voxel edge lengths in mm.

    Returns:
        Mean jump across borders (faces between different labels) and mean jump inside (faces within one structure,
        without the background), both in mm per mm; NaN if there are no such faces.
    """
    box = bounding_box(labels, margin=1)
    edges = np.asarray(spacing, dtype=displacement.dtype)
    depth = labels[box].shape[2]
    sums, counts = np.zeros(2), np.zeros(2, dtype=np.int64)
    above: _Slice | None = None
    for label_slice, displacement_slice in zip(labels[box], displacement[box], strict=True):
        here = label_slice.ravel(), _components(displacement_slice, edges)
        pairs = [(_part(here, 0, -step), _part(here, step, None), axis) for axis, step in ((1, depth), (2, 1))]
        if above is not None:
            pairs.append((above, here, 0))
        for first, second, axis in pairs:
            jump = _distance(first[1], second[1])
            across = first[0] != second[0]
            for kind, faces in enumerate((across, (first[0] > 0) & ~across)):
                if axis == 2:
                    faces[depth - 1 :: depth] = False
                sums[kind] += np.vdot(jump, faces.astype(jump.dtype)) / edges[axis]
                counts[kind] += np.count_nonzero(faces)
        above = here
    across_mean, inside_mean = (float(s / n) if n else float("nan") for s, n in zip(sums, counts, strict=True))
    return across_mean, inside_mean


def _components(displacement: NDArray[np.floating], edges: NDArray[np.floating]) -> NDArray[np.floating]:
    """Displacement in mm ``(3, W * D)`` from that of a slice in voxels ``(W, D, 3)``."""
    components = np.empty((3, *displacement.shape[:2]), displacement.dtype)
    for axis, component in enumerate(components):
        np.multiply(displacement[..., axis], edges[axis], out=component)
    return components.reshape(3, -1)


def _part(whole: _Slice, start: int, stop: int | None) -> _Slice:
    return whole[0][start:stop], whole[1][:, start:stop]


def _distance(first: NDArray[np.floating], second: NDArray[np.floating]) -> NDArray[np.floating]:
    """Lengths ``(N,)`` of the differences of vectors ``(3, N)``."""
    squares = second[0] - first[0]
    squares *= squares
    for one, other in zip(first[1:], second[1:], strict=True):
        difference = other - one
        difference *= difference
        squares += difference
    return np.sqrt(squares, out=squares)
