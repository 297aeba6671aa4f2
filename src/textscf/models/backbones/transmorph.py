"""TransMorph: a Swin transformer encoder with a convolutional decoder.

Chen et al., "TransMorph: Transformer for Unsupervised Medical Image Registration", Medical Image Analysis 2022. The
transformer blocks, patch embedding and patch merging are MONAI's, which have the published parameters.

Departures: odd maps are padded before they are merged and cut to the skip's size after upsampling, so that any volume
size works; where a map is smaller than its window, MONAI shrinks the window and the published code pads the map (for
the large variant at 96x96x128 this saves 1.46 of 207.8 G multi-adds); the head predicts coordinates in which the grid
runs from -1 to 1, as all heads here do, where the published one predicts voxels.
"""

from collections.abc import Sequence

import numpy as np
import torch
from monai.networks.blocks import PatchEmbed
from monai.networks.nets.swin_unetr import BasicLayer, PatchMergingV2
from torch import Tensor, nn
from torch.nn import functional

from textscf.models.backbones.base import BACKBONES, Backbone, Head, Level, voxels
from textscf.models.convolution import Conv3d
from textscf.spatial import halve

_PATCH = 4


class SwinEncoder(nn.Module):
    """Four stages of shifted-window attention at 1/4, 1/8, 1/16 and 1/32 of the volume, each with its own norm."""

    def __init__(
        self, channels: int, depths: Sequence[int], heads: Sequence[int], window: Sequence[int], drop_path: float
    ) -> None:
        super().__init__()
        widths = [channels * 2**k for k in range(len(depths))]
        rates = np.linspace(0, drop_path, sum(depths)).tolist()
        self.embed = PatchEmbed(_PATCH, 2, channels, nn.LayerNorm, 3)
        self.stages = nn.ModuleList(
            BasicLayer(width, depth, n, tuple(window), rates[sum(depths[:k]) :][:depth], qkv_bias=False)
            for k, (width, depth, n) in enumerate(zip(widths, depths, heads, strict=True))
        )
        self.merge = nn.ModuleList(PatchMergingV2(width) for width in widths[:-1])
        self.norm = nn.ModuleList(nn.LayerNorm(width) for width in widths)
        self.apply(_initialise)

    def forward(self, x: Tensor) -> list[Tensor]:
        """``(B, 2, H, W, D)`` to features ``(B, C 2^k, ...)`` of each stage, finest first."""
        x = self.embed(x)
        outputs = []
        for k, stage in enumerate(self.stages):
            x = stage(x)
            outputs.append(_channels_first(self.norm[k](_channels_last(x))))
            if k < len(self.merge):
                x = _channels_first(self.merge[k](_channels_last(x)))
        return outputs


class DecoderBlock(nn.Module):
    """Trilinear upsampling, concatenation with the skip, two convolutions with instance normalisation."""

    def __init__(self, inputs: int, skip: int, outputs: int) -> None:
        super().__init__()
        self.first = normalised_convolution(inputs + skip, outputs)
        self.second = normalised_convolution(outputs, outputs)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """``(B, inputs, ceil(H / 2), ...)`` and ``(B, skip, H, W, D)`` to ``(B, outputs, H, W, D)``."""
        h, w, d = skip.shape[2:]
        x = functional.interpolate(x, scale_factor=2.0, mode="trilinear", align_corners=False)[..., :h, :w, :d]
        return self.second(self.first(torch.cat((x, skip), dim=1)))


class TransMorphTrunk(nn.Module):
    """The encoder, and the decoder from 1/32 up to 1/4 of the volume."""

    def __init__(
        self,
        embed_channels: int,
        depths: Sequence[int],
        attention_heads: Sequence[int],
        window: Sequence[int],
        drop_path: float,
    ) -> None:
        super().__init__()
        c = embed_channels
        self.encoder = SwinEncoder(c, depths, attention_heads, window, drop_path)
        self.up = nn.ModuleList(DecoderBlock(a, a // 2, a // 2) for a in (8 * c, 4 * c, 2 * c))

    def forward(self, images: Tensor) -> Tensor:
        """``(B, 2, H, W, D)`` to ``(B, C, ceil(H / 4), ...)``."""
        *skips, x = self.encoder(images)
        for up in self.up:
            x = up(x, skips.pop())
        return x


@BACKBONES.register("transmorph")
class TransMorph(Backbone):
    """TransMorph on the images' grid.

    Args:
        embed_channels: channels C of the first stage: large 128, base 96, small 48, tiny 6.
        depths: blocks of each of the four stages: large 2, 2, 12, 2; the others 2, 2, 4, 2.
        attention_heads: of each stage: large 4, 4, 8, 16; base 4, 4, 8, 8; small 4, 4, 4, 4; tiny 2, 2, 4, 4.
        window: edges of the attention windows in patches of 4 voxels.
        drop_path: stochastic depth of the last block, less of those before it.
        head_channels: features that the head reads.
    """

    head_bias = True
    minimum_size = 32

    def __init__(
        self,
        embed_channels: int,
        depths: Sequence[int],
        attention_heads: Sequence[int],
        window: Sequence[int] = (5, 6, 7),
        drop_path: float = 0.3,
        head_channels: int = 16,
    ) -> None:
        super().__init__()
        c = embed_channels
        self.trunk = TransMorphTrunk(c, depths, attention_heads, window, drop_path)
        self.half_skip = normalised_convolution(2, c // 2)
        self.full_skip = normalised_convolution(2, head_channels)
        self.half_block = DecoderBlock(c, c // 2, c // 2)
        self.full_block = DecoderBlock(c // 2, head_channels, head_channels)
        self.levels = (Level(head_channels, 1),)

    def forward(self, moving: Tensor, fixed: Tensor, heads: Sequence[Head]) -> Tensor:
        """See `Backbone`; the head predicts coordinates in which the grid runs from -1 to 1."""
        images = torch.cat((moving, fixed), dim=1)
        x = self.half_block(self.trunk(images), self.half_skip(halve(images)))
        return voxels(heads[0](self.full_block(x, self.full_skip(images))).float())


def normalised_convolution(inputs: int, outputs: int) -> nn.Sequential:
    """A 3x3x3 convolution without bias, instance normalisation, leaky ReLU."""
    return nn.Sequential(Conv3d(inputs, outputs, 3, padding=1, bias=False), nn.InstanceNorm3d(outputs), nn.LeakyReLU())


def _channels_last(x: Tensor) -> Tensor:
    return x.movedim(1, -1)


def _channels_first(x: Tensor) -> Tensor:
    return x.movedim(-1, 1)


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
