"""Pairs and heads with a known field."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor


def shifted_pair(shape: Sequence[int], axis: int, voxels: int) -> tuple[Tensor, Tensor, tuple[slice, ...]]:
    """Random fixed and moving images with ``moving(x + voxels) = fixed(x)`` along `axis`, and where that holds."""
    moving = torch.rand(1, 1, *shape)
    fixed = moving.roll(-voxels, dims=2 + axis)
    inside = [slice(None)] * 5
    inside[2 + axis] = slice(0, shape[axis] - voxels)
    return fixed, moving, tuple(inside)


def constant_head(value: Sequence[float]) -> Callable[[Tensor], Tensor]:
    """A head that predicts the same three values everywhere."""
    return lambda features: features.new_tensor(value).view(1, 3, 1, 1, 1).expand(-1, -1, *features.shape[2:])
