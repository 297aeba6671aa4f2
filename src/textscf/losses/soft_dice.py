"""Soft Dice of a warped label map, without one-hot volumes.

The released loss (paper eq. (1), section 3.1) warps the one-hot moving labels trilinearly and takes

    1 - mean_n 2 sum_x s_n f_n / (sum_x s_n^2 + sum_x f_n^2 + 1e-5)

over all N labels, including the background. Here ``s_n(x)`` is the sum of the trilinear weights of those of the 8
corners around ``x + u(x)`` that have label n, so both sums are accumulated per label from 8 labels and 8 weights per
voxel. If the 8 corners of a cell have the same label n, then ``s_n = 1`` for any weights and the gradient is zero; such
cells are only counted.
"""

import itertools
from typing import Any

import torch
from torch import Tensor
from torch._compile import _disable_dynamo
from torch.nn import functional

from textscf.spatial.warp import identity_grid

_CORNERS = tuple(itertools.product((0, 1), repeat=3))
_MARGIN = 2
_EPSILON = 1e-5


class SoftDice:
    """Soft Dice loss between one warped label map and the fixed one, over labels 0 to ``n_regions - 1``."""

    def __init__(self, n_regions: int) -> None:
        self.n_regions = n_regions

    def __call__(self, fixed: Tensor, moving: Tensor, displacement: Tensor) -> Tensor:
        """Scalar loss, differentiable in `displacement`.

        Args:
            fixed: integer labels ``(1, 1, H, W, D)``.
            moving: integer labels ``(1, 1, H, W, D)``; outside the volume every label has weight zero.
            displacement: ``(1, 3, H, W, D)`` in voxels.
        """
        if displacement.is_cuda:
            from textscf.losses.dice_kernels import soft_dice  # needs Triton, which is installed only with CUDA

            return soft_dice(fixed, moving, displacement, self.n_regions)
        return self._by_cells(fixed, moving, displacement)

    @_disable_dynamo  # like torch.compiler.disable, but imports the compiler only at the first call
    def _by_cells(self, fixed: Tensor, moving: Tensor, displacement: Tensor) -> Tensor:
        target = fixed.reshape(-1)
        shape = moving.shape[2:]
        position = (displacement + identity_grid(shape, displacement.device, displacement.dtype))[0].reshape(3, -1)
        base = position.detach().floor().nan_to_num()
        padded, mixed_cells = self._cells(moving[0, 0])
        cell = _cell_index(base, shape)

        mixed = mixed_cells[cell]
        uniform_labels = padded[cell[~mixed]].long()
        agreeing = uniform_labels[uniform_labels == target[~mixed]]

        voxel = torch.nonzero(mixed).squeeze(1)
        corners = torch.stack([padded[cell[voxel] + offset] for offset in _corner_offsets(shape)]).long()
        weights = _trilinear_weights(position[:, voxel] - base[:, voxel])
        intersection, squared = _Accumulate.apply(weights, corners, target[voxel].long(), self.n_regions)

        intersection = intersection + self._count(agreeing)
        squared = squared + self._count(uniform_labels) + self._count(target.long())
        return 1 - (2 * intersection / (squared + _EPSILON)).mean().to(displacement.dtype)

    def _cells(self, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Labels padded with an outside label, and a mask of 2x2x2 cells (at their first corner) with several labels.

        Both are flat.
        """
        narrow = labels.to(torch.uint8) if self.n_regions < 256 else labels.to(torch.int32)
        padded = functional.pad(narrow, (_MARGIN,) * 6, value=self.n_regions)
        mixed = torch.zeros_like(padded, dtype=torch.bool)
        first = padded[:-1, :-1, :-1]
        for i, j, k in _CORNERS[1:]:
            h, w, d = padded.shape
            mixed[:-1, :-1, :-1] |= first != padded[i : h - 1 + i, j : w - 1 + j, k : d - 1 + k]
        return padded.reshape(-1), mixed.reshape(-1)

    def _count(self, labels: Tensor) -> Tensor:
        return torch.bincount(labels, minlength=self.n_regions + 1)[: self.n_regions]


class _Accumulate(torch.autograd.Function):
    """Sums of ``s_n f_n`` and ``s_n^2`` over voxels, per label, from corner labels and weights, in float64."""

    @staticmethod
    def forward(ctx: Any, weights: Tensor, corners: Tensor, target: Tensor, n: int) -> tuple[Tensor, Tensor]:
        soft = torch.zeros_like(weights)
        for i, j in itertools.product(range(8), repeat=2):
            soft[i] += weights[j] * (corners[i] == corners[j])
        hit = (weights * (corners == target)).sum(0)
        ctx.save_for_backward(soft, corners, target)
        intersection = torch.bincount(target, hit.double(), minlength=n)
        squared = torch.bincount(corners.reshape(-1), (weights * soft).reshape(-1).double(), minlength=n + 1)
        return intersection.double(), squared[:n].double()  # bincount of zero voxels returns integers

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        soft, corners, target = ctx.saved_tensors
        by_intersection, by_square = (functional.pad(g, (0, 1)).to(soft.dtype) for g in gradients)
        gradient = by_intersection[target] * (corners == target) + 2 * by_square[corners] * soft
        return gradient, None, None, None


def _cell_index(base: Tensor, shape: torch.Size) -> Tensor:
    """Index of each position's cell in the flat padded volume; positions far outside get the outermost cell."""
    h, w, d = shape
    i, j, k = (base[a].clamp(-_MARGIN, n).long() + _MARGIN for a, n in enumerate((h, w, d)))
    width, depth = w + 2 * _MARGIN, d + 2 * _MARGIN
    return (i * width + j) * depth + k


def _corner_offsets(shape: torch.Size) -> list[int]:
    _, w, d = shape
    width, depth = w + 2 * _MARGIN, d + 2 * _MARGIN
    return [(i * width + j) * depth + k for i, j, k in _CORNERS]


def _trilinear_weights(fraction: Tensor) -> Tensor:
    """Weights ``(8, M)`` of the corners for fractional positions ``(3, M)``."""
    axes = [(1 - f, f) for f in fraction]
    return torch.stack([axes[0][i] * axes[1][j] * axes[2][k] for i, j, k in _CORNERS])
