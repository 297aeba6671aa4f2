"""Jacobian determinant of a displacement field, and the metrics computed from it."""

import numpy as np
from numpy.typing import NDArray

_CROP = 2
_OFFSET = 3
_RANGE = (1e-9, 1e9)
_UNDEFORMED = np.log(1 + _OFFSET)


def jacobian_determinant(displacement: NDArray[np.floating]) -> NDArray[np.float64]:
    """Jacobian determinant of ``x + u(x)`` by central differences.

    Args:
        displacement: ``(H, W, D, 3)`` in voxels.

    Returns:
        ``(H-4, W-4, D-4)``, without the two outermost layers, where the evaluator's differences reach the border.
    """
    height, width, depth = (max(n - 2 * _CROP, 0) for n in displacement.shape[:3])
    determinant = np.empty((height, width, depth))
    if determinant.size:
        for row in range(height):
            slab = displacement[row + 1 : row + 4].transpose(3, 0, 1, 2).astype(np.float64)
            determinant[row] = _slice_determinant(slab)
    return determinant


def _slice_determinant(slab: NDArray[np.float64]) -> NDArray[np.float64]:
    """Determinant ``(W-4, D-4)`` of the middle one of three slices; `slab` is ``(3 components, 3 slices, W, D)``."""
    middle = slab[:, 1]
    along_h = (slab[:, 2, 2:-2, 2:-2] - slab[:, 0, 2:-2, 2:-2]) / 2
    along_w = (middle[:, 3:-1, 2:-2] - middle[:, 1:-3, 2:-2]) / 2
    along_d = (middle[:, 2:-2, 3:-1] - middle[:, 2:-2, 1:-3]) / 2
    along_h[0] += 1
    along_w[1] += 1
    along_d[2] += 1
    return (
        along_h[0] * (along_w[1] * along_d[2] - along_w[2] * along_d[1])
        - along_w[0] * (along_h[1] * along_d[2] - along_h[2] * along_d[1])
        + along_d[0] * (along_h[1] * along_w[2] - along_h[2] * along_w[1])
    )


def sdlogj(determinant: NDArray[np.float64]) -> float:
    """Population standard deviation of ``log(clip(det + 3, 1e-9, 1e9))``; NaN for an empty array.

    The paper's eq. (6) divides by N - 1, but the evaluator that gave the paper's values divides by N. This function
    divides by N, too.
    """
    if not determinant.size:
        return float("nan")
    total = squares = 0.0
    for slab in np.atleast_2d(determinant):
        values = slab + _OFFSET
        np.clip(values, *_RANGE, out=values)
        np.log(values, out=values)
        values -= _UNDEFORMED
        total += values.sum()
        squares += np.vdot(values, values)
    return float(np.sqrt(max(squares / determinant.size - (total / determinant.size) ** 2, 0)))


def nonpositive_fraction(determinant: NDArray[np.float64]) -> float:
    """Share of voxels whose determinant is at most 0; NaN for an empty array, and if a determinant is NaN."""
    return float(np.mean(determinant <= 0)) if determinant.size and not np.isnan(determinant).any() else float("nan")
