"""im2grid: Coordinate Translators, coarse to fine, turn the similarity of features into displacements.

Liu et al., "Coordinate Translator for Learning Deformable Medical Image Registration", MMMI 2022. Widths, strides,
initialisation and position embedding follow the first author's implementation (in the repository of his Vector Field
Attention).

One encoder processes both images. Each of five levels warps the moving features by the current field, projects both
feature maps, and adds a position embedding to them. Every fixed voxel attends to the 3x3x3 neighbourhood of its place.
The level adds a displacement: the mean of the offsets to these 27 neighbours, weighted by the attention. A place
outside the volume is moved to the nearest place on the border. Upsampling of a field aligns the corners of both grids.
No convolution predicts a displacement, so a plain network has no heads. The projections start at zero, so attention
first depends on positions only; it is then equal for each offset and its opposite, and the field starts at zero.

With a text-driven head (our design; the publication has none), the 27 attention weights A are the features of a level.
The head's filters W, which depend on a region or a coordinate, are added to the table of offsets:
u = A^T (offsets + W).

Departures from the publication: a convolution before an instance normalisation has no bias, because the normalisation
would remove it (352 of 552,813 parameters for 8 start channels); at an odd edge, pooling averages the last voxel over
the part of its window that exists, so that any volume size works.
"""

import functools
import itertools
import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from textscf.errors import InputError
from textscf.models.backbone import Backbone, Head, Level, voxels
from textscf.models.convolution import Conv3d
from textscf.spatial import compose, identity_grid, scale_components, warp

_STRIDES = (16, 8, 4, 2, 1)
_OFFSETS = tuple(itertools.product((-1, 0, 1), repeat=3))
_POSITION_CHANNELS = 6


def _block(inputs: int, outputs: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for channels in (inputs, outputs):
        convolution = Conv3d(channels, outputs, 3, padding=1, bias=False)
        layers += [convolution, nn.InstanceNorm3d(outputs, affine=True), nn.LeakyReLU()]
    return nn.Sequential(*layers)


class _Encoder(nn.Module):
    """Computes features of an image on all levels, coarse to fine. `widths` are the channels, fine to coarse."""

    def __init__(self, start_channels: int, widths: Sequence[int]) -> None:
        super().__init__()
        self.stem = nn.Sequential(Conv3d(1, start_channels, 3, padding=1), nn.LeakyReLU())
        self.blocks = nn.ModuleList(_block(a, b) for a, b in itertools.pairwise([start_channels, *widths[:-1]]))
        self.last = Conv3d(widths[-2], widths[-1], 3, padding=1)

    def forward(self, image: Tensor) -> list[Tensor]:
        x = self.stem(image)
        features = []
        for block in self.blocks:
            features.append(block(x))
            x = functional.avg_pool3d(features[-1], 2, ceil_mode=True)
        return [self.last(x), *features[::-1]]


class _Similarities(torch.autograd.Function):
    """`similarities` with a manual gradient: autograd would allocate a full volume of keys for each of 27 slices."""

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor) -> Tensor:
        ctx.save_for_backward(query, key)
        return torch.stack([(query * part).sum(1) for part in _shifted(key)], dim=1)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        query, key = ctx.saved_tensors
        of_query, of_key = torch.zeros_like(query), torch.zeros_like(key)
        for g, part, of_part in zip(gradient.unsqueeze(2).unbind(1), _shifted(key), _shifted(of_key), strict=True):
            of_query.addcmul_(g, part)
            of_part.addcmul_(g, query)
        return of_query, of_key


def _shifted(volume: Tensor) -> list[Tensor]:
    """The 27 shifted views of a volume that has a margin of one voxel; a view has the size without the margin."""
    h, w, d = (n - 2 for n in volume.shape[2:])
    return [volume[..., 1 + i : 1 + i + h, 1 + j : 1 + j + w, 1 + k : 1 + k + d] for i, j, k in _OFFSETS]


def similarities(query: Tensor, key: Tensor) -> Tensor:
    """Dot products ``(B, 27, h, w, d)`` of each voxel with its neighbours.

    The offsets are -1, 0, 1 per axis; the last axis changes fastest.

    Args:
        query: ``(B, C, h, w, d)``.
        key: ``(B, C, h + 2, w + 2, d + 2)``, with a margin of one voxel: the key at index i + 1 along each axis is at
            the place of the query at index i.
    """
    return _Similarities.apply(query, key)


