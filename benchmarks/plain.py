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
    """Dice of labels 1 to `n_labels`, their HD95 in voxels, and SDlogJ, with the algorithm of the Learn2Reg evaluator.

    It compares whole masks label by label; distances are exact distance transforms of the box around both masks.
    """
    grid = np.meshgrid(*(np.arange(n) for n in fixed.shape), indexing="ij")
    warped = ndimage.map_coordinates(moving, np.stack(grid) + displacement.transpose(3, 0, 1, 2), order=0)
    masks = [(fixed == label, warped == label) for label in range(1, n_labels + 1)]
    dice = [2 * (first & second).sum() / (first.sum() + second.sum()) for first, second in masks]
    return np.array([*dice, *(hd95(*pair) for pair in masks), sdlogj(displacement)])


def hd95(first: NDArray[np.bool_], second: NDArray[np.bool_], spacing: Spacing = (1, 1, 1)) -> float:
    """HD95 of two masks in units of `spacing`, by exact distances weighted by surface area; inf if a mask is empty."""
    if not first.any() or not second.any():
        return float("inf")
    occupied = np.argwhere(first | second)
    box = tuple(slice(low, high + 1) for low, high in zip(occupied.min(0), occupied.max(0), strict=True))
    kernel = 2 ** np.arange(7, -1, -1).reshape(2, 2, 2)
    codes = [
        ndimage.correlate(np.pad(mask[box], 1).astype(np.uint8), kernel, mode="constant") for mask in (first, second)
    ]
    percentiles = []
    for source, target in (codes, codes[::-1]):
        at, to = ((code > 0) & (code < 255) for code in (source, target))
        distances = ndimage.distance_transform_edt(~to, sampling=spacing)[at]
        areas = surface_areas(spacing)[source[at]]
        order = np.lexsort((areas, distances))
        share = np.cumsum(areas[order]) / areas.sum()
        percentiles.append(distances[order][min(np.searchsorted(share, 0.95), len(share) - 1)])
    return float(max(percentiles))


def sdlogj(displacement: NDArray[np.floating]) -> float:
    """SDlogJ from the nine derivatives of the whole field."""
    field = displacement.astype(np.float64)
    kernel = np.array([-0.5, 0.0, 0.5])
    rows = [[ndimage.correlate1d(field[..., n], kernel, axis=m, mode="constant") for m in range(3)] for n in range(3)]
    for n in range(3):
        rows[n][n] += 1
    (a, b, c), (d, e, f), (g, h, i) = rows
    determinant = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)
    return float(np.log(np.clip(determinant[2:-2, 2:-2, 2:-2] + 3, 1e-9, 1e9)).std())
