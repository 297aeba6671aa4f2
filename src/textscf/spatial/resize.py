"""Displacement fields and images on another grid."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional


def upsample_displacement(displacement: Tensor, stride: int, shape: Sequence[int], placement: str) -> Tensor:
    """Interpolate a field from a coarse grid to the images' grid.

    Args:
        displacement: ``(B, 3, h, w, d)`` in voxels of the coarse grid, with ``h = ceil(H / stride)`` and so on.
        stride: voxels of the images' grid for each voxel of the coarse grid.
        shape: H, W, D.
        placement: where voxel i of the coarse grid lies on the images' grid. ``aligned``: at ``stride * i``, where a
            strided convolution computes it and where its region is looked up. ``released``: at
            ``stride * i + (stride - 1) / 2``, as in the released textSCF code.

    Returns:
        ``(B, 3, H, W, D)`` in voxels of the images' grid. Beyond the coarse grid's last voxel its value goes on.

    Raises:
        ValueError: the field is not of the coarse grid that `stride` and `shape` give.
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
    """A field ``(B, 3, h, w, d)``, each component times its factor.

    The factors are not brought to the device in a tensor: for its copy the host would wait until the device is idle.
    """
    return torch.stack([part * factor for part, factor in zip(field.unbind(1), factors, strict=True)], dim=1)


def halve(image: Tensor, count_padding: bool = False) -> Tensor:
    """Mean over 3x3x3 voxels around every second one: ``(B, C, H, W, D)`` to ``(B, C, ceil(H / 2), ...)``.

    Voxels outside the volume are left out of the mean, or count as zeros with `count_padding`.
    """
    return functional.avg_pool3d(image, 3, stride=2, padding=1, count_include_pad=count_padding)
