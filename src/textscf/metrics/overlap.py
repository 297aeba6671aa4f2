"""Dice of all labels, from the number of voxels of each label pair."""

import numpy as np
from numpy.typing import NDArray

from textscf.metrics.bounding_box import bounding_box


def confusion_counts(fixed: NDArray[np.integer], warped: NDArray[np.integer], n_regions: int) -> NDArray[np.int64]:
    """Number of voxels ``(n_regions, n_regions)`` of each (fixed, warped) label pair; labels are 0 to n_regions - 1.

    Examples:
        >>> import numpy as np
        >>> fixed = np.array([[[0, 0, 1, 1]]])
        >>> warped = np.array([[[0, 1, 1, 1]]])
        >>> print(confusion_counts(fixed, warped, 2))
        [[1 1]
         [0 2]]
        >>> print(dice_scores(confusion_counts(fixed, warped, 2))[1])
        0.8
    """
    counts = np.zeros(n_regions**2, dtype=np.int64)
    narrow = np.min_scalar_type(n_regions**2)
    box = bounding_box(fixed, warped)
    for fixed_slice, warped_slice in zip(fixed[box], warped[box], strict=True):
        pair = np.multiply(fixed_slice, n_regions, dtype=narrow, casting="unsafe")
        np.add(pair, warped_slice, out=pair, casting="unsafe")
        counts += np.bincount(pair.ravel(), minlength=n_regions**2)
    counts[0] += fixed.size - fixed[box].size
    return counts.reshape(n_regions, n_regions)


def dice_scores(confusion: NDArray[np.int64]) -> NDArray[np.float64]:
    """Dice of each region, ``2 |A and B| / (|A| + |B|)``; NaN for a region that neither map has."""
    size = confusion.sum(0) + confusion.sum(1)
    return np.divide(2 * np.diag(confusion), size, out=np.full(len(size), np.nan), where=size > 0)
