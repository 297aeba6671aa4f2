"""Nearest-neighbour warp of label maps, as the Learn2Reg evaluator does it."""

import numpy as np
from numpy.typing import NDArray


def warp_labels(moving: NDArray[np.integer], displacement: NDArray[np.floating]) -> NDArray[np.integer]:
    """Labels ``(H, W, D)`` of ``moving(x + u(x))`` at the nearest voxel.

    Equal to ``scipy.ndimage.map_coordinates(moving, x + u(x), order=0)``: a coordinate below 0 or above n - 1 gives 0,
    halves round up.

    Args:
        moving: labels ``(H, W, D)``.
        displacement: ``(H, W, D, 3)`` in voxels.
    """
    height, width, depth = moving.shape
    flat = np.append(moving, np.zeros(1, moving.dtype))
    warped = np.empty_like(moving)
    for row in range(height):
        index, inside = np.zeros((width, depth)), np.ones((width, depth), dtype=bool)
        grid = np.ogrid[row : row + 1, :width, :depth]
        for axis, size in enumerate(moving.shape):
            position = displacement[row, ..., axis].astype(np.float64) + grid[axis][0]
            inside &= (position >= 0) & (position <= size - 1)
            index = index * size + np.floor(position + 0.5)
        warped[row] = flat[np.where(inside, index, moving.size).astype(np.intp)]
    return warped
