"""Warping of images, fields and labels on the device that holds them."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional


def identity_grid(shape: Sequence[int], device: torch.device | None = None, dtype: torch.dtype | None = None) -> Tensor:
    """Voxel coordinates ``(1, 3, H, W, D)`` of a grid, components in axis order."""
    axes = [torch.arange(n, device=device, dtype=dtype or torch.float32) for n in shape]
    return torch.stack(torch.meshgrid(*axes, indexing="ij")).unsqueeze(0)


def warp(moving: Tensor, displacement: Tensor, padding_mode: str = "zeros", stride: int = 1) -> Tensor:
    """Warp `moving` by a displacement field with trilinear interpolation.

    Args:
        moving: ``(B, C, H', W', D')``, of the same size as the field if `stride` is 1.
        displacement: ``(B, 3, H, W, D)`` in voxels of its grid, components in axis order.
        padding_mode: values outside the volume, ``zeros`` or ``border``.
        stride: voxels of `moving` per voxel of the field, along each axis; voxel i of the field lies at ``stride * i``.

    Returns:
        ``(B, C, H, W, D)`` with ``warped(x) = moving(stride * (x + u(x)))``.

    Examples:
        A displacement of one voxel along the last axis fetches each value from the next voxel:

        >>> import torch
        >>> moving = torch.arange(4.0).reshape(1, 1, 1, 1, 4)
        >>> displacement = torch.zeros(1, 3, 1, 1, 4)
        >>> displacement[:, 2] = 1
        >>> warp(moving, displacement).flatten()
        tensor([1., 2., 3., 0.])
        >>> warp(moving, displacement, padding_mode="border").flatten()
        tensor([1., 2., 3., 3.])
    """
    shape = displacement.shape[2:]
    position = displacement + identity_grid(shape, displacement.device, displacement.dtype)
    scale = [2 * stride / max(n - 1, 1) for n in moving.shape[2:]]
    normalised = [position[:, axis] * scale[axis] - 1 for axis in (2, 1, 0)]
    grid = torch.stack(normalised, dim=-1).to(moving.dtype)
    return functional.grid_sample(moving, grid, padding_mode=padding_mode, align_corners=True)


def warp_labels(moving: Tensor, displacement: Tensor) -> Tensor:
    """Warp labels: ``moving(x + u(x))`` at the nearest voxel, equal to `textscf.metrics.warping.warp_labels`.

    Args:
        moving: ``(1, 1, H, W, D)``, whole numbers.
        displacement: ``(1, 3, H, W, D)`` in voxels.
    """
    shape = moving.shape[2:]
    position = displacement[0].double() + identity_grid(shape, displacement.device, torch.float64)[0]
    index = torch.zeros_like(position[0], dtype=torch.int64)
    inside = torch.ones_like(position[0], dtype=torch.bool)
    for axis, size in enumerate(shape):
        inside &= (position[axis] >= 0) & (position[axis] <= size - 1)
        index = index * size + (position[axis] + 0.5).floor().nan_to_num().clamp(0, size - 1).long()
    return torch.where(inside, moving.reshape(-1)[index], 0)[None, None]
