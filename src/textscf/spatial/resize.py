"""Displacement fields and images on another grid."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional


def resize_displacement(displacement: Tensor, shape: Sequence[int]) -> Tensor:
    """Interpolate a field ``(B, 3, h, w, d)`` to ``(B, 3, *shape)``, values rescaled to voxels of the new grid."""
    source = displacement.shape[2:]
    if tuple(source) == tuple(shape):
        return displacement
    ratio = torch.tensor(
        [new / old for new, old in zip(shape, source, strict=True)],
        device=displacement.device,
        dtype=displacement.dtype,
    )
    resized = functional.interpolate(displacement, size=tuple(shape), mode="trilinear", align_corners=False)
    return resized * ratio.view(1, 3, 1, 1, 1)


def halve(image: Tensor) -> Tensor:
    """Mean over 3x3x3 voxels around every second one: ``(B, C, H, W, D)`` to ``(B, C, ceil(H / 2), ...)``."""
    return functional.avg_pool3d(image, 3, stride=2, padding=1, count_include_pad=False)
