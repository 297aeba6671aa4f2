"""95th percentile of the Hausdorff distance between label surfaces, weighted by surface area.

This is the surface-distance algorithm of the Learn2Reg evaluator. Each 2x2x2 neighbourhood that is neither empty nor
full is a sample of a mask's surface. The weight of a sample is the area of the surface inside its neighbourhood. Each
surface has a weighted 95th percentile of its distances to the other surface; HD95 is the larger of the two.

On a uniform grid squared distances in voxels are whole numbers. A map of the small distances is cheap and usually
contains the percentile. If it does not, the code uses the exact distance transform. Areas are summed in another order
than by the evaluator, so sums differ by rounding; where this could change the percentile, the code keeps to its order.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from textscf.metrics.bounding_box import bounding_box
from textscf.metrics.surface_elements import surface_areas
from textscf.metrics.surface_samples import SurfaceSamples, surface_samples

Spacing = tuple[float, float, float]
_Grid = tuple[int, int, int]

_QUANTILE = 0.95
_REACHES = (3, 7)
_FAR = 255 - max(_REACHES) ** 2
_ROUNDING = 1e-9


def hd95_of_labels(
    fixed: NDArray[np.integer],
    warped: NDArray[np.integer],
    labels: Sequence[int] | NDArray[np.integer],
    spacing: Spacing,
) -> NDArray[np.float64]:
    """HD95 of each label between two maps ``(H, W, D)``, in units of `spacing`; inf for a label absent from either."""
    box = bounding_box(fixed, warped)
    first, second = (surface_samples(volume[box], max(labels)) for volume in (fixed, warped))
    return np.array([_hd95_of_samples(first[n - 1], second[n - 1], spacing) for n in labels], dtype=np.float64)


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
    return float(hd95_of_labels(first.view(np.uint8), second.view(np.uint8), [1], spacing)[0])


def _hd95_of_samples(first: SurfaceSamples, second: SurfaceSamples, spacing: Spacing) -> float:
    if not first.codes.size or not second.codes.size:
        return float("inf")
    low = np.minimum(first.places.min(1), second.places.min(1))
    height, width, depth = (np.maximum(first.places.max(1), second.places.max(1)) - low + 1).tolist()
    grid = height, width, depth + max(_REACHES)
    indices = [_flat_index(samples.places, low, grid) for samples in (first, second)]
    areas = [surface_areas(spacing)[samples.codes] for samples in (first, second)]
    quantile = _uniform_quantile if len(set(spacing)) == 1 else _general_quantile
    return max(quantile(indices[n], areas[n], indices[1 - n], grid, spacing) for n in (0, 1))


def _flat_index(places: NDArray[np.uint32], low: NDArray[np.uint32], grid: _Grid) -> NDArray[np.intp]:
    """Index of places ``(3, K)`` in the flat grid that begins at the place `low`."""
    i, j, k = places
    _, width, depth = grid
    return ((i * width + j) * depth + k - ((low[0] * width + low[1]) * depth + low[2])).astype(np.intp)


def _uniform_quantile(
    samples: NDArray[np.intp], areas: NDArray[np.float64], target: NDArray[np.intp], grid: _Grid, spacing: Spacing
) -> float:
    """Weighted 95th percentile of the distances from the samples to `target`, on a uniform grid.

    Samples and targets are flat indices in the grid.
    """
    for reach in _REACHES:
        squared = _near_squared_distance(target, grid, reach)[samples]
        cumulative = np.cumsum(np.bincount(squared, areas, minlength=256)) / areas.sum()
        quantile = float(np.searchsorted(cumulative, _QUANTILE))
        if np.abs(cumulative - _QUANTILE).min() < _ROUNDING:
            break
        if quantile < (reach + 1) ** 2:
            return float(np.sqrt(quantile)) * spacing[0]
    import edt  # tables and figures, which measure nothing, need not wait for it

    # edt returns float32, which represents these whole numbers exactly
    squared = edt.edtsq(_outside(target, grid), parallel=1).ravel()[samples]
    return float(np.sqrt(_weighted_quantile(squared, areas))) * spacing[0]


def _general_quantile(
    samples: NDArray[np.intp], areas: NDArray[np.float64], target: NDArray[np.intp], grid: _Grid, spacing: Spacing
) -> float:
    """Weighted 95th percentile of the distances from the samples to `target`, on any grid."""
    from scipy import ndimage  # takes long to import, and only spacings that differ need it

    distances = ndimage.distance_transform_edt(_outside(target, grid), sampling=spacing)
    return _weighted_quantile(distances.ravel()[samples], areas)


def _outside(target: NDArray[np.intp], grid: _Grid) -> NDArray[np.bool_]:
    """Mask of the grid without the target."""
    outside = np.ones(grid, dtype=bool)
    outside.ravel()[target] = False
    return outside


def _near_squared_distance(target: NDArray[np.intp], grid: _Grid, reach: int) -> NDArray[np.uint8]:
    """Squared distance in voxels to the target, flat, exact below ``(reach + 1)**2``, otherwise at least that value.

    For each axis in turn, a voxel's new value is the minimum over its neighbours of their value plus their squared
    distance. Rows along the last axis are not told apart: they must have no target in their last `reach` voxels.
    """
    squared: NDArray[np.uint8] = np.full(np.prod(grid), _FAR, np.uint8)
    squared[target] = 0
    for shape in ((1, -1, 1), (*grid[:2], -1), (1, grid[0], -1)):
        source = squared.reshape(shape)
        nearest = source.copy()
        raised = np.empty_like(source)
        for step in range(1, min(reach, source.shape[1] - 1) + 1):
            np.add(source, np.uint8(step**2), out=raised)
            np.minimum(nearest[:, step:], raised[:, :-step], out=nearest[:, step:])
            np.minimum(nearest[:, :-step], raised[:, step:], out=nearest[:, :-step])
        squared = nearest
    return squared.ravel()


def _weighted_quantile(values: NDArray[np.floating], weights: NDArray[np.float64]) -> float:
    """95th percentile, with the sums of the evaluator, which sorts by value and weight."""
    order = np.lexsort((weights, values))
    ordered = weights[order]
    index = np.searchsorted(np.cumsum(ordered) / ordered.sum(), _QUANTILE)
    return float(values[order[min(int(index), len(values) - 1)]])
