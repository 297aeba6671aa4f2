"""Segments a stored scan at the network's own resolution and brings the result to a cohort's grid."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.data import MetaTensor
from monai.transforms import Compose, Orientation, ScaleIntensityRange, Spacing, SpatialResample
from torch import Tensor, nn

from textscf.data.geometry import centred_affine
from textscf.data.placement import Placement
from textscf.data.recipe import Recipe
from textscf.data.scans import stored_image
from textscf.segmentation.swin_unetr import probabilities
from textscf.world.grid import Grid

_AXES = (("L", "R"), ("P", "A"), ("I", "S"))


@dataclass(frozen=True)
class StoredImage:
    """A scan at its own resolution, and the grid on which its regions are needed.

    Attributes:
        voxels: (H, W, D) float32, in the intensity units that the network expects.
        affine: affine (4, 4) of the voxels.
        prepared: grid of the result, in the same world as `affine`.
        covered: (H', W', D'), the voxels of `prepared` that the scan covers.
    """

    voxels: np.ndarray
    affine: np.ndarray
    prepared: Grid
    covered: np.ndarray

    @classmethod
    def of_cohort(cls, path: Path, recipe: Recipe) -> "StoredImage":
        """A stored image, with the grid that `recipe` prepares. Raises InputError if the image cannot be read."""
        voxels, axes, spacing = stored_image(path, recipe)
        affine = centred_affine(axes, spacing, voxels.shape)
        placement = Placement.of_grid(voxels.shape, affine, axes, spacing, recipe)
        grid = Grid(recipe.shape, affine @ placement.to_stored())
        return cls(voxels, affine, grid, placement.covered(recipe.shape))


def stored_probabilities(
    network: nn.Module, channels: Sequence[int], stored: StoredImage, settings: Mapping[str, Any], device: torch.device
) -> Tensor:
    """Softmax ``(N, H, W, D)`` of a stored image, on its `prepared` grid.

    Region n is channel ``channels[n]`` of the network. The image is turned and resampled to the network's orientation
    and spacing and scaled to [0, 1] (`input` of `settings`). The probabilities are interpolated linearly at the voxels
    of the prepared grid. Voxels that the stored scan does not cover are background.
    """
    image = MetaTensor(torch.from_numpy(stored.voxels)[None], torch.from_numpy(stored.affine))
    taken = _taking(settings["input"])(image)
    distribution = probabilities(network, np.asarray(taken[0]), settings, device)
    resample = SpatialResample(mode="bilinear", padding_mode="border", dtype=np.float32)
    target = torch.from_numpy(stored.prepared.affine)
    resampled = resample(MetaTensor(distribution, taken.affine), target, stored.prepared.shape)
    placed = torch.as_tensor(resampled).as_subclass(torch.Tensor)[list(channels)]
    beyond = torch.from_numpy(~stored.covered).to(device)
    placed[:, beyond] = 0
    placed[0, beyond] = 1
    return placed


def _taking(settings: Mapping[str, Any]) -> Compose:
    """The published preparation of a network's input."""
    low, high = settings["range"]
    return Compose(
        [
            Orientation(settings["orientation"], labels=_AXES),
            Spacing(settings["spacing"], mode="bilinear"),
            ScaleIntensityRange(low, high, 0.0, 1.0, clip=True),
        ]
    )
