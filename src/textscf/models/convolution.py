"""A 3-D convolution that stays fast on the CPU for small feature maps.

For a single sample with ``channels * H * W <= 20480`` and a kernel edge of at most 3, PyTorch leaves oneDNN for an
im2col loop that is about ten times slower. Two samples are always given to oneDNN, so such a map is cut along H into
two slabs that overlap by the kernel's reach, convolved as a batch, and put together again. The result is the same.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

_SLOW_UP_TO = 20480


class Conv3d(nn.Conv3d):
    """`torch.nn.Conv3d` for cubic kernels and zero padding, computed in two slabs where that is faster."""

    def forward(self, x: Tensor) -> Tensor:
        """``(B, C, H, W, D)`` to ``(B, C', H', W', D')``."""
        if x.device.type != "cpu" or len(x) > 1 or x[..., 0].numel() > _SLOW_UP_TO or self.kernel_size[0] > 3:
            return super().forward(x)
        kernel, stride, padding = self.kernel_size[0], self.stride[0], int(self.padding[0])
        height = (x.shape[2] + 2 * padding - kernel) // stride + 1
        rows = (height + 1) // 2
        reach = (rows - 1) * stride + kernel
        padded = functional.pad(x, (0, 0, 0, 0, padding, rows * stride + reach - x.shape[2] - padding))
        slabs = torch.cat((padded[:, :, :reach], padded[:, :, rows * stride : rows * stride + reach]))
        out = functional.conv3d(slabs, self.weight, self.bias, self.stride, (0, padding, padding))
        return torch.cat(out.split(1), dim=2)[:, :, :height]
