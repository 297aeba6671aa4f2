"""A 3-D convolution in single precision that is fast on the CPU, forward and backward.

For a single sample with ``channels * H * W <= 20480`` and a kernel edge of at most 3, PyTorch uses an im2col loop that
is about ten times slower than oneDNN. `torch.mkldnn_convolution` uses oneDNN for every size, so it computes the result
and, for stride 1, the gradient of the input, which is a convolution with the mirrored kernel.

For the gradient of the kernel, oneDNN unfolds a whole map in memory. The map is therefore cut along H into slabs that
overlap by the kernel's reach and fit in the cache. The slabs form a batch: PyTorch always gives a batch of several
samples to oneDNN, and oneDNN sums their gradients. A kernel of one voxel is computed as a matrix product.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from textscf.models.eager import in_single_precision

_FEW_CHANNELS = 32
_SLABS = 8
_SMALLEST_SLAB = 4
_CL = torch.channels_last_3d


def is_faster(x: Tensor, weight: Tensor) -> bool:
    """Whether to use `convolve`: single precision, oneDNN available, and channels and kernel not both large."""
    not_large = weight.shape[1] <= _FEW_CHANNELS or weight.shape[-1] <= 3
    return not_large and in_single_precision(x) and torch.backends.mkldnn.is_available()


def convolve(x: Tensor, weight: Tensor, bias: Tensor | None, stride: int, padding: int) -> Tensor:
    """Compute `torch.nn.functional.conv3d` if `is_faster` holds; the padding must be below the kernel's edge."""
    if (weight.shape[-1], stride, padding) == (1, 1, 0):
        return functional.linear(x.movedim(1, -1), weight.flatten(1), bias).movedim(-1, 1)
    result: Tensor = _Convolution.apply(x, weight, bias, stride, padding)
    return result


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, stride: int, padding: int) -> Tensor:
        x = x.contiguous(memory_format=_CL)
        ctx.save_for_backward(x, weight)
        ctx.stride, ctx.padding = stride, padding
        return _onednn(x, weight, bias, stride, padding)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        of_x, of_kernel, of_bias = ctx.needs_input_grad[:3]
        gradient = gradient.contiguous(memory_format=_CL)
        dx = dw = db = None
        if of_x and ctx.stride == 1:
            mirrored = weight.flip(2, 3, 4).transpose(0, 1)
            dx, of_x = _onednn(gradient, mirrored, None, 1, weight.shape[-1] - 1 - ctx.padding), False
        if of_x or of_kernel:
            slabs = _Slabs(x, gradient, weight.shape[-1], ctx.stride, ctx.padding)
            parts, dw, _ = torch.ops.aten.convolution_backward(
                slabs.gradient(),
                slabs.input(),
                weight,
                None,
                [ctx.stride] * 3,
                [0, ctx.padding, ctx.padding],
                [1] * 3,
                False,
                [0] * 3,
                1,
                [of_x, of_kernel, False],
            )
            if of_x:
                dx = slabs.joined(parts)
        if of_bias:
            db = gradient.sum((0, 2, 3, 4))
        return dx, dw, db, None, None


def _onednn(x: Tensor, weight: Tensor, bias: Tensor | None, stride: int, padding: int) -> Tensor:
    return torch.mkldnn_convolution(x, weight, bias, [padding] * 3, [stride] * 3, [1] * 3, 1)


class _Slabs:
    """Slabs along H of a convolution's input and of its result's gradient, as samples of a batch.

    Args:
        x: ``(B, C, H, W, D)``, channels last in memory.
        gradient: ``(B, C', H', W', D')``, channels last in memory.
        kernel, stride, padding: kernel edge, stride and padding of the convolution.
    """

    def __init__(self, x: Tensor, gradient: Tensor, kernel: int, stride: int, padding: int) -> None:
        self._x, self._gradient, self._padding = x, gradient, padding
        height = gradient.shape[2]
        rows = max(-(-height // _SLABS), min(_SMALLEST_SLAB, (height + 1) // 2))
        self._rows, self._count = rows, max(2, -(-height // rows))
        self._step, self._reach = rows * stride, (rows - 1) * stride + kernel

    def input(self) -> Tensor:
        """Slabs of the input ``(slabs * B, C, h, W, D)``, padded along H."""
        b, c, _, w, d = self._x.shape
        slabs = self._x.new_empty((self._count, b, self._reach, w, d, c))
        for slab, (at, whole) in zip(slabs, self._places(), strict=True):
            slab[:, : at.start] = 0
            slab[:, at.stop :] = 0
            slab[:, at] = self._x[:, :, whole].permute(0, 2, 3, 4, 1)
        return slabs.flatten(0, 1).permute(0, 4, 1, 2, 3)

    def gradient(self) -> Tensor:
        """Slabs of the gradient ``(slabs * B, C', h', W', D')``, zero after the last row."""
        b, c, h, w, d = self._gradient.shape
        last = self._gradient.permute(0, 2, 3, 4, 1)
        if self._rows * self._count != h:
            last = functional.pad(last, (0, 0, 0, 0, 0, 0, 0, self._rows * self._count - h))
        slabs = last.reshape(b, self._count, self._rows, w, d, c).transpose(0, 1)
        return slabs.flatten(0, 1).permute(0, 4, 1, 2, 3)

    def joined(self, parts: Tensor) -> Tensor:
        """Add slabs of the input's gradient at their places: ``(B, C, H, W, D)``."""
        total = torch.zeros_like(self._x)
        for part, (at, whole) in zip(parts.chunk(self._count), self._places(), strict=True):
            total[:, :, whole] += part[:, :, at]
        return total

    def _places(self) -> list[tuple[slice, slice]]:
        """For each slab, the slice of its rows that are inside the map, and the matching slice of the map."""
        places = []
        for n in range(self._count):
            first, height = n * self._step - self._padding, self._x.shape[2]
            start, stop = (min(max(row, 0), height) for row in (first, first + self._reach))
            places.append((slice(start - first, stop - first), slice(start, stop)))
        return places
