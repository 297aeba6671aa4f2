"""VoxelMorph-2: a plain U-Net.

Balakrishnan et al., "VoxelMorph: A Learning Framework for Deformable Medical Image Registration", IEEE TMI 2019. This
is the larger variant of the authors' PyTorch code of 2020, with which TransMorph's authors compare: encoder 16, 32, 32,
32 with strided convolutions; decoder 32, 32, 32, 32, 32, 16, 16; 301,411 parameters. Two other networks have the same
name. The current code pools instead of striding and has 327,331 parameters. In the code of 2018 the fifth convolution
of the decoder is on the half grid, which gives 32 instead of 57 G multi-adds at 96x80x128.

Departures from the publication: upsampled features are cut to the skip's size, so that any volume size works. Unless
`published` is set, the head predicts coordinates in which the grid runs from -1 to 1, like all heads of this package;
the published head predicts voxels.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from textscf.models.backbone import Backbone, Head, Level
from textscf.models.convolution import Conv3d


def _convolution(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(Conv3d(inputs, outputs, 3, stride, 1), nn.LeakyReLU(0.2))


class VoxelMorph(Backbone):
    """VoxelMorph on the images' grid.

    Args:
        encoder: channels of the encoder's levels; each level has half the size of the one before.
        decoder: channels of as many decoder levels, followed by those of the convolutions at full size (at least one).
        published: the head predicts voxels.
    """

    head_bias = True
    minimum_size = 16

    def __init__(
        self,
        encoder: Sequence[int] = (16, 32, 32, 32),
        decoder: Sequence[int] = (32, 32, 32, 32, 32, 16, 16),
        published: bool = False,
    ) -> None:
        super().__init__()
        self.published = published
        ups, final = decoder[: len(encoder)], decoder[len(encoder) :]
        skips = [2, *encoder[:-1]][::-1]
        self.encoder = nn.ModuleList(_convolution(a, b, stride=2) for a, b in zip([2, *encoder], encoder, strict=False))
        inputs = [encoder[-1], *(a + b for a, b in zip(ups, skips, strict=True))]
        self.decoder = nn.ModuleList(_convolution(a, b) for a, b in zip(inputs, ups, strict=False))
        self.final = nn.Sequential(*(_convolution(a, b) for a, b in zip([inputs[-1], *final], final, strict=False)))
        self.levels = (Level(final[-1], 1),)

    def forward(self, moving: Tensor, fixed: Tensor, heads: Sequence[Head]) -> Tensor:
        """See `Backbone`."""
        levels = [torch.cat((moving, fixed), dim=1)]
        for encode in self.encoder:
            levels.append(encode(levels[-1]))
        x = levels.pop()
        for decode in self.decoder:
            skip = levels.pop()
            h, w, d = skip.shape[2:]
            upsampled = functional.interpolate(decode(x), scale_factor=2.0, mode="nearest")[..., :h, :w, :d]
            x = torch.cat((upsampled, skip), dim=1)
        return self.in_voxels(heads[0](self.final(x)))


BACKBONE = VoxelMorph
