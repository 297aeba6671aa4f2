"""Segments a stored scan at the network's own resolution and brings the result to a cohort's grid."""

from collections.abc import Mapping, Sequence
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

_AXES = (("L", "R"), ("P", "A"), ("I", "S"))


def stored_probabilities(
    network: nn.Module,
    channels: Sequence[int],
    path: Path,
    recipe: Recipe,
    settings: Mapping[str, Any],
    device: torch.device,
) -> Tensor:
    """Softmax ``(N, H, W, D)`` of a stored image, on the grid that `recipe` prepares.

    The image has the intensity units that the network expects. Region n is channel ``channels[n]`` of the network. The
    image is turned and resampled to the network's orientation and spacing and scaled to [0, 1] (`input` of `settings`).
    The probabilities are interpolated linearly at the voxels of the prepared grid. Voxels that the stored scan does not
    cover are background.

    Raises:
        InputError: the image cannot be read.
    """
    image, axes, spacing = stored_image(path, recipe)
    affine = centred_affine(axes, spacing, image.shape)
    taken = _taking(settings["input"])(MetaTensor(torch.from_numpy(image)[None], torch.from_numpy(affine)))
    distribution = probabilities(network, np.asarray(taken[0]), settings, device)
    placement = Placement.of_grid(image.shape, affine, axes, spacing, recipe)
    resample = SpatialResample(mode="bilinear", padding_mode="border", dtype=np.float32)
    target = torch.from_numpy(affine @ placement.to_stored())
    resampled = resample(MetaTensor(distribution, taken.affine), target, recipe.shape)
    placed = torch.as_tensor(resampled).as_subclass(torch.Tensor)[list(channels)]
    beyond = torch.from_numpy(~placement.covered(recipe.shape)).to(device)
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
