"""TransMorph: a Swin transformer encoder with a convolutional decoder.

Chen et al., "TransMorph: Transformer for Unsupervised Medical Image Registration", Medical Image Analysis 2022.
Attention, MLP, patch embedding and patch merging are MONAI's. As published, even a small map is padded to whole
windows. MONAI's own Swin stage shrinks the window instead, which would apply the biases of the wrong relative
positions.

Departures from the publication: odd maps are padded before they are merged, and upsampled features are cut to the
skip's size, so that any volume size works. Unless `published` is set, linear layers start from the Swin transformer's
truncated normal, which the published code defines but never calls, and the head predicts coordinates in which the grid
runs from -1 to 1, like all heads of this package; the published head predicts voxels.
"""

from collections.abc import Sequence

import numpy as np
import torch
from monai.networks.blocks import PatchEmbed
from monai.networks.nets.swin_unetr import (
    PatchMergingV2,
    SwinTransformerBlock,
    compute_mask,
    window_partition,
    window_reverse,
)
from torch import Tensor, nn
from torch.nn import functional

from textscf.errors import InputError
from textscf.models.backbone import Backbone, Head, Level
from textscf.models.convolution import Conv3d
from textscf.spatial import halve

_PATCH = 4
_STAGES = 4


class SwinBlock(SwinTransformerBlock):
    """MONAI's transformer block with windows of constant size."""

    def forward_part1(self, x: Tensor, mask_matrix: Tensor) -> Tensor:
        """Apply attention in (shifted) windows to a map ``(B, H, W, D, C)``; `mask_matrix` is for the padded map."""
        h, w, d, channels = x.shape[1:]
        window, shift = tuple(self.window_size), tuple(self.shift_size)
        after = [extra for n, edge in zip((d, w, h), window[::-1], strict=True) for extra in (0, -n % edge)]
        padded = functional.pad(self.norm1(x), (0, 0, *after)).roll([-s for s in shift], (1, 2, 3))
        windows = self.attn(window_partition(padded, window), mask_matrix if any(shift) else None)
        whole = window_reverse(windows.view(-1, *window, channels), window, padded.shape[:4])
        return whole.roll(shift, (1, 2, 3))[:, :h, :w, :d]


