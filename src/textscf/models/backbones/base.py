"""What every backbone offers."""

from collections.abc import Sequence

from torch import Tensor, nn

from textscf.errors import InputError
from textscf.models.registry import Registry


class Backbone(nn.Module):
    """Maps a pair of images to a feature map.

    Attributes:
        feature_channels: number of channels C2 of the features.
        stride: the features' grid is the images' grid divided by this, rounded up.
        minimum_size: shortest edge of a volume, in voxels, that the network can take.
    """

    feature_channels: int
    stride: int
    minimum_size: int

    def check_shape(self, shape: Sequence[int]) -> None:
        """InputError if images of this shape cannot be registered."""
        if min(shape) < self.minimum_size:
            found = "x".join(map(str, shape))
            raise InputError(
                f"{type(self).__name__} cannot take volumes of {found} voxels; expected edges of at least "
                f"{self.minimum_size}: choose a larger preprocess.shape in the cohort file or another backbone"
            )

    def forward(self, moving: Tensor, fixed: Tensor) -> Tensor:
        """Features ``(B, C2, ceil(H / stride), ...)`` of two images ``(B, 1, H, W, D)`` in [0, 1]."""
        raise TypeError(f"{type(self).__name__} is abstract")


BACKBONES: Registry[type[Backbone]] = Registry("backbone")
