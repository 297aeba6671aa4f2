"""LKU-Net: a U-Net with large-kernel blocks in its encoder.

Jia et al., "U-Net vs Transformer: Is U-Net Outdated in Medical Image Registration?", MLMI 2022.

Departures from the publication:

- The half-resolution variant builds only the blocks that reach its output (the published one has an unused last level).
- Upsampled features are cut to the skip's size, so that any volume size works.
- A large-kernel block is computed as one convolution, which is exact.
- Unless `published` is set, convolutions start from He's initialisation for their PReLU: with PyTorch's default the
  deep levels start near zero and learn late. The displacement head is linear and starts near zero; the published head
  ends in a softsign.
"""

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from textscf.errors import InputError
from textscf.models.activation import PReLU
from textscf.models.backbone import Backbone, Head, Level
from textscf.models.blocks import PublishedHead, Up, convolution, down_and_up, initialise
from textscf.models.convolution import convolve


class LargeKernelBlock(nn.Module):
    """``PReLU(conv_3(x) + conv_k(x) + conv_1(x) + x)``, evaluated as one convolution with the summed kernel."""

    def __init__(self, channels: int, kernel_size: int) -> None:
        super().__init__()
        self.regular = nn.Conv3d(channels, channels, 3, padding=1)
        self.large = nn.Conv3d(channels, channels, kernel_size, padding=kernel_size // 2)
        self.one = nn.Conv3d(channels, channels, 1)
        self.activation = PReLU()

    def merged(self) -> tuple[Tensor, Tensor]:
        """Kernel ``(C, C, k, k, k)`` and bias ``(C,)`` of the single convolution that equals the four branches."""
        half = self.large.kernel_size[0] // 2
        identity = torch.eye(self.one.out_channels, device=self.one.weight.device, dtype=self.one.weight.dtype)
        centre = self.one.weight + identity[..., None, None, None]
        kernel = (
            self.large.weight
            + functional.pad(self.regular.weight, (half - 1,) * 6)
            + functional.pad(centre, (half,) * 6)
        )
        bias = torch.stack([conv.bias for conv in (self.regular, self.large, self.one) if conv.bias is not None])
        return kernel, bias.sum(0)

    def branches(self, x: Tensor) -> Tensor:
        """Compute each branch separately, as published; `forward` must give the same result."""
        return self.activation(self.regular(x) + self.large(x) + self.one(x) + x)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, C, H, W, D)`` to the same shape."""
        kernel, bias = self.merged()
        return self.activation(convolve(x, kernel, bias, stride=1, padding=kernel.shape[-1] // 2))


class LKUNet(Backbone):
    """LKU-Net.

    Args:
        start_channels: N_s, channels of the first level.
        kernel_size: edge of the large kernels, odd and at least 3.
        full_resolution: features on the images' grid instead of the half grid.
        published: unit, range and initialisation of the published code, see `textscf.models.backbone`.
    """

    minimum_size = 16

    def __init__(
        self, start_channels: int, kernel_size: int = 5, full_resolution: bool = False, published: bool = False
    ) -> None:
        super().__init__()
        if kernel_size < 3 or kernel_size % 2 == 0:
            raise InputError(f"lku_net: kernel_size is {kernel_size}; expected an odd number of at least 3")
        n = start_channels
        self.levels = (Level(2 * n, 1 if full_resolution else 2),)
        self.stem = nn.Sequential(convolution(2, n), convolution(n, n))
        widths = [n, 2 * n, 4 * n, 8 * n, 8 * n]
        self.down = nn.ModuleList(
            nn.Sequential(convolution(a, b, stride=2), LargeKernelBlock(b, kernel_size))
            for a, b in itertools.pairwise(widths)
        )
        ups = [
            Up(8 * n, 8 * n, 8 * n, 4 * n),
            Up(4 * n, 4 * n, 4 * n, 2 * n),
            Up(2 * n, 2 * n, 4 * n, 2 * n),
        ]
        if full_resolution:
            ups.append(Up(2 * n, n, 2 * n, 2 * n))
        self.up = nn.ModuleList(ups)
        self.published = published
        if not published:
            self.apply(initialise)

    def plain_heads(self) -> list[nn.Module]:
        """See `Backbone`."""
        if not self.published:
            return super().plain_heads()
        return [PublishedHead(*level, bounded=True) for level in self.levels]

    def forward(self, moving: Tensor, fixed: Tensor, heads: Sequence[Head]) -> Tensor:
        """See `Backbone`."""
        x = down_and_up(torch.cat((moving, fixed), dim=1), self.stem, self.down, self.up)
        return self.in_voxels(heads[0](x))


BACKBONE = LKUNet
