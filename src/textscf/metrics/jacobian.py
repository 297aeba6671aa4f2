"""Jacobian determinants of a displacement field, and the metrics computed from them."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_CROP = 2
_OFFSET = 3
_RANGE = (1e-9, 1e9)
_UNDEFORMED = np.log(1 + _OFFSET)


@dataclass(frozen=True)
class JacobianSummary:
    """Metrics of the Jacobian determinants of a field; NaN if there are none, or if one is NaN.

    Attributes:
        sdlogj: population standard deviation of ``log(clip(det + 3, 1e-9, 1e9))``. The paper's eq. (6) divides by
            N - 1, but the evaluator that gave the paper's values divides by N. This project divides by N, too.
        nonpositive_fraction: share of the determinants that are at most 0.
    """

    sdlogj: float
    nonpositive_fraction: float


def jacobian_summary(determinants: Iterable[NDArray[np.float64]]) -> JacobianSummary:
    """Compute the metrics of determinants that come in parts, such as those of `jacobian_determinants`.

    Examples:
        A field that stretches the volume by a tenth along the first axis has the same determinant everywhere:

        >>> import numpy as np
        >>> displacement = np.zeros((8, 8, 8, 3))
        >>> displacement[..., 0] = 0.1 * np.arange(8)[:, None, None]
        >>> determinants = list(jacobian_determinants(displacement))
        >>> print(np.shape(determinants), np.mean(determinants).round(6))
        (4, 4, 4) 1.1
        >>> round(jacobian_summary(determinants).sdlogj, 6)
        0.0
    """
    count = nonpositive = 0
    total = squares = 0.0
    for part in determinants:
        values = part + _OFFSET
        np.clip(values, *_RANGE, out=values)
        np.log(values, out=values)
        values -= _UNDEFORMED
        total += float(values.sum())
        squares += float(np.vdot(values, values))
        count += part.size
        nonpositive += int(np.count_nonzero(part <= 0)) if part.min(initial=np.inf) <= 0 else 0
    if not count or np.isnan(total):
        return JacobianSummary(float("nan"), float("nan"))
    return JacobianSummary(float(np.sqrt(max(squares / count - (total / count) ** 2, 0))), nonpositive / count)


def jacobian_determinants(displacement: NDArray[np.floating]) -> Iterator[NDArray[np.float64]]:
    """Yield Jacobian determinants of ``x + u(x)`` by central differences, slice by slice along the first axis.

    Args:
        displacement: ``(H, W, D, 3)`` in voxels.

    Yields:
        H-4 slices ``(W-4, D-4)``, without the two outermost layers, where the evaluator's differences reach the border;
        none if the field is too small.
    """
    height, width, depth, _ = displacement.shape
    if min(height, width, depth) <= 2 * _CROP:
        return
    slices = np.empty((3, 3, width * depth))
    work, plane = np.empty((11, width * depth)), np.empty((width, depth))
    for row in (1, 2):
        _copy_components(displacement[row], slices[row % 3])
    for row in range(3, height - 1):
        _copy_components(displacement[row], slices[row % 3])
        ordered = [slices[n % 3] for n in (row - 2, row - 1, row)]
        _eightfold_determinant(ordered, depth, work, plane.ravel())
        yield plane[_CROP:-_CROP, _CROP:-_CROP] / 8


def _copy_components(displacement: NDArray[np.floating], out: NDArray[np.float64]) -> None:
    """Copy the field ``(W, D, 3)`` of a slice to ``(3, W * D)``."""
    for axis, component in enumerate(out):
        component.reshape(displacement.shape[:2])[...] = displacement[..., axis]


def _eightfold_determinant(
    slices: Sequence[NDArray[np.float64]], depth: int, work: NDArray[np.float64], out: NDArray[np.float64]
) -> None:
    """Compute the determinant of twice the Jacobian matrix, which saves halving the differences.

    Both factors are powers of two, so nothing is rounded in another way.

    Args:
        slices: components ``(3, W * D)`` of the field in three slices; the determinant is that of the middle one.
        depth: D.
        work: ``(11, W * D)``, overwritten.
        out: the result ``(W * D,)``. Its values in the outermost voxels, where differences reach over the ends of rows,
            are of no use.
    """
    inner = slice(_CROP * depth, -_CROP * depth)
    before, middle, after = slices
    minor, product, *columns = work[:, inner]
    first, second, third = columns[:3], columns[3:6], columns[6:]
    for axis in range(3):
        np.subtract(after[axis, inner], before[axis, inner], out=first[axis])
        for column, step in ((second, depth), (third, 1)):
            there, back = (slice(inner.start + sign * step, inner.stop + sign * step) for sign in (1, -1))
            np.subtract(middle[axis, there], middle[axis, back], out=column[axis])
        (first, second, third)[axis][axis] += 2
    target = out[inner]
    _weighted_minor(first[0], second, third, product, target)
    _weighted_minor(second[0], first, third, product, minor)
    target -= minor
    _weighted_minor(third[0], first, second, product, minor)
    target += minor


def _weighted_minor(
    factor: NDArray[np.float64],
    a: Sequence[NDArray[np.float64]],
    b: Sequence[NDArray[np.float64]],
    product: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """Compute ``factor * (a[1] * b[2] - a[2] * b[1])``; `product` is overwritten."""
    np.multiply(a[1], b[2], out=out)
    np.multiply(a[2], b[1], out=product)
    out -= product
    out *= factor


def _determinant(
    first: NDArray[np.float64], second: NDArray[np.float64], third: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Determinant ``(...)`` of three vectors with the components ``(3, ...)``."""
    return (
        first[0] * (second[1] * third[2] - second[2] * third[1])
        - second[0] * (first[1] * third[2] - first[2] * third[1])
        + third[0] * (first[1] * second[2] - first[2] * second[1])
    )


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
