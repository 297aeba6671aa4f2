"""Triton kernels of `SoftDice` for CUDA: one pass over the voxels for the value and one for the gradient.

Between the passes only the sums of each label are kept. All voxels are treated alike, and the host never waits for the
GPU.
"""

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

_BLOCK = 128
_EPSILON = 1e-5


def soft_dice(fixed: Tensor, moving: Tensor, displacement: Tensor, n_regions: int) -> Tensor:
    """Scalar loss, computed in float32 and summed in float64; arguments as in `SoftDice`."""
    field = displacement[0].float().contiguous()
    intersection, squared, size = _label_sums(fixed.contiguous(), moving.contiguous(), field, n_regions)
    return 1 - (2 * intersection / (squared + size + _EPSILON)).mean().to(displacement.dtype)


@torch.library.custom_op("textscf::label_sums", mutates_args=())
def _label_sums(fixed: Tensor, moving: Tensor, field: Tensor, n: int) -> Tensor:
    """Sums ``(3, n)`` of ``s_n f_n``, of ``s_n^2`` and of ``f_n`` for each label; float64."""
    grid = (triton.cdiv(fixed.numel(), _BLOCK),)
    partial = torch.empty(grid[0], 3, n, device=field.device)
    with torch.cuda.device_of(field):
        _sums[grid](fixed, moving, field, partial, *field.shape[1:], n, _BLOCK)
    return partial.sum(0, dtype=torch.float64)


@_label_sums.register_fake
def _(fixed: Tensor, moving: Tensor, field: Tensor, n: int) -> Tensor:
    return field.new_empty((3, n), dtype=torch.float64)


@torch.library.custom_op("textscf::label_sums_gradient", mutates_args=())
def _label_sums_gradient(fixed: Tensor, moving: Tensor, field: Tensor, by_sums: Tensor) -> Tensor:
    """Gradient of the loss with respect to `field`, from its gradient `by_sums` with respect to the sums."""
    by_label = torch.nn.functional.pad(torch.stack((by_sums[0], 2 * by_sums[1])), (0, 1)).float()
    out = torch.empty_like(field)
    grid = (triton.cdiv(fixed.numel(), _BLOCK),)
    with torch.cuda.device_of(field):
        _gradient[grid](fixed, moving, field, by_label, out, *field.shape[1:], by_sums.shape[1], _BLOCK)
    return out


@_label_sums_gradient.register_fake
def _(fixed: Tensor, moving: Tensor, field: Tensor, by_sums: Tensor) -> Tensor:
    return torch.empty_like(field)


def _save(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    ctx.save_for_backward(*inputs[:3])


def _backward(ctx: Any, by_sums: Tensor) -> tuple[None, None, Tensor, None]:
    return None, None, _label_sums_gradient(*ctx.saved_tensors, by_sums), None


_label_sums.register_autograd(_backward, setup_context=_save)


@triton.jit
def _sums(fixed, moving, field, partial, height, width, depth, n, BLOCK: tl.constexpr):  # type: ignore[no-untyped-def]
    """Store the sums of ``s_n f_n``, of ``s_n^2`` and of ``f_n`` for each label in this block of voxels."""
    voxel = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    target, label, share_h, share_w, share_d = _cell(fixed, moving, field, voxel, height, width, depth, n)
    weight = share_h * share_w * share_d
    for region in range(n):
        soft = tl.sum(tl.where(label == region, weight, 0.0), 0)
        hit = target == region
        at = partial + tl.program_id(0) * 3 * n + region
        tl.store(at, tl.sum(tl.where(hit, soft, 0.0), 0))
        tl.store(at + n, tl.sum(soft * soft, 0))
        tl.store(at + 2 * n, tl.sum(hit.to(tl.float32), 0))


@triton.jit
def _gradient(fixed, moving, field, by_label, out, height, width, depth, n, BLOCK: tl.constexpr):  # type: ignore[no-untyped-def]
    """Store the gradient of the loss with respect to the field.

    `by_label` is derived from the gradient with respect to the sums of each label: row 0 is that for ``s_n f_n``, row 1
    is twice that for ``s_n^2``.
    """
    voxel = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    voxels = height * width * depth
    target, label, share_h, share_w, share_d = _cell(fixed, moving, field, voxel, height, width, depth, n)
    weight = share_h * share_w * share_d
    same = label[:, None, :] == label[None, :, :]
    soft = tl.sum(tl.where(same, weight[None, :, :], 0.0), 1)
    by_weight = tl.load(by_label + n + 1 + label) * soft
    by_weight += tl.where(label == target[None, :], tl.load(by_label + label), 0.0)
    inside = voxel < voxels
    corner = tl.arange(0, 8)[:, None]
    sign_h = 2.0 * (corner // 4) - 1
    sign_w = 2.0 * (corner // 2 % 2) - 1
    sign_d = 2.0 * (corner % 2) - 1
    tl.store(out + voxel, tl.sum(by_weight * sign_h * share_w * share_d, 0), inside)
    tl.store(out + voxels + voxel, tl.sum(by_weight * share_h * sign_w * share_d, 0), inside)
    tl.store(out + 2 * voxels + voxel, tl.sum(by_weight * share_h * share_w * sign_d, 0), inside)


@triton.jit
def _cell(fixed, moving, field, voxel, height, width, depth, n):  # type: ignore[no-untyped-def]
    """Fixed label at x, and the labels and shares ``(8, BLOCK)`` of the 8 corners around ``x + u(x)``.

    A corner outside the volume has label n. A corner has one share along each axis; their product is its weight.
    Voxels after the last one have target -1 and the labels n.
    """
    voxels = height * width * depth
    inside = voxel < voxels
    target = tl.load(fixed + voxel, inside, other=0).to(tl.int32)
    target = tl.where(inside, target, -1)
    at_h = (voxel // (width * depth)).to(tl.float32) + tl.load(field + voxel, inside, other=0.0)
    at_w = (voxel // depth % width).to(tl.float32) + tl.load(field + voxels + voxel, inside, other=0.0)
    at_d = (voxel % depth).to(tl.float32) + tl.load(field + 2 * voxels + voxel, inside, other=0.0)
    corner = tl.arange(0, 8)[:, None]
    share_h, index_h, valid_h = _axis(at_h, corner // 4, height)
    share_w, index_w, valid_w = _axis(at_w, corner // 2 % 2, width)
    share_d, index_d, valid_d = _axis(at_d, corner % 2, depth)
    valid = valid_h & valid_w & valid_d & inside[None, :]
    label = tl.load(moving + (index_h * width + index_w) * depth + index_d, valid, other=0).to(tl.int32)
    label = tl.where(valid, label, n)
    return target, label, share_h, share_w, share_d


@triton.jit
def _axis(position, upper, size):  # type: ignore[no-untyped-def]
    """Share, index and validity ``(8, BLOCK)`` of the lower or upper corners along one axis.

    A NaN position gets the first cell and keeps its NaN share, so that the loss becomes NaN too.
    """
    base = tl.floor(position)
    fraction = (position - base)[None, :]
    first = tl.where(base == base, tl.minimum(tl.maximum(base, -2.0), size * 1.0), 0.0).to(tl.int32)
    index = first[None, :] + upper
    share = tl.where(upper == 1, fraction, 1 - fraction)
    return share, index, (index >= 0) & (index < size)
