"""Plain, slow versions of the project's fast computations; tests also compare the fast versions with them."""

from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor
from torch.nn import functional

from textscf.losses import smoothness
from textscf.metrics.surface import Spacing
from textscf.metrics.surface_elements import surface_areas
from textscf.models import RegistrationNetwork
from textscf.models.backbones.lku_net import LargeKernelBlock
from textscf.models.heads import FrozenSCFHead, SCFHead
from textscf.registration.volumes import Scan
from textscf.spatial import warp


def one_hot_dice(fixed: Tensor, moving: Tensor, displacement: Tensor, n_regions: int) -> Tensor:
    """Soft Dice as in the authors' released code: it warps every one-hot channel."""
    fixed_hot, moving_hot = (
        functional.one_hot(labels[:, 0].long(), n_regions).movedim(-1, 1).to(displacement.dtype)
        for labels in (fixed, moving)
    )
    soft = warp(moving_hot, displacement)
    intersection = (soft * fixed_hot).sum((2, 3, 4))
    return 1 - (2 * intersection / (soft.square().sum((2, 3, 4)) + fixed_hot.sum((2, 3, 4)) + 1e-5)).mean()


def pooled_correlation(fixed: Tensor, warped: Tensor, window: int) -> Tensor:
    """Squared correlation in the window around each voxel; means by pooling along one axis after another."""

    def mean(x: Tensor) -> Tensor:
        for axis in range(3):
            kernel = [window if axis == a else 1 for a in range(3)]
            x = functional.avg_pool3d(x, kernel, 1, [n // 2 for n in kernel])
        return x

    size = window**3
    means = mean(fixed), mean(warped)
    covariance = size * (mean(fixed * warped) - means[0] * means[1])
    variances = [
        size * (mean(x.square()) - m.square()).clamp(min=0) for x, m in zip((fixed, warped), means, strict=True)
    ]
    return covariance.square() / (variances[0] * variances[1] + 1e-5)


def per_voxel_filters(head: SCFHead, features: Tensor, regions: Tensor, confidence: Tensor) -> Tensor:
    """Text-driven head with a filter for every voxel, a literal version of paper eqs. (3)-(4)."""
    filters = head.region_filters()[regions[:, 0].long()]
    covariant = torch.einsum("bhwdkc,bchwd->bkhwd", filters, features)
    return confidence * covariant + (1 - confidence) * head.uniform(features)


def make_plain(network: RegistrationNetwork) -> RegistrationNetwork:
    """Change a network, in place, to compute large-kernel blocks branch by branch and heads voxel by voxel."""
    for module in network.modules():
        if isinstance(module, LargeKernelBlock):
            module.forward = module.branches  # type: ignore[method-assign]
        elif isinstance(module, SCFHead):
            module.forward = partial(per_voxel_filters, module)  # type: ignore[method-assign]
        elif isinstance(module, FrozenSCFHead):
            raise ValueError("a frozen head has no plain version")
    return network


def objective(network: RegistrationNetwork, fixed: Scan, moving: Scan, n_regions: int, weight: float) -> Tensor:
    """Loss of paper eq. (1) with MSE, a Dice weight of 1 and a smoothness weight of `weight`."""
    displacement = network(moving.image, fixed.image, fixed.regions, fixed.confidence)
    similarity = functional.mse_loss(warp(moving.image, displacement), fixed.image)
    dice = one_hot_dice(fixed.labels, moving.labels, displacement, n_regions)
    return similarity + dice + weight * smoothness(displacement)


def evaluate(
    fixed: NDArray[np.integer], moving: NDArray[np.integer], displacement: NDArray[np.floating], n_labels: int
) -> NDArray[np.float64]:
    """Dice of labels 1 to `n_labels`, their HD95 in voxels, and SDlogJ, in the steps of the Learn2Reg evaluator.

    It compares whole masks label by label, and computes distance transforms and derivatives with SciPy.
    """
    grid = np.stack(np.meshgrid(*(np.arange(n) for n in fixed.shape), indexing="ij"))
    warped = ndimage.map_coordinates(moving, grid + displacement.transpose(3, 0, 1, 2), order=0)
    labels = range(1, n_labels + 1)
    values = [
        [measure(fixed == n, warped == n) if (fixed == n).any() and (moving == n).any() else np.nan for n in labels]
        for measure in (dice, hd95)
    ]
    return np.array([*values[0], *values[1], sdlogj(displacement)])


def dice(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float:
    """Dice of two masks."""
    return float(2 * (first & second).sum() / (first.sum() + second.sum()))


def hd95(first: NDArray[np.bool_], second: NDArray[np.bool_], spacing: Spacing = (1, 1, 1)) -> float:
    """HD95 of two masks in units of `spacing`, by exact distances weighted by surface area; inf if a mask is empty."""
    if not first.any() or not second.any():
        return float("inf")
    box = _box(first | second)
    kernel = 2 ** np.arange(7, -1, -1).reshape(2, 2, 2)
    padded = [np.pad(mask[box], ((0, 1), (0, 1), (0, 1))).astype(np.uint8) for mask in (first, second)]
    codes = [ndimage.correlate(mask, kernel, mode="constant", cval=0) for mask in padded]
    borders = [(code != 0) & (code != 255) for code in codes]
    distances = [ndimage.distance_transform_edt(~border, sampling=spacing) for border in borders]
    areas = [surface_areas(spacing)[code] for code in codes]
    return max(_weighted_percentile(distances[1 - n][borders[n]], areas[n][borders[n]]) for n in range(2))


def _box(mask: NDArray[np.bool_]) -> tuple[slice, ...]:
    """Smallest box that contains a mask, from its projections on the axes."""
    others = [tuple({0, 1, 2} - {axis}) for axis in range(3)]
    extents = [np.flatnonzero(mask.any(axis=axes)) for axes in others]
    return tuple(slice(extent[0], extent[-1] + 1) for extent in extents)


def _weighted_percentile(distances: NDArray[np.float64], areas: NDArray[np.float64]) -> float:
    """Distance below which 95 % of the area lies; the pairs are sorted one by one."""
    ordered = np.array(sorted(zip(distances, areas, strict=True)))
    share = np.cumsum(ordered[:, 1]) / ordered[:, 1].sum()
    return float(ordered[min(int(np.searchsorted(share, 0.95)), len(share) - 1), 0])


def sdlogj(displacement: NDArray[np.floating]) -> float:
    """SDlogJ from the nine derivatives of the whole field."""
    components = displacement.astype(np.float64).transpose(3, 0, 1, 2)
    kernels = [np.array([-0.5, 0, 0.5]).reshape(np.roll([3, 1, 1], axis)) for axis in range(3)]
    gradient = [[ndimage.correlate(u, kernel, mode="constant", cval=0) for u in components] for kernel in kernels]
    matrix = (np.stack(gradient) + np.eye(3)[..., None, None, None])[..., 2:-2, 2:-2, 2:-2]
    (a, b, c), (d, e, f), (g, h, i) = matrix
    determinant = a * (e * i - f * h) - d * (b * i - c * h) + g * (b * f - c * e)
    return float(np.log(np.clip(determinant + 3, 1e-9, 1e9)).std())
