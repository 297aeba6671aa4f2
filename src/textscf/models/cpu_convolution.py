"""A 3-D convolution in single precision that the CPU computes fast, forward and backward.

PyTorch gives a single sample with ``channels * H * W <= 20480`` and a kernel edge of at most 3 to an im2col loop that
is about ten times slower than oneDNN. `torch.mkldnn_convolution` reaches oneDNN for every size, so it computes the
result, and for stride 1 the gradient of the input, which is a convolution with the mirrored kernel.

oneDNN unfolds a whole map in memory for the gradient of the kernel. The map is therefore cut along H into slabs that
overlap by the kernel's reach and stay in the cache. Several samples always go to oneDNN, and it adds up their
gradients. A kernel of one voxel is a matrix product.
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
    """Whether `convolve` is to be used: single precision, oneDNN at hand, channels and kernel not both large."""
    not_large = weight.shape[1] <= _FEW_CHANNELS or weight.shape[-1] <= 3
    return not_large and in_single_precision(x) and torch.backends.mkldnn.is_available()


def convolve(x: Tensor, weight: Tensor, bias: Tensor | None, stride: int, padding: int) -> Tensor:
    """`torch.nn.functional.conv3d` of maps for which `is_faster` holds, with a padding below the kernel's edge."""
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
    """The slabs along H of a convolution's input and of its result's gradient, as samples of a batch.

    Args:
        x: ``(B, C, H, W, D)``, the channels of a voxel together in memory.
        gradient: ``(B, C', H', W', D')``, likewise.
        kernel, stride, padding: of the convolution.
    """

    def __init__(self, x: Tensor, gradient: Tensor, kernel: int, stride: int, padding: int) -> None:
        self._x, self._gradient, self._padding = x, gradient, padding
        height = gradient.shape[2]
        rows = max(-(-height // _SLABS), min(_SMALLEST_SLAB, (height + 1) // 2))
        self._rows, self._count = rows, max(2, -(-height // rows))
        self._step, self._reach = rows * stride, (rows - 1) * stride + kernel

    def input(self) -> Tensor:
        """``(slabs * B, C, h, W, D)``, padded along H."""
        b, c, _, w, d = self._x.shape
        slabs = self._x.new_empty((self._count, b, self._reach, w, d, c))
        for slab, (at, whole) in zip(slabs, self._places(), strict=True):
            slab[:, : at.start] = 0
            slab[:, at.stop :] = 0
            slab[:, at] = self._x[:, :, whole].permute(0, 2, 3, 4, 1)
        return slabs.flatten(0, 1).permute(0, 4, 1, 2, 3)

    def gradient(self) -> Tensor:
        """``(slabs * B, C', h', W', D')``; zero beyond the last row."""
        b, c, h, w, d = self._gradient.shape
        last = self._gradient.permute(0, 2, 3, 4, 1)
        if self._rows * self._count != h:
            last = functional.pad(last, (0, 0, 0, 0, 0, 0, 0, self._rows * self._count - h))
        slabs = last.reshape(b, self._count, self._rows, w, d, c).transpose(0, 1)
        return slabs.flatten(0, 1).permute(0, 4, 1, 2, 3)

    def joined(self, parts: Tensor) -> Tensor:
        """``(B, C, H, W, D)``: the sum of slabs of the input's size at their places."""
        total = torch.zeros_like(self._x)
        for part, (at, whole) in zip(parts.chunk(self._count), self._places(), strict=True):
            total[:, :, whole] += part[:, :, at]
        return total

    def _places(self) -> list[tuple[slice, slice]]:
        """Of each slab the rows that lie in the map, and where in the map they lie."""
        places = []
        for n in range(self._count):
            first, height = n * self._step - self._padding, self._x.shape[2]
            start, stop = (min(max(row, 0), height) for row in (first, first + self._reach))
            places.append((slice(start - first, stop - first), slice(start, stop)))
        return places
