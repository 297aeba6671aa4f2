"""Resizing of displacement fields and images to another grid."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional


def upsample_displacement(displacement: Tensor, stride: int, shape: Sequence[int], placement: str) -> Tensor:
    """Interpolate a displacement field from a coarse grid to the images' grid.

    Args:
        displacement: ``(B, 3, h, w, d)`` in voxels of the coarse grid, with ``h = ceil(H / stride)`` and so on.
        stride: voxels of the images' grid per voxel of the coarse grid, along each axis.
        shape: H, W, D.
        placement: position of voxel i of the coarse grid on the images' grid. ``aligned``: at ``stride * i``, where a
            strided convolution computes the voxel and where the head looks up its region. ``released``: at
            ``stride * i + (stride - 1) / 2``, as in the released textSCF code.

    Returns:
        ``(B, 3, H, W, D)`` in voxels of the images' grid. Beyond the coarse grid, its last value is repeated.

    Raises:
        ValueError: the field does not have the size that follows from `stride` and `shape`.
    """
    if list(displacement.shape[2:]) != [-(-n // stride) for n in shape]:
        raise ValueError(f"a field of {list(displacement.shape[2:])} voxels for {list(shape)} and a stride of {stride}")
    if stride == 1:
        return displacement
    coarse = displacement.shape[2:]
    aligned = placement == "aligned"
    size = [stride * (n - 1) + 1 for n in coarse] if aligned else [stride * n for n in coarse]
    fine = functional.interpolate(displacement * stride, size=size, mode="trilinear", align_corners=aligned)
    beyond = [max(0, new - old) for new, old in zip(shape, size, strict=True)]
    h, w, d = shape
    return functional.pad(fine, (0, beyond[2], 0, beyond[1], 0, beyond[0]), mode="replicate")[..., :h, :w, :d]


def scale_components(field: Tensor, factors: Sequence[float]) -> Tensor:
    """Multiply each component of a field ``(B, 3, h, w, d)`` by its factor.

    The factors stay Python numbers. If they were copied to the device as a tensor, the host would have to wait for the
    device.
    """
    return torch.stack([part * factor for part, factor in zip(field.unbind(1), factors, strict=True)], dim=1)


def halve(image: Tensor, count_padding: bool = False) -> Tensor:
    """Mean of 3x3x3 voxels around every second voxel: ``(B, C, H, W, D)`` to ``(B, C, ceil(H / 2), ...)``.

    The mean leaves out voxels outside the volume; with `count_padding` they count as zeros.
    """
    return functional.avg_pool3d(image, 3, stride=2, padding=1, count_include_pad=count_padding)
