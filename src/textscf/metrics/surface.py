"""95th percentile of the Hausdorff distance between label surfaces, weighted by surface area.

This is the surface-distance algorithm of the Learn2Reg evaluator. Each 2x2x2 neighbourhood that is neither empty nor
full is a sample of a mask's surface. The weight of a sample is the area of the surface inside its neighbourhood. Each
surface has a weighted 95th percentile of its distances to the other surface; HD95 is the larger of the two.

On a uniform grid squared distances in voxels are whole numbers. A map of the small distances is cheap and usually
contains the percentile. If it does not, the code uses the exact distance transform.
"""

from collections.abc import Sequence

import edt
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from textscf.metrics.surface_elements import surface_areas

Spacing = tuple[float, float, float]

_QUANTILE = 0.95
_REACH = 7
_FAR = 255 - _REACH**2


def hd95_of_labels(
    fixed: NDArray[np.integer],
    warped: NDArray[np.integer],
    labels: Sequence[int] | NDArray[np.integer],
    spacing: Spacing,
) -> NDArray[np.float64]:
    """HD95 of each label between two maps ``(H, W, D)``, in units of `spacing`; inf for a label absent from either."""
    fixed_boxes, warped_boxes = ndimage.find_objects(fixed), ndimage.find_objects(warped)
    values = np.full(len(labels), np.inf)
    for n, label in enumerate(labels):
        boxes = [found[label - 1] if label <= len(found) else None for found in (fixed_boxes, warped_boxes)]
        if None not in boxes:
            crop = tuple(slice(min(a.start, b.start), max(a.stop, b.stop)) for a, b in zip(*boxes, strict=True))
            values[n] = hd95(fixed[crop] == label, warped[crop] == label, spacing)
    return values


def hd95(first: NDArray[np.bool_], second: NDArray[np.bool_], spacing: Spacing = (1, 1, 1)) -> float:
    """HD95 between two masks ``(H, W, D)`` in units of `spacing`; inf if either is empty.

    Examples:
        Two cubes, one of them shifted by two voxels of 1.5 mm:

        >>> import numpy as np
        >>> first = np.zeros((16, 16, 16), bool)
        >>> first[4:10, 4:10, 4:10] = True
        >>> hd95(first, np.roll(first, 2, axis=0), spacing=(1.5, 1.5, 1.5))
        3.0
    """
    if not first.any() or not second.any():
        return float("inf")
    codes = [_neighbour_codes(mask) for mask in (first, second)]
    surfaces = [code - np.uint8(1) < 254 for code in codes]
    areas = [surface_areas(spacing)[code[surface]] for code, surface in zip(codes, surfaces, strict=True)]
    quantile = _uniform_quantile if len(set(spacing)) == 1 else _general_quantile
    return max(quantile(surfaces[n], areas[n], surfaces[1 - n], spacing) for n in (0, 1))


def _neighbour_codes(mask: NDArray[np.bool_]) -> NDArray[np.integer]:
    """Occupancy codes ``(H+1, W+1, D+1)`` of the 2x2x2 neighbourhoods of the mask, padded with one zero layer."""
    padded = np.pad(mask, 1).view(np.uint8)
    pairs = padded[:, :, :-1] << 1 | padded[:, :, 1:]
    quads = pairs[:, :-1] << 2 | pairs[:, 1:]
    return quads[:-1] << 4 | quads[1:]


def _uniform_quantile(
    samples: NDArray[np.bool_], areas: NDArray[np.float64], target: NDArray[np.bool_], spacing: Spacing
) -> float:
    """Weighted 95th percentile of the distances from the samples to `target`, on a uniform grid."""
    squared = _near_squared_distance(target)[samples]
    cumulative = np.cumsum(np.bincount(squared, areas, minlength=256)) / areas.sum()
    quantile = int(np.searchsorted(cumulative, _QUANTILE))
    if quantile >= (_REACH + 1) ** 2:
        # edt returns float32, which represents these whole numbers exactly
        quantile = int(_weighted_quantile(edt.edtsq(~target, parallel=1)[samples], areas))
    return float(np.sqrt(quantile)) * spacing[0]


def _general_quantile(
    samples: NDArray[np.bool_], areas: NDArray[np.float64], target: NDArray[np.bool_], spacing: Spacing
) -> float:
    """Weighted 95th percentile of the distances from the samples to `target`, on any grid."""
    return _weighted_quantile(ndimage.distance_transform_edt(~target, sampling=spacing)[samples], areas)


def _near_squared_distance(target: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Squared distance in voxels to the nearest sample, exact below ``(_REACH + 1)**2``, otherwise at least that value.

    For each axis in turn, a voxel's new value is the minimum over its neighbours of their value plus their squared
    distance.
    """
    squared = np.where(target, np.uint8(0), np.uint8(_FAR))
    for axis in range(3):
        source = np.moveaxis(squared, axis, 0)
        nearest = squared.copy()
        line = np.moveaxis(nearest, axis, 0)
        for step in range(1, min(_REACH, len(source) - 1) + 1):
            raised = source + np.uint8(step**2)
            np.minimum(line[step:], raised[:-step], out=line[step:])
            np.minimum(line[:-step], raised[step:], out=line[:-step])
        squared = nearest
    return squared


def _weighted_quantile(values: NDArray[np.floating], weights: NDArray[np.float64]) -> float:
    order = np.argsort(values)
    cumulative = np.cumsum(weights[order]) / weights.sum()
    index = min(int(np.searchsorted(cumulative, _QUANTILE)), len(values) - 1)
    return float(values[order[index]])
