"""All metrics of one registered pair, equal to the values of the Learn2Reg evaluator."""

from collections.abc import Container, Sequence
from types import SimpleNamespace

import numpy as np
from numpy.typing import NDArray

from textscf.metrics.measures import METRICS
from textscf.metrics.registered_pair import Landmarks, RegisteredPair
from textscf.metrics.warping import warp_labels


class PairMetrics(SimpleNamespace):
    """Metrics of one pair: `labels` ``(N,)``, and an attribute for each column of each metric, see `METRICS`.

    The metrics of structures are arrays with one value per label, in the order in which the labels were given.
    """


def evaluate_pair(
    fixed: NDArray[np.integer] | None,
    moving: NDArray[np.integer] | None,
    displacement: NDArray[np.floating] | None,
    labels: Sequence[int] | NDArray[np.integer],
    spacing: Sequence[float] = (1, 1, 1),
    seconds: float | None = None,
    landmarks: Landmarks | None = None,
    requested: Container[str] = (),
) -> PairMetrics:
    """Compute how well a displacement field aligns a moving scan with a fixed one, by label maps and landmarks.

    Args:
        fixed: labels ``(H, W, D)``, not negative; None for a scan without labels.
        moving: labels ``(H, W, D)``, not negative; None for a scan without labels. If one of the two is None, Dice,
            HD95 and what else needs labels are NaN.
        displacement: ``(H, W, D, 3)`` in voxels, ``warped(x) = moving(x + u(x))``; None for no registration.
        labels: label values to evaluate, without repetition.
        spacing: voxel edge lengths, the unit of HD95.
        seconds: computing time of the registration; without it, the result has none.
        landmarks: corresponding points of the fixed and the moving scan in voxel indices, ``(K, 3)`` each; without
            them, the result has no target registration error.
        requested: names of metrics that are measured only on request.

    Raises:
        ValueError: the shapes do not agree.

    Examples:
        The moving scan is the fixed scan shifted by one voxel along the first axis. Before registration, a structure of
        4 x 4 x 4 voxels overlaps with itself by three quarters:

        >>> import numpy as np
        >>> fixed = np.zeros((12, 12, 12), np.uint8)
        >>> fixed[4:8, 4:8, 4:8] = 1
        >>> moving = np.roll(fixed, 1, axis=0)
        >>> print(evaluate_pair(fixed, moving, None, labels=[1]).dice)
        [0.75]

        The displacement field that undoes the shift:

        >>> displacement = np.zeros((12, 12, 12, 3))
        >>> displacement[..., 0] = 1
        >>> found = evaluate_pair(fixed, moving, displacement, labels=[1], spacing=(2, 2, 2))
        >>> print(found.dice, found.hd95, found.sdlogj, found.nonpositive_jacobian_fraction)
        [1.] [0.] 0.0 0.0
    """
    if fixed is None or moving is None:
        shape = (1, 1, 1) if displacement is None else displacement.shape[:3]
        fixed = moving = np.zeros(shape, np.uint8)
    _check_shapes(fixed, moving, displacement)
    _check_landmarks(landmarks)
    values = np.asarray(labels, dtype=np.int64)
    warped = moving if displacement is None else warp_labels(moving, displacement)
    pair = RegisteredPair(
        fixed=_renumber(fixed, values),
        moving=_renumber(moving, values),
        warped=_renumber(warped, values),
        n_labels=len(values),
        displacement=displacement,
        spacing=(float(spacing[0]), float(spacing[1]), float(spacing[2])),
        seconds=seconds,
        landmarks=landmarks,
    )
    metrics = [each for each in METRICS.values() if not each.on_request or each.name in requested]
    found = {name: value for metric in metrics for name, value in metric.measured(pair).items()}
    return PairMetrics(labels=values, **found)


def _check_shapes(fixed: NDArray, moving: NDArray, displacement: NDArray | None) -> None:
    if fixed.ndim != 3 or fixed.shape != moving.shape:
        raise ValueError(f"label maps of shapes {fixed.shape} and {moving.shape}; expected one 3-D shape")
    if displacement is not None and displacement.shape != (*fixed.shape, 3):
        raise ValueError(f"displacement of shape {displacement.shape}; expected {(*fixed.shape, 3)}")


def _check_landmarks(landmarks: Landmarks | None) -> None:
    if landmarks is not None:
        first, second = (np.shape(points) for points in landmarks)
        if first != second or len(first) != 2 or first[0] == 0 or first[1] != 3:
            raise ValueError(f"landmarks of shapes {first} and {second}; expected one shape (K, 3)")


def _renumber(volume: NDArray[np.integer], labels: NDArray[np.int64]) -> NDArray[np.integer]:
    """Replace ``labels[n]`` by n + 1 and every other label by 0."""
    largest, dtype = int(volume.max(initial=0)), np.dtype(np.uint8 if len(labels) < 256 else np.uint16)
    if largest <= len(labels) and np.array_equal(labels, np.arange(1, len(labels) + 1)):
        return volume.astype(dtype, copy=False)
    table = np.zeros(max(largest, int(labels.max(initial=0))) + 1, dtype)
    table[labels] = np.arange(1, len(labels) + 1)
    return table[volume]
