"""Fourier-Net: a U-Net whose decoder stops at a quarter of the images' grid; a Fourier transform does the upsampling.

Jia et al., "Fourier-Net: Fast Image Registration with Band-Limited Deformation", AAAI 2023.

The head predicts the field on the quarter grid. The field on the images' grid has the same discrete Fourier
coefficients, and its higher coefficients are zero.

Departures from the publication:

- Only the layers that reach the output are built. The published network has two more decoder levels (1,006,022 of
  17,789,782 parameters for 32 start channels).
- Any volume size works: upsampled features are cut to the skip's size, and the field is predicted on four times the
  quarter grid and cut to the images' size.
- The transform keeps the amplitude. The published one divides it by 64, the voxels of the images' grid per voxel of the
  quarter grid; here the plain head of a `published` network does this.
- Unless `published` is set, convolutions start from He's initialisation for their PReLU, and the head starts near zero.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from textscf.models.backbone import Backbone, Head, Level
from textscf.models.blocks import PublishedHead, Up, convolution, down_and_up, initialise

_AXES = (2, 3, 4)
_STRIDE = 4


class FourierNet(Backbone):
    """Fourier-Net with a low-frequency patch of a quarter of each edge.

    Args:
        start_channels: channels of the first level (the paper's comparator: 32).
        published: unit and initialisation of the published code, see `textscf.models.backbone`.
    """

    minimum_size = 16

    def __init__(self, start_channels: int, published: bool = False) -> None:
        super().__init__()
        n = start_channels
        self.levels = (Level(2 * n, _STRIDE),)
        self.stem = nn.Sequential(convolution(2, n), convolution(n, n))
        widths = [(n, 2 * n, 2 * n), (2 * n, 4 * n, 4 * n), (4 * n, 8 * n, 8 * n), (8 * n, 16 * n, 8 * n)]
        self.down = nn.ModuleList(nn.Sequential(convolution(a, b, stride=2), convolution(b, c)) for a, b, c in widths)
        self.up = nn.ModuleList([Up(8 * n, 8 * n, 8 * n, 4 * n), Up(4 * n, 4 * n, 4 * n, 2 * n)])
        self.published = published
        if not published:
            self.apply(initialise)

    def plain_heads(self) -> list[nn.Module]:
        """See `Backbone`."""
        if not self.published:
            return super().plain_heads()
        return [PublishedHead(*level, divisor=_STRIDE**3) for level in self.levels]

    @property
    def field_stride(self) -> int:
        """Always 1: `forward` returns the band-limited field on the images' grid."""
        return 1

    def forward(self, moving: Tensor, fixed: Tensor, heads: Sequence[Head]) -> Tensor:
        """See `Backbone`. Without `published`, the images' grid runs from -1 to 1 in the head's coordinates."""
        x = down_and_up(torch.cat((moving, fixed), dim=1), self.stem, self.down, self.up)
        h, w, d = fixed.shape[2:]
        field = band_limited(heads[0](x).float(), [_STRIDE * n for n in x.shape[2:]])
        return self.in_voxels(field[..., :h, :w, :d])


def band_limited(coarse: Tensor, shape: Sequence[int]) -> Tensor:
    """Upsample a field to a finer grid: it keeps the Fourier coefficients of `coarse`; higher frequencies are zero.

    Args:
        coarse: ``(B, C, h, w, d)``, real; its voxel i lies at i * H / h of the finer grid.
        shape: H, W, D, each at least the coarse edge.

    Returns:
        ``(B, C, H, W, D)``. If h is even, its highest frequency has no negative counterpart; taking the real part
        splits the coefficient equally between the two signs.
    """
    spectrum = torch.fft.fftshift(torch.fft.fftn(coarse, dim=_AXES, norm="forward"), dim=_AXES)
    margins = []
    for old, new in zip(reversed(coarse.shape[2:]), reversed(shape), strict=True):
        before = new // 2 - old // 2
        margins += [before, new - old - before]
    padded = torch.fft.ifftshift(functional.pad(spectrum, margins), dim=_AXES)
    return torch.fft.ifftn(padded, dim=_AXES, norm="forward").real


BACKBONE = FourierNet
