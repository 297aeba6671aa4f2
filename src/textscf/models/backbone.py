"""The interface of all backbones.

Unit of a head. By default every head predicts coordinates in which its grid runs from -1 to 1. Convolutions that are
followed by a PReLU start from He's initialisation. With these two choices, one learning rate suits all networks. With
`published`, a network has its publication's unit, range and initialisation, and a head predicts voxels of the images'
grid, components in axis order:

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
voxels of the images' grid, without softsign. With `placement: released`, a half-resolution field is placed on the
images' grid as in the released code.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from torch import Tensor, nn

from textscf.errors import InputError
from textscf.models.heads import ConvolutionHead
from textscf.spatial import scale_components

Head = Callable[[Tensor], Tensor]


class Level(NamedTuple):
    """A level of a backbone at which a head predicts a field.

    Attributes:
        channels: number C2 of feature channels that the head reads.
        stride: the size of the level's grid is the size of the images' grid divided by this, rounded up.
    """

    channels: int
    stride: int


class Backbone(nn.Module):
    """Maps a pair of images to a field. The heads, given to `forward`, turn features into a field.

    Attributes:
        levels: one for each head that `forward` needs.
        head_bias: whether the published network's last convolution has a bias.
        minimum_size: shortest edge of a volume, in voxels, that the network accepts.
        published: whether unit, range and initialisation of the head are those of the publication (table above).
        integration_steps: number of squarings that turn the velocity returned by `forward` into a displacement.
        outside: value of a velocity outside the volume during integration, ``zeros`` or ``border``.
        strides: stride of the field that each training stage predicts; a network that is trained as a whole has one
            training stage.
        stage: the training stage in use, an index into `strides`; outside of training, the last one.

    Examples:
        A backbone whose features are the two images themselves, without any weights of its own:

        >>> import torch
        >>> class Images(Backbone):
        ...     levels = (Level(channels=2, stride=1),)
        ...     minimum_size = 3
        ...
        ...     def forward(self, moving, fixed, heads):
        ...         return self.in_voxels(heads[0](torch.cat([moving, fixed], dim=1)))
        >>> moving, fixed = torch.rand(2, 1, 1, 8, 8, 8)
        >>> Images()(moving, fixed, [nn.Conv3d(2, 3, 3, padding=1)]).shape
        torch.Size([1, 3, 8, 8, 8])
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
        """Stride of the field that `forward` returns: voxels of the images' grid per voxel of its grid, per axis."""
        in_stages = len(self.strides) > 1
        return self.levels[self.stage if in_stages else -1].stride

    def plain_heads(self) -> list[nn.Module]:
        """The translation-invariant heads of the published network."""
        return [ConvolutionHead(level.channels, self.head_bias) for level in self.levels]

    def stage_modules(self) -> list[nn.Module]:
        """The module that each training stage adds."""
        return [self]

    def check_shape(self, shape: Sequence[int]) -> None:
        """Raise InputError if the network cannot register images of this shape."""
        if min(shape) < self.minimum_size:
            found = "x".join(map(str, shape))
            raise InputError(
                f"{type(self).__name__} cannot take volumes of {found} voxels; expected edges of at least "
                f"{self.minimum_size}: choose a larger preprocess.shape in the cohort file or another backbone"
            )

    def forward(self, moving: Tensor, fixed: Tensor, heads: Sequence[Head]) -> Tensor:
        """Predict a field ``(B, 3, h, w, d)`` in voxels of its own grid, components in axis order.

        The field is a displacement, or a velocity if the backbone has `integration_steps`.

        Args:
            moving, fixed: images ``(B, 1, H, W, D)`` in [0, 1].
            heads: one for each of `levels`; it maps features ``(B, C2, h, w, d)`` on the level's grid to
                ``(B, 3, h, w, d)`` in the unit of the table above.
        """
        raise TypeError(f"{type(self).__name__} is abstract")

    def in_voxels(self, prediction: Tensor) -> Tensor:
        """Convert a head's prediction ``(B, 3, h, w, d)`` to voxels of its own grid, in single precision."""
        return prediction.float() / self.field_stride if self.published else voxels(prediction.float())


def voxels(field: Tensor) -> Tensor:
    """Convert a field ``(B, 3, h, w, d)`` from coordinates in which its grid runs from -1 to 1 to its voxels."""
    return scale_components(field, [(n - 1) / 2 for n in field.shape[2:]])
