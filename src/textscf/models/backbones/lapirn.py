"""LapIRN: a Laplacian pyramid of three residual networks, coarse to fine.

Mok and Chung, "Large Deformation Diffeomorphic Image Registration with Laplacian Pyramid Networks", MICCAI 2020.

The three levels register at a quarter, half and the full size of the images' grid. The input of a level is the moving
image warped by the field of the coarser level, the fixed image, and that field. A level predicts a correction of at
most 0.4 per component, in coordinates in which the grid runs from -1 to 1. The components are in the axis order
(d, w, h) in which the published code samples. The displacement variant adds the corrections. The diffeomorphic variant
adds velocities and integrates their sum for the next finer level. It returns the velocity, because the publication
regularises the velocity; `RegistrationNetwork` integrates it. The levels are trained one after the other
(`training.stages` of a run).

With the authors' weights the field equals that of their code: for both variants the difference is 1e-4 voxels where the
displacement reaches 13 voxels (measured outside of the tests).

Departures from the publication: upsampled features are cut to the skip's size, so that any volume size works; heads
start near zero unless `published` is set. With text-driven heads, each level has its own head.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from textscf.models.backbone import Backbone, Head, Level, voxels
from textscf.models.convolution import Conv3d
from textscf.models.doubling import Doubling
from textscf.models.heads import ConvolutionHead
from textscf.spatial import halve, integrate, warp

_RANGE = 0.4
_RESIDUAL_BLOCKS = 5


class _ResidualBlock(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = Conv3d(channels, channels, 3, padding=1, bias=False)
        self.second = Conv3d(channels, channels, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        y = self.first(functional.leaky_relu(x, 0.2))
        return functional.leaky_relu(x + self.second(functional.leaky_relu(y, 0.2)), 0.2)


class _LevelNetwork(nn.Module):
    """The network of one level, up to the last convolution of its output."""

    def __init__(self, inputs: int, channels: int) -> None:
        super().__init__()
        self.encode = nn.Sequential(
            Conv3d(inputs, channels, 3, padding=1, bias=False),
            nn.LeakyReLU(0.2),
            Conv3d(channels, channels, 3, padding=1, bias=False),
        )
        self.down = Conv3d(channels, channels, 3, 2, 1, bias=False)
        self.residual = nn.Sequential(*(_ResidualBlock(channels) for _ in range(_RESIDUAL_BLOCKS)))
        self.up = Doubling(channels, channels, bias=False)
        self.output = nn.Sequential(Conv3d(2 * channels, channels, 3, padding=1, bias=False), nn.LeakyReLU(0.2))

    def forward(self, x: Tensor, embedding: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return features for the head and the embedding that the next level adds to its own, on the grid of `x`."""
        encoded = self.encode(x)
        deep = self.down(encoded)
        deep = self.residual(deep if embedding is None else deep + embedding)
        h, w, d = x.shape[2:]
        lifted = self.up(deep)[..., :h, :w, :d]
        return self.output(torch.cat((lifted, encoded), dim=1)), lifted


class LapIRN(Backbone):
    """LapIRN on the images' grid.

    Args:
        start_channels: a quarter of the channels of every level.
        integration_steps: number of squarings of the diffeomorphic variant (published: 7); 0 for the displacement
            variant.
        published: heads start from PyTorch's initialisation.
    """

    minimum_size = 16
    outside = "border"
    strides = (4, 2, 1)

    def __init__(self, start_channels: int, integration_steps: int = 0, published: bool = False) -> None:
        super().__init__()
        channels = 4 * start_channels
        self.integration_steps = integration_steps
        self.published = published
        self.pyramid = nn.ModuleList(_LevelNetwork(inputs, channels) for inputs in (2, 5, 5))
        self.levels = tuple(Level(channels, stride) for stride in self.strides)

    def plain_heads(self) -> list[nn.Module]:
        """See `Backbone`."""
        heads = [ConvolutionHead(level.channels) for level in self.levels]
        for head in heads if self.published else ():
            head.projection.reset_parameters()
        return list(heads)

    def stage_modules(self) -> list[nn.Module]:
        """See `Backbone`."""
        return list(self.pyramid)

    def forward(self, moving: Tensor, fixed: Tensor, heads: Sequence[Head]) -> Tensor:
        """See `Backbone`. A softsign and a scaling bring the heads' predictions to the published range and axis order.

        The diffeomorphic variant returns its velocity, because training regularises the velocity.
        """
        halves = halve(moving), halve(fixed)
        coarsest, *finer = (tuple(map(halve, halves)), halves, (moving, fixed))[: self.stage % len(self.strides) + 1]
        features, embedding = self.pyramid[0](torch.cat(coarsest, dim=1), None)
        velocity = _correction(heads[0](features))
        for network, head, images in zip(self.pyramid[1:], heads[1:], finer, strict=False):
            below = _lift(self._displacement(velocity), images[1])
            velocity = _lift(velocity, images[1])
            warped = warp(images[0], voxels(below.flip(1)), padding_mode="border")
            features, embedding = network(torch.cat((warped, images[1], velocity), dim=1), embedding)
            velocity = velocity + _correction(head(features))
        return voxels(velocity.flip(1))

    def _displacement(self, velocity: Tensor) -> Tensor:
        """Integrate a velocity to a displacement, both in the published unit and axis order."""
        if self.integration_steps == 0:
            return velocity
        unit = voxels(torch.ones_like(velocity[:1]))
        return (integrate(velocity.flip(1) * unit, self.integration_steps, self.outside) / unit).flip(1)


def _correction(prediction: Tensor) -> Tensor:
    return _RANGE * functional.softsign(prediction.float())


def _lift(field: Tensor, reference: Tensor) -> Tensor:
    return functional.interpolate(field, size=reference.shape[2:], mode="trilinear", align_corners=False)


BACKBONE = LapIRN
