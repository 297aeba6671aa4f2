"""Jumps of a displacement field between neighbouring voxels, across the borders of structures and inside them.

The paper's Figure 6 shows a field that is discontinuous at an organ's border, but gives no number. This metric measures
it. If a method lets organs slide, its field jumps more across borders than inside structures.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_Slab = tuple[NDArray[np.integer], NDArray[np.floating]]
"""Labels ``(W, D)`` and displacement in mm ``(3, W, D)`` of one slice along the first axis."""


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
    edges = np.asarray(spacing, dtype=displacement.dtype)
    sums, counts = np.zeros(2), np.zeros(2, dtype=np.int64)
    above: _Slab | None = None
    for label_slab, displacement_slab in zip(labels, displacement, strict=True):
        slab = label_slab, np.ascontiguousarray(displacement_slab.transpose(2, 0, 1)) * edges[:, None, None]
        pairs = [_shifted(slab, axis, edges[1 + axis]) for axis in range(2)]
        if above is not None:
            pairs.append((above, slab, edges[0]))
        for first, second, distance in pairs:
            jump = _length(second[1] - first[1]) / distance
            across = first[0] != second[0]
            for kind, faces in enumerate((across, (first[0] > 0) & ~across)):
                sums[kind] += np.vdot(jump, faces.astype(jump.dtype))
                counts[kind] += np.count_nonzero(faces)
        above = slab
    across_mean, inside_mean = (float(s / n) if n else float("nan") for s, n in zip(sums, counts, strict=True))
    return across_mean, inside_mean


def _length(vectors: NDArray[np.floating]) -> NDArray[np.floating]:
    """Lengths ``(...)`` of vectors ``(3, ...)``; overwrites `vectors`."""
    vectors *= vectors
    vectors[0] += vectors[1]
    vectors[0] += vectors[2]
    return np.sqrt(vectors[0], out=vectors[0])


def _shifted(slab: _Slab, axis: int, distance: np.floating) -> tuple[_Slab, _Slab, np.floating]:
    """Voxels of a slab, their next neighbours along one axis of the slab, and the distance of their centres."""
    labels, field = np.moveaxis(slab[0], axis, 0), np.moveaxis(slab[1], 1 + axis, 1)
    return (labels[:-1], field[:, :-1]), (labels[1:], field[:, 1:]), distance
