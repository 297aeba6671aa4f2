"""How much a displacement field jumps between neighbouring voxels: across the borders of structures, and inside them.

The paper's Figure 6 shows a field that breaks at an organ's border without a number for it; this is one. A method that
lets organs slide jumps more across borders than inside of them.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


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
    sums, counts = np.zeros(2), np.zeros(2, dtype=np.int64)
    for axis in range(3):
        along = np.moveaxis(labels, axis, 0)
        first, second = (np.moveaxis(part, 0, axis) for part in (along[:-1], along[1:]))
        steps = np.diff(displacement.astype(np.float64), axis=axis) * edges
        jumps = np.linalg.norm(steps, axis=-1) / edges[axis]
        for place, faces in enumerate((first != second, (first == second) & (first > 0))):
            sums[place] += jumps[faces].sum()
            counts[place] += np.count_nonzero(faces)
    across, inside = (float(s / n) if n else float("nan") for s, n in zip(sums, counts, strict=True))
    return across, inside
