"""Jacobian determinants of a displacement field, and the metrics computed from them."""

import itertools
from collections.abc import Iterator

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
    return _determinant(along_h, along_w, along_d)


def _determinant(
    first: NDArray[np.float64], second: NDArray[np.float64], third: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Determinant ``(...)`` of three vectors with the components ``(3, ...)``."""
    return (
        first[0] * (second[1] * third[2] - second[2] * third[1])
        - second[0] * (first[1] * third[2] - first[2] * third[1])
        + third[0] * (first[1] * second[2] - first[2] * second[1])
    )


def sdlogj(determinant: NDArray[np.float64]) -> float:
    """Population standard deviation of ``log(clip(det + 3, 1e-9, 1e9))``; NaN for an empty array.

    The paper's eq. (6) divides by N - 1, but the evaluator that gave the paper's values divides by N. This function
    divides by N, too.

    Examples:
        A field that stretches the volume by a tenth along the first axis has the same determinant everywhere:

        >>> import numpy as np
        >>> displacement = np.zeros((8, 8, 8, 3))
        >>> displacement[..., 0] = 0.1 * np.arange(8)[:, None, None]
        >>> determinant = jacobian_determinant(displacement)
        >>> print(determinant.shape, determinant.mean().round(6), round(sdlogj(determinant), 6))
        (4, 4, 4) 1.1 0.0
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


def non_diffeomorphic_fraction(displacement: NDArray[np.floating]) -> float:
    """Non-diffeomorphic volume (NDV) of ``x + u(x)``, as a share of the volume.

    Y. Liu, J. Chen, S. Wei, A. Carass, J. Prince, "On finite difference Jacobian computation in deformable image
    registration", International Journal of Computer Vision 132 (2024).

    A cube of eight voxels is divided into five tetrahedra in two ways. Six times the signed volumes of the ten mapped
    tetrahedra are the eight Jacobian determinants by forward and backward differences and two by differences along the
    diagonals of faces. Where one is negative, the transformation has turned the tetrahedron over. The NDV is the volume
    of these tetrahedra after the transformation, as the mean of both divisions.

    As in the authors' first code and the evaluator of LUMIR, the outermost voxels are left out, where differences reach
    beyond the border.

    Args:
        displacement: ``(H, W, D, 3)`` in voxels.

    Returns:
        NDV in voxels, divided by (H-2)(W-2)(D-2); NaN for a volume without inner voxels and for a field with NaN.
    """
    inner = [n - 2 for n in displacement.shape[:3]]
    if min(inner) < 1:
        return float("nan")
    total = 0.0
    for row in range(inner[0]):
        slab = displacement[row : row + 3].transpose(3, 0, 1, 2).astype(np.float64, order="C")
        total += sum(float(np.maximum(-each, 0).sum()) for each in _tetrahedra(slab))
    return total / 6 / 2 / float(np.prod(inner))


_DIAGONALS = ((1, 1, 0), (0, 1, 1), (1, 0, 1)), ((-1, -1, 0), (-1, 0, -1), (0, -1, -1))
"""Edges of the tetrahedra in the middle of the two divisions, from a voxel."""


def _tetrahedra(slab: NDArray[np.float64]) -> Iterator[NDArray[np.float64]]:
    """Six times the signed volume ``(W-2, D-2)`` of ten tetrahedra at the middle one of three slices, see above.

    Args:
        slab: ``(3 components, 3 slices, W, D)``.
    """
    steps = [tuple(sign * unit for unit in axis) for axis in np.eye(3, dtype=int).tolist() for sign in (1, -1)]
    edges = {step: _edge(slab, step) for step in (*steps, *_DIAGONALS[0], *_DIAGONALS[1])}
    for corner in itertools.product(steps[:2], steps[2:4], steps[4:]):
        yield int(np.sum(corner, axis=0).prod()) * _determinant(*(edges[step] for step in corner))
    for middle in _DIAGONALS:
        yield _determinant(*(edges[step] for step in middle))


def _edge(slab: NDArray[np.float64], step: tuple[int, ...]) -> NDArray[np.float64]:
    """Mapped edge ``(3, W-2, D-2)`` from each inner voxel of the middle slice to the voxel `step` away."""
    width, depth = (n - 1 for n in slab.shape[2:])
    there = slab[:, 1 + step[0], 1 + step[1] : width + step[1], 1 + step[2] : depth + step[2]]
    return there - slab[:, 1, 1:width, 1:depth] + np.reshape(step, (3, 1, 1))
