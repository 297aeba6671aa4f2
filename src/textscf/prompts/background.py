"""Vector of the background, orthogonal to the vectors of all regions (paper, section 3.3.1)."""

from collections.abc import Callable

import numpy as np


def svd_background(regions: np.ndarray) -> np.ndarray:
    """Last right singular vector of the region embeddings: ``V[:, -1]``, the last row of ``Vh``.

    The null space has C1 - N + 1 dimensions, so the vector depends on the LAPACK in use. Its sign is fixed: the
    component of largest magnitude is positive.

    Args:
        regions: vectors ``(N - 1, C1)`` of the regions, B~ of the paper.

    Returns:
        ``(C1,)`` float64 of unit length with ``B~ b_0 = 0``.

    Raises:
        ValueError: C1 is not larger than N - 1, so a vector orthogonal to all regions need not exist.
    """
    return _positive(_right_singular_vectors(regions)[-1])


def released_background(regions: np.ndarray) -> np.ndarray:
    """Background of the released code: by mistake the last column of ``Vh``, which is not orthogonal to B~."""
    return _right_singular_vectors(regions)[:, -1]


def _right_singular_vectors(regions: np.ndarray) -> np.ndarray:
    count, length = regions.shape
    if length <= count:
        raise ValueError(f"{count} region vectors of length {length}; svd needs vectors longer than their number")
    return np.linalg.svd(regions.astype(np.float64), full_matrices=True)[2]


def _positive(vector: np.ndarray) -> np.ndarray:
    return vector * np.sign(vector[np.abs(vector).argmax()])


BACKGROUNDS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "svd": svd_background,
    "svd_released": released_background,
}
"""Backgrounds computed from the regions; the kind `text` instead encodes the word "background" like a region."""
