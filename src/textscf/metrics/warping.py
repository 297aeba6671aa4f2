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
    flat = np.append(moving, np.zeros(1, moving.dtype))
    warped = np.empty(moving.shape, moving.dtype)
    columns, depths = np.indices(moving.shape[1:], dtype=np.float64)
    position, index = np.empty((2, *moving.shape[1:]))
    inside, within = np.empty((2, *moving.shape[1:]), dtype=bool)
    for row, field in enumerate(displacement):
        index[...], inside[...] = 0, True
        for axis, (size, grid) in enumerate(zip(moving.shape, (row, columns, depths), strict=True)):
            position[...] = field[..., axis]
            position += grid
            inside &= np.greater_equal(position, 0, out=within)
            inside &= np.less_equal(position, size - 1, out=within)
            position += 0.5
            index *= size
            index += np.floor(position, out=position)
        index[~inside] = moving.size
        warped[row] = flat.take(index.astype(np.intp))
    return warped
