"""All metrics of one registered pair, equal to the values of the Learn2Reg evaluator."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from textscf.metrics.discontinuity import displacement_jumps
from textscf.metrics.jacobian import jacobian_determinant, nonpositive_fraction, sdlogj
from textscf.metrics.overlap import confusion_counts, dice_scores
from textscf.metrics.surface import hd95_of_labels
from textscf.metrics.warping import warp_labels


@dataclass(frozen=True)
class PairMetrics:
    """Metrics of one pair; the arrays hold one value per label, in the order in which the labels were given.

    Attributes:
        labels: label values ``(N,)``.
        dice: 0 to 1; NaN for a label absent from the fixed or the moving map.
        hd95: in units of the spacing; NaN in the same cases as `dice`, inf for a label that the warp lost.
        hd95_initial: HD95 of the unwarped label if the warp lost it, else NaN; the ``paper`` convention needs it.
        sdlogj: standard deviation of the log Jacobian determinant.
        nonpositive_jacobian_fraction: share of voxels where the transformation folds.
        jump_across_borders, jump_inside: displacement jumps between neighbouring voxels, see `displacement_jumps`; NaN
            without a registration.
    """

    labels: NDArray[np.int64]
    dice: NDArray[np.float64]
    hd95: NDArray[np.float64]
    hd95_initial: NDArray[np.float64]
    sdlogj: float
    nonpositive_jacobian_fraction: float
    jump_across_borders: float
    jump_inside: float


def evaluate_pair(
    fixed: NDArray[np.integer],
    moving: NDArray[np.integer],
    displacement: NDArray[np.floating] | None,
    labels: Sequence[int] | NDArray[np.integer],
    spacing: Sequence[float] = (1, 1, 1),
) -> PairMetrics:
    """Compute how well a displacement field aligns a moving label map with a fixed one.

    Args:
        fixed: labels ``(H, W, D)``, not negative.
        moving: labels ``(H, W, D)``, not negative.
        displacement: ``(H, W, D, 3)`` in voxels, ``warped(x) = moving(x + u(x))``; None for no registration.
        labels: label values to evaluate, without repetition.
        spacing: voxel edge lengths, the unit of HD95.

    Raises:
        ValueError: the shapes do not agree.
    """
    _check_shapes(fixed, moving, displacement)
    values = np.asarray(labels, dtype=np.int64)
    unit = (float(spacing[0]), float(spacing[1]), float(spacing[2]))
    warped = _renumber(moving if displacement is None else warp_labels(moving, displacement), values)
    fixed, moving = _renumber(fixed, values), _renumber(moving, values)

    confusion = confusion_counts(fixed, warped, len(values) + 1)
    in_fixed, in_warped = confusion.sum(1)[1:] > 0, confusion.sum(0)[1:] > 0
    present = in_fixed & (np.bincount(moving.ravel(), minlength=len(values) + 1)[1:] > 0)
    hd95, hd95_initial = np.full(len(values), np.nan), np.full(len(values), np.nan)
    hd95[present] = hd95_of_labels(fixed, warped, np.flatnonzero(present) + 1, unit)
    lost = present & ~in_warped
    if lost.any():
        hd95_initial[lost] = hd95_of_labels(fixed, moving, np.flatnonzero(lost) + 1, unit)

    jumps = (np.nan, np.nan) if displacement is None else displacement_jumps(fixed, displacement, unit)
    determinant = None if displacement is None else jacobian_determinant(displacement)
    return PairMetrics(
        labels=values,
        dice=np.where(present, dice_scores(confusion)[1:], np.nan),
        hd95=hd95,
        hd95_initial=hd95_initial,
        sdlogj=0.0 if determinant is None else sdlogj(determinant),
        nonpositive_jacobian_fraction=0.0 if determinant is None else nonpositive_fraction(determinant),
        jump_across_borders=jumps[0],
        jump_inside=jumps[1],
    )


def _check_shapes(fixed: NDArray, moving: NDArray, displacement: NDArray | None) -> None:
    if fixed.ndim != 3 or fixed.shape != moving.shape:
        raise ValueError(f"label maps of shapes {fixed.shape} and {moving.shape}; expected one 3-D shape")
    if displacement is not None and displacement.shape != (*fixed.shape, 3):
        raise ValueError(f"displacement of shape {displacement.shape}; expected {(*fixed.shape, 3)}")


def _renumber(volume: NDArray[np.integer], labels: NDArray[np.int64]) -> NDArray[np.integer]:
    """Replace ``labels[n]`` by n + 1 and every other label by 0."""
    table = np.zeros(max(int(volume.max()), int(labels.max())) + 1, np.uint8 if len(labels) < 256 else np.uint16)
    table[labels] = np.arange(1, len(labels) + 1)
    return table[volume]
