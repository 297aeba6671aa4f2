"""A registration network from its configuration."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from textscf.errors import InputError
from textscf.models.backbones import BACKBONES, Backbone
from textscf.models.heads import ConvolutionHead, FrozenSCFHead, SCFHead
from textscf.spatial import integrate, resize_displacement


class RegistrationNetwork(nn.Module):
    """``phi = F(I_m, I_f, J_f)`` (paper, section 3.2): features, head, integration, field on the images' grid.

    The head predicts coordinates in which the features' grid runs from -1 to 1, as the published LKU-Net does; they
    become voxels of that grid here. The field is integrated there and then resized with rescaling.
    """

    def __init__(self, backbone: Backbone, head: nn.Module, integration_steps: int = 0) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head
        self.integration_steps = integration_steps

    @property
    def uses_regions(self) -> bool:
        """Whether the fixed image's regions are an input."""
        return not isinstance(self.head, ConvolutionHead)

    def forward(
        self, moving: Tensor, fixed: Tensor, regions: Tensor | None = None, confidence: Tensor | None = None
    ) -> Tensor:
        """The displacement field ``(B, 3, H, W, D)`` in voxels.

        Args:
            moving, fixed: images ``(B, 1, H, W, D)`` in [0, 1].
            regions: integer region of each voxel of `fixed`, ``(B, 1, H, W, D)``, for heads that use it.
            confidence: p(x) in [0, 1] of `regions`, same shape.
        """
        features = self.backbone(moving, fixed)
        step = slice(None, None, self.backbone.stride)
        coarse = [None if x is None else x[..., step, step, step] for x in (regions, confidence)]
        half_extent = [(n - 1) / 2 for n in features.shape[2:]]
        velocity = self.head(features, *coarse).float() * fixed.new_tensor(half_extent).view(1, 3, 1, 1, 1)
        displacement = integrate(velocity, self.integration_steps)
        return resize_displacement(displacement, fixed.shape[2:])

    def frozen(self) -> "RegistrationNetwork":
        """The same function with the region filters computed once and stored."""
        if not isinstance(self.head, SCFHead):
            return self
        head = FrozenSCFHead(self.head.region_filters().detach(), self.head.uniform, self.head.blend)
        return RegistrationNetwork(self.backbone, head, self.integration_steps)


def build_backbone(settings: Mapping[str, Any]) -> Backbone:
    """Backbone from ``{name: ..., argument: value, ...}``; InputError for a wrong name or argument."""
    arguments = dict(settings)
    name = arguments.pop("name")
    try:
        return BACKBONES[name](**arguments)
    except TypeError as error:
        raise InputError(f"backbone {name}: {error}".replace("__init__() ", "")) from error


def build_network(settings: Mapping[str, Any], embedding: Tensor | None = None) -> RegistrationNetwork:
    """Untrained network of a run.

    Args:
        settings: ``{backbone: {...}, head: null or {hidden_channels, blend, ...}, integration_steps}``.
        embedding: region vectors ``(N, C1)`` for a run with a head.
    """
    backbone = build_backbone(settings["backbone"])
    head = _build_head(settings["head"], backbone.feature_channels, embedding)
    return RegistrationNetwork(backbone, head, settings["integration_steps"])


def build_frozen_network(settings: Mapping[str, Any], n_regions: int) -> RegistrationNetwork:
    """Network of a run whose region filters come from a checkpoint (see `RegistrationNetwork.frozen`)."""
    backbone = build_backbone(settings["backbone"])
    small = settings["head"] and {**settings["head"], "hidden_channels": 1}
    head = _build_head(small, backbone.feature_channels, torch.zeros(n_regions, 1))
    return RegistrationNetwork(backbone, head, settings["integration_steps"]).frozen()


def _build_head(settings: Mapping[str, Any] | None, channels: int, embedding: Tensor | None) -> nn.Module:
    if settings is None:
        return ConvolutionHead(channels)
    if embedding is None:
        raise ValueError("a text-driven head needs region embeddings")
    return SCFHead(channels, embedding, settings["hidden_channels"], settings["blend"])