class SwinStage(nn.Module):
    """A sequence of transformer blocks; every second block shifts its windows by half their edges."""

    def __init__(self, channels: int, heads: int, window: Sequence[int], drop_path: Sequence[float]) -> None:
        super().__init__()
        self.window = tuple(window)
        self.shift = tuple(edge // 2 for edge in window)
        self.blocks = nn.ModuleList(
            SwinBlock(channels, heads, self.window, self.shift if k % 2 else (0, 0, 0), qkv_bias=False, drop_path=rate)
            for k, rate in enumerate(drop_path)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, H, W, D, C)`` to the same shape."""
        padded = [n + -n % edge for n, edge in zip(x.shape[1:4], self.window, strict=True)]
        mask = compute_mask(padded, self.window, self.shift, x.device)
        for block in self.blocks:
            x = block(x, mask)
        return x


class SwinEncoder(nn.Module):
    """Four `SwinStage` at 1/4, 1/8, 1/16 and 1/32 of the volume's size, each with its own output norm.

    See `TransMorph` for the arguments.
    """

    def __init__(
        self,
        channels: int,
        depths: Sequence[int],
        heads: Sequence[int],
        window: Sequence[int],
        drop_path: float,
        published: bool = False,
    ) -> None:
        super().__init__()
        widths = [channels * 2**k for k in range(_STAGES)]
        rates = np.split(np.linspace(0, drop_path, sum(depths)), np.cumsum(depths)[:-1])
        self.embed = PatchEmbed(_PATCH, 2, channels, nn.LayerNorm, 3)
        self.stages = nn.ModuleList(
            SwinStage(width, n, window, rate.tolist()) for width, n, rate in zip(widths, heads, rates, strict=True)
        )
        self.merge = nn.ModuleList(PatchMergingV2(width) for width in widths[:-1])
        self.norm = nn.ModuleList(nn.LayerNorm(width) for width in widths)
        if not published:
            self.apply(_initialise)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Map ``(B, 2, H, W, D)`` to the features ``(B, C 2^k, h, w, d)`` of each `SwinStage`, finest first."""
        x = self.embed(images).movedim(1, -1)
        outputs = []
        for stage, norm, merge in zip(self.stages, self.norm, [*self.merge, nn.Identity()], strict=True):
            x = stage(x)
            outputs.append(norm(x).movedim(-1, 1))
            x = merge(x)
        return outputs


class DecoderBlock(nn.Module):
    """Concatenates upsampled features with a skip; two convolutions with instance normalisation follow."""

    def __init__(self, inputs: int, skip: int, outputs: int) -> None:
        super().__init__()
        self.first = normalised_convolution(inputs + skip, outputs)
        self.second = normalised_convolution(outputs, outputs)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """Map ``(B, inputs, H, W, D)`` and ``(B, skip, H, W, D)`` to ``(B, outputs, H, W, D)``."""
        return self.second(self.first(torch.cat((x, skip), dim=1)))


class TransMorphTrunk(nn.Module):
    """The encoder, and the decoder from 1/32 up to 1/4 of the volume's size. See `TransMorph` for the arguments."""

    def __init__(
        self,
        channels: int,
        depths: Sequence[int],
        heads: Sequence[int],
        window: Sequence[int],
        drop_path: float,
        published: bool = False,
    ) -> None:
        super().__init__()
        if not len(depths) == len(heads) == _STAGES:
            raise InputError(f"depths {list(depths)}, attention_heads {list(heads)}; expected {_STAGES} of each")
        c = channels
        if c % 2 or any(c * 2**k % n for k, n in enumerate(heads)):
            raise InputError(
                f"embed_channels is {c}, attention_heads {list(heads)}; expected an even number of channels, which is "
                "doubled from stage to stage, and heads that divide those of their stage"
            )
        self.encoder = SwinEncoder(c, depths, heads, window, drop_path, published)
        self.up = nn.ModuleList(DecoderBlock(a, a // 2, a // 2) for a in (8 * c, 4 * c, 2 * c))

    def forward(self, images: Tensor) -> Tensor:
        """Map ``(B, 2, H, W, D)`` to ``(B, C, ceil(H / 4), ...)``."""
        *skips, x = self.encoder(images)
        for up in self.up:
            skip = skips.pop()
            x = up(upsampled(x, skip), skip)
        return x


class TransMorph(Backbone):
    """TransMorph on the images' grid.

    Args:
        embed_channels: channels C of the first `SwinStage`: large 128, base 96, small 48, tiny 6.
        depths: number of blocks of each of the four `SwinStage`: large 2, 2, 12, 2; the others 2, 2, 4, 2.
        attention_heads: of each `SwinStage`: large 4, 4, 8, 16; base 4, 4, 8, 8; small 4, 4, 4, 4; tiny 2, 2, 4, 4.
        window: edges of the attention windows, in patches of 4 voxels.
        drop_path: stochastic-depth rate of the last block; the rate grows linearly from 0 at the first block.
        head_channels: number of feature channels that the head reads.
        published: unit and initialisation of the published code, see `textscf.models.backbone`.
    """

    head_bias = True
    minimum_size = 17

    def __init__(
        self,
        embed_channels: int,
        depths: Sequence[int],
        attention_heads: Sequence[int],
        window: Sequence[int] = (5, 6, 7),
        drop_path: float = 0.3,
        head_channels: int = 16,
        published: bool = False,
    ) -> None:
        super().__init__()
        self.published = published
        c = embed_channels
        self.trunk = TransMorphTrunk(c, depths, attention_heads, window, drop_path, published)
        self.half_skip = normalised_convolution(2, c // 2)
        self.full_skip = normalised_convolution(2, head_channels)
        self.half_block = DecoderBlock(c, c // 2, c // 2)
        self.full_block = DecoderBlock(c // 2, head_channels, head_channels)
        self.levels = (Level(head_channels, 1),)

    def forward(self, moving: Tensor, fixed: Tensor, heads: Sequence[Head]) -> Tensor:
        """See `Backbone`."""
        images = torch.cat((moving, fixed), dim=1)
        x, skip = self.trunk(images), self.half_skip(halve(images, count_padding=True))
        x, skip = self.half_block(upsampled(x, skip), skip), self.full_skip(images)
        return self.in_voxels(heads[0](self.full_block(upsampled(x, skip), skip)))


def upsampled(x: Tensor, like: Tensor) -> Tensor:
    """Upsample features trilinearly to twice the grid and cut them to the size of `like`."""
    h, w, d = like.shape[2:]
    return functional.interpolate(x, scale_factor=2.0, mode="trilinear", align_corners=False)[..., :h, :w, :d]


def normalised_convolution(inputs: int, outputs: int) -> nn.Sequential:
    """A 3x3x3 convolution without bias, instance normalisation, leaky ReLU."""
    convolution = Conv3d(inputs, outputs, 3, padding=1, bias=False)
    return nn.Sequential(convolution, nn.InstanceNorm3d(outputs), nn.LeakyReLU(inplace=True))


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


BACKBONE = TransMorph
