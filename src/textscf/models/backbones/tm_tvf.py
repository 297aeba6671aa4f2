"""TM-TVF: TransMorph with a time-varying velocity field.

Chen, Frey and Du, "Unsupervised Learning of Diffeomorphic Image Registration via TransMorph", WBIR 2022.

TransMorph's encoder and decoder run once, down to 1/4 of the volume. Then, for each of T time steps on the half grid,
the moving image as warped so far and the fixed image join the decoder's features, a head predicts a velocity ``v_t``,
and the displacement grows as in the released network: ``u_t(x) = u_{t-1}(x) + v_t(x + v_t(x))``, a sum of T steps each
of which is looked up at its own displacement, not a composition with ``u_{t-1}``.

Departures: those of `transmorph`; velocities and displacement are in voxels of the half grid throughout, and rescaled
when the network resizes them, where the published code warps both grids with the same numbers; what lies outside the
volume is the border's velocity, not zero. With a text-driven head, each time step has its own.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from textscf.models.backbones.base import Backbone, Head, Level, voxels
from textscf.models.backbones.transmorph import DecoderBlock, TransMorphTrunk, normalised_convolution, upsampled
from textscf.spatial import halve, warp


class TransMorphTVF(Backbone):
    """TM-TVF, its field on the half grid.

    Args:
        embed_channels, depths, attention_heads, window, drop_path, head_channels: as of `TransMorph`.
        time_steps: T; 12 in the released training.
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
    ) -> None:
        super().__init__()
        c = embed_channels
        self.trunk = TransMorphTrunk(c, depths, attention_heads, window, drop_path)
        self.skips = nn.ModuleList(normalised_convolution(2, c // 2) for _ in range(time_steps))
        self.blocks = nn.ModuleList(DecoderBlock(c, c // 2, head_channels) for _ in range(time_steps))
        self.levels = (Level(head_channels, 2),) * time_steps

    def forward(self, moving: Tensor, fixed: Tensor, heads: Sequence[Head]) -> Tensor:
        """See `Backbone`; heads predict coordinates in which the half grid runs from -1 to 1."""
        half_moving, half_fixed = halve(moving), halve(fixed)
        features = upsampled(self.trunk(torch.cat((moving, fixed), dim=1)), half_fixed)
        warped = half_moving
        displacement = half_fixed.new_zeros(len(fixed), 3, *half_fixed.shape[2:])
        for skip, block, head in zip(self.skips, self.blocks, heads, strict=True):
            x = block(features, skip(torch.cat((warped, half_fixed), dim=1)))
            velocity = voxels(head(x).float())
            displacement = displacement + warp(velocity, velocity, padding_mode="border")
            warped = warp(half_moving, displacement)
        return displacement


BACKBONE = TransMorphTVF
