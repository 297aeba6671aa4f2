"""How much a displacement field jumps between neighbouring voxels: across the borders of structures, and inside them.

The paper's Figure 6 shows a field that breaks at an organ's border without a number for it; this is one. A method that
lets organs slide jumps more across borders than inside of them.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_BACKGROUND, _INSIDE, _ACROSS = range(3)

_Slab = tuple[NDArray[np.integer], NDArray[np.float64]]
"""Labels ``(W, D)`` and displacement in mm ``(W, D, 3)`` of one slice along the first axis."""


def displacement_jumps(
    labels: NDArray[np.integer], displacement: NDArray[np.floating], spacing: Sequence[float]
) -> tuple[float, float]:
    """Mean size of the field's difference between voxels that share a face, per distance of their centres.

    Args:
        labels: structures of the fixed scan ``(H, W, D)``, 0 the background.
        displacement: ``(H, W, D, 3)`` in voxels.
        spacing: voxel edge lengths in mm.

    Returns:
        Across borders (faces between different labels) and inside (faces within one structure, the background left
        out), mm per mm; NaN without such faces.
    """
    edges = np.asarray(spacing, dtype=np.float64)
    sums, counts = np.zeros(3), np.zeros(3, dtype=np.int64)
    above: _Slab | None = None
    for label_slab, displacement_slab in zip(labels, displacement, strict=True):
        slab = label_slab, displacement_slab.astype(np.float64) * edges
        pairs = [_shifted(slab, axis, edges[1 + axis]) for axis in range(2)]
        if above is not None:
            pairs.append((above, slab, edges[0]))
        for first, second, distance in pairs:
            kind = _kind_of_face(first[0], second[0]).ravel()
            step = second[1] - first[1]
            jump = np.sqrt(np.einsum("...i,...i", step, step)) / distance
            sums += np.bincount(kind, jump.ravel(), minlength=3)
            counts += np.bincount(kind, minlength=3)
        above = slab
    across, inside = (float(sums[kind] / counts[kind]) if counts[kind] else float("nan") for kind in (_ACROSS, _INSIDE))
    return across, inside


def _shifted(slab: _Slab, axis: int, distance: float) -> tuple[_Slab, _Slab, float]:
    """Voxels of a slab and their next neighbours along an axis of it, and the distance of their centres."""
    labels, field = np.moveaxis(slab[0], axis, 0), np.moveaxis(slab[1], axis, 0)
    return (labels[:-1], field[:-1]), (labels[1:], field[1:]), distance


def _kind_of_face(first: NDArray[np.integer], second: NDArray[np.integer]) -> NDArray[np.intp]:
    return np.where(first != second, _ACROSS, np.where(first > 0, _INSIDE, _BACKGROUND))
