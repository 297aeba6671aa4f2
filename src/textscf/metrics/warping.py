"""Nearest-neighbour warp of label maps, equal to that of the Learn2Reg evaluator."""

import numpy as np
from numpy.typing import NDArray


def warp_labels(moving: NDArray[np.integer], displacement: NDArray[np.floating]) -> NDArray[np.integer]:
    """Warped labels ``(H, W, D)``: ``moving(x + u(x))`` at the nearest voxel.

    The result equals ``scipy.ndimage.map_coordinates(moving, x + u(x), order=0)``: a coordinate below 0 or above n - 1
    gives label 0, and halves are rounded up.

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
