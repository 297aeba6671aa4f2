"""A 3-D convolution that is fast on the CPU for small feature maps and for few channels. The result is the same.

In single precision, `textscf.models.cpu_convolution` computes all but wide ones with large kernels. In bfloat16,
oneDNN's gradient of the kernel is garbage for a map that is smaller than the kernel (PyTorch 2.15): such maps are
convolved in float32.

Of few channels oneDNN takes up to four times longer for the gradient of the kernel when each channel lies on its own
in memory than when the channels of a voxel lie together. Of many it is the other way round, the most on small maps.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from textscf.models import cpu_convolution

_FEW_CHANNELS = 32


class Conv3d(nn.Conv3d):
    """`torch.nn.Conv3d` for cubic kernels and zero padding, computed and laid out in memory as is fastest."""

    def forward(self, x: Tensor) -> Tensor:
        """``(B, C, H, W, D)`` to ``(B, C', H', W', D')``."""
        return convolve(x, self.weight, self.bias, self.stride[0], int(self.padding[0]))


def hasten(network: nn.Module) -> nn.Module:
    """The same network, parameters and all, with each `torch.nn.Conv3d` that allows it computed as a `Conv3d`."""
    for module in network.modules():
        if type(module) is nn.Conv3d and _is_plain(module):
            module.__class__ = Conv3d
    return network


def convolve(x: Tensor, weight: Tensor, bias: Tensor | None, stride: int, padding: int) -> Tensor:
    """`torch.nn.functional.conv3d` as is fastest on the CPU, and kept from bfloat16 where that is wrong there."""
    if x.device.type == "cpu" and torch.is_autocast_enabled("cpu") and min(x.shape[2:]) < weight.shape[-1]:
        with torch.autocast("cpu", enabled=False):
            return convolve(x.float(), weight, bias, stride, padding)
    if cpu_convolution.is_faster(x, weight):
        return cpu_convolution.convolve(x, weight, bias, stride, padding)
    if x.device.type == "cpu":
        x = arranged(x)
    return functional.conv3d(x, weight, bias, stride, padding)


def arranged(x: Tensor) -> Tensor:
    """The same features in the layout in which a convolution of as many channels is fastest on the CPU."""
    few = x.shape[1] <= _FEW_CHANNELS
    return x.contiguous(memory_format=torch.channels_last_3d if few else torch.contiguous_format)


def _is_plain(module: nn.Conv3d) -> bool:
    """Whether kernel, stride and padding are those of a cube, with zeros around the map, and nothing is spread."""
    cubic = all(len(set(edges)) == 1 for edges in (module.kernel_size, module.stride, module.padding))
    return cubic and module.padding_mode == "zeros" and module.groups == 1 and set(module.dilation) == {1}
