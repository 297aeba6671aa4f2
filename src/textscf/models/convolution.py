"""A 3-D convolution that is fast on the CPU for small feature maps and for few channels; the result is unchanged.

In single precision, `textscf.models.cpu_convolution` computes all convolutions except those that have both many
channels and a large kernel. In bfloat16, oneDNN computes a wrong gradient of the kernel if the map is smaller than the
kernel (PyTorch 2.15), so such maps are convolved in float32.

The memory layout matters for oneDNN's gradient of the kernel. With few channels, it takes up to four times longer if
each channel is contiguous in memory (channels first) than if the channels of a voxel are contiguous (channels last).
With many channels the opposite holds, most of all on small maps.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from textscf.models import cpu_convolution

_FEW_CHANNELS = 32


class Conv3d(nn.Conv3d):
    """`torch.nn.Conv3d` for cubic kernels and zero padding, with the fastest algorithm and memory layout."""

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, C, H, W, D)`` to ``(B, C', H', W', D')``."""
        return convolve(x, self.weight, self.bias, self.stride[0], int(self.padding[0]))


def hasten(network: nn.Module) -> nn.Module:
    """Turn each suitable `torch.nn.Conv3d` of a network into a `Conv3d`, in place; parameters stay the same."""
    for module in network.modules():
        if type(module) is nn.Conv3d and _is_plain(module):
            module.__class__ = Conv3d
    return network


def convolve(x: Tensor, weight: Tensor, bias: Tensor | None, stride: int, padding: int) -> Tensor:
    """Compute `torch.nn.functional.conv3d` in the fastest way; on the CPU, avoid bfloat16 where it gives errors."""
    if x.device.type == "cpu" and torch.is_autocast_enabled("cpu") and min(x.shape[2:]) < weight.shape[-1]:
        with torch.autocast("cpu", enabled=False):
            return convolve(x.float(), weight, bias, stride, padding)
    if cpu_convolution.is_faster(x, weight):
        return cpu_convolution.convolve(x, weight, bias, stride, padding)
    if x.device.type == "cpu":
        x = arranged(x)
    return functional.conv3d(x, weight, bias, stride, padding)


def arranged(x: Tensor) -> Tensor:
    """Bring features into the memory layout in which the CPU convolves their number of channels fastest."""
    few = x.shape[1] <= _FEW_CHANNELS
    return x.contiguous(memory_format=torch.channels_last_3d if few else torch.contiguous_format)


def _is_plain(module: nn.Conv3d) -> bool:
    """Whether kernel, stride and padding are cubic, the padding is zero, and there are no groups and no dilation."""
    cubic = all(len(set(edges)) == 1 for edges in (module.kernel_size, module.stride, module.padding))
    return cubic and module.padding_mode == "zeros" and module.groups == 1 and set(module.dilation) == {1}