class CoordinateTranslator(nn.Module):
    """Attention of each fixed voxel to the neighbourhood of its place in the moving image.

    Args:
        feature_channels: channels of the features of each image.
        matching_channels: channels of the projected features that attention compares; the position embedding is added
            to the first six.
    """

    def __init__(self, feature_channels: int, matching_channels: int) -> None:
        super().__init__()
        self.projection = nn.Conv3d(feature_channels, matching_channels, 1, bias=False)
        self.bias = nn.Parameter(torch.zeros(matching_channels))
        self.position_scale = nn.Parameter(torch.ones(1))
        nn.init.zeros_(self.projection.weight)

    def forward(self, moving: Tensor, fixed: Tensor, field: Tensor) -> Tensor:
        """Attention weights ``(B, 27, h, w, d)`` of the neighbours, in the order of `mean_offset`.

        Projection and warping commute, so the projection comes first: then there are fewer channels to warp.

        Args:
            moving, fixed: features ``(B, feature_channels, h, w, d)``. A neighbour outside the grid has zero features,
                but its own position embedding.
            field: displacement ``(B, 3, h, w, d)`` by which the moving features are warped first.
        """
        moving, fixed = self.projection(moving).float(), self.projection(fixed).float()
        h, w, d = fixed.shape[2:]
        warped = functional.pad(warp(moving, field, padding_mode="border"), (1,) * 6)
        return similarities(fixed + self._place((h, w, d), 0), warped + self._place((h, w, d), 1)).softmax(dim=1)

    def _place(self, shape: tuple[int, int, int], margin: int) -> Tensor:
        """Bias and position embedding to add to features on a grid of `shape` with `margin` voxels around it."""
        others = len(self.bias) - _POSITION_CHANNELS
        position = functional.pad(_position(shape, margin, self.bias.device), (0,) * 7 + (others,))
        return self.bias.view(-1, 1, 1, 1) + self.position_scale * position


def _position(shape: tuple[int, int, int], margin: int, device: torch.device) -> Tensor:
    """Position embedding ``(1, 6, h, w, d)``: cosine and sine of the voxels' coordinates as angles.

    The longest edge of `shape` spans half a turn.
    """
    coordinates = identity_grid([n + 2 * margin for n in shape], device) - margin
    angle = math.pi * (coordinates / max(max(shape) - 1, 1) - 0.5)
    return torch.cat((angle.cos(), angle.sin()), dim=1)


def mean_offset(weights: Tensor) -> Tensor:
    """Displacement ``(B, 3, h, w, d)`` in voxels: mean of the 27 offsets, with weights ``(B, 27, h, w, d)``."""
    parts = list(zip(_OFFSETS, weights.unbind(1), strict=True))

    def total(axis: int, sign: int) -> Tensor:
        return functools.reduce(torch.add, [weight for offset, weight in parts if offset[axis] == sign])

    return torch.stack([total(axis, 1) - total(axis, -1) for axis in range(3)], dim=1)


class Im2Grid(Backbone):
    """im2grid with one Coordinate Translator on each of five levels.

    Args:
        start_channels: channels of the first convolution; the finest level has twice as many, and each coarser level
            doubles them again (the coarsest keeps those of the one before).
        matching_channels: channels of the projected features that attention compares, at least 6.
        max_channels: upper limit of a level's channels.
    """

    minimum_size = 16

    def __init__(self, start_channels: int, matching_channels: int = 8, max_channels: int = 64) -> None:
        super().__init__()
        if matching_channels < _POSITION_CHANNELS:
            raise InputError(f"im2grid: matching_channels is {matching_channels}; expected at least 6")
        widths = [min(start_channels * 2**k, max_channels) for k in (1, 2, 3, 4, 4)]
        self.levels = tuple(Level(len(_OFFSETS), stride) for stride in _STRIDES)
        self.encoder = _Encoder(start_channels, widths)
        self.translators = nn.ModuleList(CoordinateTranslator(width, matching_channels) for width in widths[::-1])

    def plain_heads(self) -> list[nn.Module]:
        """An empty list: attention alone predicts the displacement."""
        return []

    def forward(self, moving: Tensor, fixed: Tensor, heads: Sequence[Head]) -> Tensor:
        """See `Backbone`. `heads` may be empty; their fields, in each level's -1 to 1 coordinates, are added."""
        pyramid = self.encoder(torch.cat((moving, fixed)))
        field = moving.new_zeros(len(moving), 3, *pyramid[0].shape[2:])
        for level, (features, translator) in enumerate(zip(pyramid, self.translators, strict=True)):
            if level > 0:
                field = _upsampled(field, features.shape[2:])
            weights = translator(*features.chunk(2), field)
            local = mean_offset(weights)
            if heads:
                local = local + voxels(heads[level](weights).float())
            field = compose(field, _kept_inside(local))
        return field


def _upsampled(field: Tensor, shape: Sequence[int]) -> Tensor:
    """Resize a displacement field to the grid of `shape`, in voxels of that grid; the grids' corners coincide."""
    fine = functional.interpolate(field, size=tuple(shape), mode="trilinear", align_corners=True)
    return scale_components(
        fine, [(new - 1) / max(old - 1, 1) for new, old in zip(shape, field.shape[2:], strict=True)]
    )


def _kept_inside(field: Tensor) -> Tensor:
    """Shorten displacements that leave the volume, so that they end on its border."""
    places = identity_grid(field.shape[2:], field.device)
    parts = (field + places).unbind(1)
    return torch.stack([part.clamp(0, n - 1) for part, n in zip(parts, field.shape[2:], strict=True)], dim=1) - places


BACKBONE = Im2Grid
