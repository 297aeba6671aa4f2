"""What every backbone offers.

Unit of a head. By default every head predicts coordinates in which its grid runs from -1 to 1, and convolutions that a
PReLU follows start from He's initialisation, so that one learning rate suits all networks. With `published` a network
has its publication's unit, range and initialisation, and a head predicts voxels of the images' grid, components in axis
order:

| network     | plain head with `published`                                       | start with `published`      |
|-------------|-------------------------------------------------------------------|-----------------------------|
| LKU-Net     | softsign of coordinates in which the images' grid runs from -1 to | PyTorch's, of the head too  |
|             | 1; no bias                                                        |                             |
| Fourier-Net | 1/64 of such coordinates, as the published transform divides by   | PyTorch's, of the head too  |
|             | the ratio of voxels; no softsign, no bias                         |                             |
| VoxelMorph  | voxels; bias                                                      | PyTorch's; head N(0, 1e-5)  |
| TransMorph  | voxels; bias                                                      | PyTorch's; head N(0, 1e-5)  |
| TM-TVF      | voxels of the half grid inside and of the images' grid outside,   | PyTorch's; head N(0, 1e-5)  |
|             | the same numbers (see `tm_tvf`); bias                             |                             |
| LapIRN      | as by default                                                     | PyTorch's, of the heads too |

im2grid is as published by default. A text-driven head on a `published` LKU-Net is the released textSCF: it predicts
voxels of the images' grid, without softsign. Half-resolution fields lie as published with `placement: released`.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from torch import Tensor, nn

from textscf.errors import InputError
from textscf.models.heads import ConvolutionHead
from textscf.spatial import scale_components

Head = Callable[[Tensor], Tensor]


class Level(NamedTuple):
    """Where a backbone asks a head for a field.

    Attributes:
        channels: feature channels C2 that the head reads.
        stride: the level's grid is the images' grid divided by this, rounded up.
    """

    channels: int
    stride: int


class Backbone(nn.Module):
    """Maps a pair of images to a field; the last step from features to a field is a head's, given to `forward`.

    Attributes:
        levels: one for each head that `forward` needs.
        head_bias: whether the published network's last convolution has a bias.
        minimum_size: shortest edge of a volume, in voxels, that the network can take.
        published: whether unit, range and initialisation of the head are those of the publication (table above).
        integration_steps: squarings that turn the velocity that `forward` returns into a displacement.
        outside: what a velocity is beyond the volume when it is integrated, ``zeros`` or ``border``.
        strides: of the field that each training stage predicts; a network trained in one go has one stage.
        stage: the stage in use, an index of `strides`; the last one outside of training.
    """

    levels: tuple[Level, ...]
    head_bias = False
    minimum_size: int
    published = False
    integration_steps = 0
    outside = "zeros"
    strides: tuple[int, ...] = (1,)
    stage = -1

    @property
    def field_stride(self) -> int:
        """Voxels of the images' grid for each voxel of the grid of the field that `forward` returns."""
        in_stages = len(self.strides) > 1
        return self.levels[self.stage if in_stages else -1].stride

    def plain_heads(self) -> list[nn.Module]:
        """The translation-invariant heads of the published network."""
        return [ConvolutionHead(level.channels, self.head_bias) for level in self.levels]

    def stage_modules(self) -> list[nn.Module]:
        """What each training stage adds."""
        return [self]

    def check_shape(self, shape: Sequence[int]) -> None:
        """InputError if images of this shape cannot be registered."""
        if min(shape) < self.minimum_size:
            found = "x".join(map(str, shape))
            raise InputError(
                f"{type(self).__name__} cannot take volumes of {found} voxels; expected edges of at least "
                f"{self.minimum_size}: choose a larger preprocess.shape in the cohort file or another backbone"
            )

    def forward(self, moving: Tensor, fixed: Tensor, heads: Sequence[Head]) -> Tensor:
        """A field ``(B, 3, h, w, d)`` in voxels of its own grid, components in axis order.

        It is a displacement, or, of a backbone with `integration_steps`, a velocity.

        Args:
            moving, fixed: images ``(B, 1, H, W, D)`` in [0, 1].
            heads: for each of `levels`, features ``(B, C2, h, w, d)`` on its grid to ``(B, 3, h, w, d)`` in the unit
                of the table above.
        """
        raise TypeError(f"{type(self).__name__} is abstract")

    def in_voxels(self, prediction: Tensor) -> Tensor:
        """A field ``(B, 3, h, w, d)`` in the unit of heads, in voxels of its own grid and in single precision."""
        return prediction.float() / self.field_stride if self.published else voxels(prediction.float())


def voxels(field: Tensor) -> Tensor:
    """A field ``(B, 3, h, w, d)`` in coordinates in which its grid runs from -1 to 1, in voxels of that grid."""
    return scale_components(field, [(n - 1) / 2 for n in field.shape[2:]])
