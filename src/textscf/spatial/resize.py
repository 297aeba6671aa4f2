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
    resized = functional.interpolate(displacement, size=tuple(shape), mode="trilinear", align_corners=False)
    return scale_components(resized, [new / old for new, old in zip(shape, source, strict=True)])


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
