"""Composite loss of paper eq. (1)."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from textscf.files.registry import SIMILARITIES, entry
from textscf.losses import SoftDice, smoothness
from textscf.models import RegistrationNetwork
from textscf.registration.volumes import Scan
from textscf.spatial import halve, warp

TERMS = ("loss", "similarity", "dice_loss", "smoothness")


class Objective:
    """Loss ``similarity + w_dice * dice + lambda * smoothness`` of one pair.

    A pair of which a scan has no labels has no Dice term; its value is then 0.

    If the field of a training stage is on a coarser grid, the loss is computed on that grid. For all terms, voxel i of
    the coarse grid lies at ``stride * i`` of the images' grid. The fixed image is averaged around that position; the
    moving image and both label maps are sampled there.

    Args:
        settings: `loss` of a run, ``{similarity, dice, smoothness, regularise, padding}``.
        n_labels: number of labels, including the background.
    """

    def __init__(self, settings: Mapping[str, Any], n_labels: int) -> None:
        self._similarity = entry(SIMILARITIES, settings["similarity"], "loss.similarity").dissimilarity
        self._dice = SoftDice(n_labels)
        self._dice_weight: float = settings["dice"]
        self._smoothness_weight: float = settings["smoothness"]
        self._of_velocity = settings["regularise"] == "velocity"
        self._padding: str = settings["padding"]

    def __call__(self, network: RegistrationNetwork, fixed: Scan, moving: Scan) -> Tensor:
        """Compute values ``(4,)`` in the order of `TERMS`; training minimises the first, the others are unweighted."""
        stride = network.backbone.strides[network.backbone.stage]
        velocity = network.velocity(moving.image, fixed.image, fixed.regions, fixed.confidence)
        displacement = network.integrated(velocity)
        if stride == 1:
            displacement = network.on_images_grid(displacement, fixed.image.shape[2:])
        target = fixed.image
        for _ in range(stride.bit_length() - 1):
            target = halve(target)
        warped = warp(moving.image, displacement, self._padding, stride)
        similarity = self._similarity(target, warped, stride)
        dice = torch.zeros_like(similarity)
        if fixed.has_labels and moving.has_labels:
            fixed_labels, moving_labels = (scan.labels[..., ::stride, ::stride, ::stride] for scan in (fixed, moving))
            dice = self._dice(fixed_labels, moving_labels, displacement)
        rough = smoothness(velocity if self._of_velocity else displacement)
        loss = similarity + self._dice_weight * dice + self._smoothness_weight * rough
        return torch.stack((loss, similarity.detach(), dice.detach(), rough.detach()))
