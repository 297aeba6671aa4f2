"""TM-TVF: TransMorph with a time-varying velocity field.

Chen, Frey and Du, "Unsupervised Learning of Diffeomorphic Image Registration via TransMorph", WBIR 2022.

TransMorph's encoder and decoder run once; the decoder stops at 1/4 of the volume's size. Then T time steps follow on
the half grid. At each step the decoder's features are concatenated with the fixed image and the moving image as warped
so far, and a head predicts a velocity ``v_t``. The displacement is updated as in the released network:
``u_t(x) = u_{t-1}(x) + v_t(x + v_t(x))``. This is a sum of T velocities, each sampled at its own displacement; it is
not a composition with ``u_{t-1}``.

Departures from the publication: those of `transmorph`. In addition, two errors of the published code are corrected
unless `published` is set:

- The published code warps the half grid and, after upsampling, the images' grid with the same numbers. Inside the
  network the images therefore move twice as far as outside. Here velocities and displacement are in voxels of the half
  grid and are rescaled when the network resizes them.
- The published code mixes the two `align_corners` conventions when it samples. A field of zeros therefore zooms by
  n / (n - 1), half a voxel at the border. Here a field of zeros leaves everything in place.

Outside the volume everything is zero, as published. With text-driven heads, each time step has its own head.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from textscf.models.backbone import Backbone, Head, Level, voxels
from textscf.models.backbones.transmorph import DecoderBlock, TransMorphTrunk, normalised_convolution, upsampled
from textscf.spatial import halve, identity_grid, scale_components, warp


class TransMorphTVF(Backbone):
    """TM-TVF with its field on the half grid.

    Args:
        embed_channels, depths, attention_heads, window, drop_path, head_channels: see `TransMorph`.
        time_steps: number T of time steps; 12 in the released training.
        published: see above and `textscf.models.backbone`.
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
        time_steps: int = 12,
        published: bool = False,
    ) -> None:
        super().__init__()
        self.published = published
        c = embed_channels
        self.trunk = TransMorphTrunk(c, depths, attention_heads, window, drop_path, published)
        self.skips = nn.ModuleList(normalised_convolution(2, c // 2) for _ in range(time_steps))
        self.blocks = nn.ModuleList(DecoderBlock(c, c // 2, head_channels) for _ in range(time_steps))
        self.levels = (Level(head_channels, 2),) * time_steps

    def forward(self, moving: Tensor, fixed: Tensor, heads: Sequence[Head]) -> Tensor:
        """See `Backbone`."""
        half_moving, half_fixed = halve(moving, count_padding=True), halve(fixed, count_padding=True)
        features = upsampled(self.trunk(torch.cat((moving, fixed), dim=1)), half_fixed)
        warped = half_moving
        displacement = half_fixed.new_zeros(len(fixed), 3, *half_fixed.shape[2:])
        for skip, block, head in zip(self.skips, self.blocks, heads, strict=True):
            x = block(features, skip(torch.cat((warped, half_fixed), dim=1)))
            velocity = head(x).float() if self.published else voxels(head(x).float())
            displacement = displacement + self._look_up(velocity, velocity)
            warped = self._look_up(half_moving, displacement)
        return self.in_voxels(displacement) if self.published else displacement

    def _look_up(self, volume: Tensor, displacement: Tensor) -> Tensor:
        """Warp a volume; a `published` network adds the published zoom (see above)."""
        if not self.published:
            return warp(volume, displacement)
        position = identity_grid(displacement.shape[2:], displacement.device) + displacement
        zoomed = scale_components(position, [n / (n - 1) for n in displacement.shape[2:]]) - 0.5
        return warp(volume, zoomed - position + displacement)


BACKBONE = TransMorphTVF
