"""Building blocks of LKU-Net and Fourier-Net, two U-Nets by the same authors."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional

from textscf.models.activation import PReLU
from textscf.models.convolution import Conv3d
from textscf.models.doubling import Doubling
from textscf.spatial import scale_components


def convolution(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    """A 3x3x3 convolution followed by a PReLU."""
    return nn.Sequential(Conv3d(inputs, outputs, 3, stride, 1), PReLU())


class Up(nn.Module):
    """Transposed convolution, concatenation with the skip, two convolutions.

    The upsampled features are cut to the skip's size.

    Args:
        inputs: channels of the features to upsample.
        skip: channels of the skip.
        middle, outputs: channels after each of the two convolutions.
    """

    def __init__(self, inputs: int, skip: int, middle: int, outputs: int) -> None:
        super().__init__()
        self.up = nn.Sequential(Doubling(inputs, inputs), PReLU())
        self.first = convolution(inputs + skip, middle)
        self.second = convolution(middle, outputs)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """Map ``(B, inputs, ceil(H / 2), ...)`` and ``(B, skip, H, W, D)`` to ``(B, outputs, H, W, D)``."""
        h, w, d = skip.shape[2:]
        x = torch.cat((self.up(x)[..., :h, :w, :d], skip), dim=1)
        return self.second(self.first(x))


class PublishedHead(nn.Module):
    """The last 3x3x3 convolution as published: no bias, PyTorch's initialisation.

    It predicts coordinates in which the images' grid runs from -1 to 1, and `forward` returns them in voxels.

    Args:
        feature_channels: channels of the features that the head reads.
        stride: the images' grid has this many times the voxels of the features' grid along each axis.
        bounded: whether a softsign bounds the coordinates.
        divisor: number by which the coordinates are divided.
    """

    def __init__(self, feature_channels: int, stride: int, bounded: bool = False, divisor: float = 1) -> None:
        super().__init__()
        self.projection = Conv3d(feature_channels, 3, 3, padding=1, bias=False)
        self.stride, self.bounded, self.divisor = stride, bounded, divisor

    def forward(self, features: Tensor, regions: Tensor | None, confidence: Tensor | None) -> Tensor:
        """Map ``(B, C2, h, w, d)`` to a field ``(B, 3, h, w, d)`` in voxels of the images' grid.

        Regions and confidence are not used.
        """
        coordinates = self.projection(features)
        if self.bounded:
            coordinates = functional.softsign(coordinates)
        units = [(self.stride * n - 1) / 2 / self.divisor for n in features.shape[2:]]
        return scale_components(coordinates, units)


def down_and_up(images: Tensor, stem: nn.Module, down: Iterable[nn.Module], up: Iterable[nn.Module]) -> Tensor:
    """Apply a U-Net whose decoder may stop early; each `up` module gets the next finer skip."""
    levels = [stem(images)]
    for halve in down:
        levels.append(halve(levels[-1]))
    x = levels.pop()
    for block in up:
        x = block(x, levels.pop())
    return x


def initialise(module: nn.Module) -> None:
    """He's initialisation for convolutions that a PReLU follows; for `torch.nn.Module.apply`."""
    if isinstance(module, (nn.Conv3d, nn.ConvTranspose3d)):
        nn.init.kaiming_normal_(module.weight, a=0.25, mode="fan_out" if module.transposed else "fan_in")
        if module.bias is not None:
            nn.init.zeros_(module.bias)
