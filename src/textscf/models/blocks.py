"""Blocks that LKU-Net and Fourier-Net, U-Nets by the same authors, are made of."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from textscf.models.activation import PReLU
from textscf.models.convolution import Conv3d
from textscf.models.doubling import Doubling


def convolution(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    """A 3x3x3 convolution and its PReLU."""
    return nn.Sequential(Conv3d(inputs, outputs, 3, stride, 1), PReLU())


class Up(nn.Module):
    """Transposed convolution, concatenation with the skip, two convolutions.

    The upsampled features are cut to the skip's size.

    Args:
        inputs: channels of what is upsampled.
        skip: channels of the skip.
        middle, outputs: channels after each of the two convolutions.
    """

    def __init__(self, inputs: int, skip: int, middle: int, outputs: int) -> None:
        super().__init__()
        self.up = nn.Sequential(Doubling(inputs, inputs), PReLU())
        self.first = convolution(inputs + skip, middle)
        self.second = convolution(middle, outputs)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """``(B, inputs, ceil(H / 2), ...)`` and ``(B, skip, H, W, D)`` to ``(B, outputs, H, W, D)``."""
        h, w, d = skip.shape[2:]
        x = torch.cat((self.up(x)[..., :h, :w, :d], skip), dim=1)
        return self.second(self.first(x))


def down_and_up(images: Tensor, stem: nn.Module, down: Iterable[nn.Module], up: Iterable[nn.Module]) -> Tensor:
    """The way through a U-Net whose decoder may stop early: each `up` takes the next finer skip."""
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
