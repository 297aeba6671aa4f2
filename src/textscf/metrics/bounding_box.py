"""Bounding box of the labelled part of label maps."""

import numpy as np
from numpy.typing import NDArray


def bounding_box(*volumes: NDArray[np.integer], margin: int = 0) -> tuple[slice, slice, slice]:
    """Smallest box that contains every labelled voxel of the volumes, enlarged by a margin inside the grid.

    Args:
        volumes: label maps ``(H, W, D)`` of one shape, not negative; 0 is background.
        margin: voxels by which the box is enlarged on every side.

    Returns:
        The box as slices of the three axes; of a single voxel if nothing is labelled.
    """
    first, second, third = (_extent(volumes, axis, margin) for axis in range(3))
    return first, second, third


def _extent(volumes: tuple[NDArray[np.integer], ...], axis: int, margin: int) -> slice:
    others = tuple({0, 1, 2} - {axis})
    labelled = np.flatnonzero(np.any([volume.max(axis=others) > 0 for volume in volumes], axis=0))
    start, last = (labelled[0], labelled[-1]) if len(labelled) else (0, 0)
    return slice(max(int(start) - margin, 0), int(last) + 1 + margin)
