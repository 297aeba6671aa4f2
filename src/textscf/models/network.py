"""A registration network from its configuration."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from textscf.errors import InputError
from textscf.models.backbones import Backbone, backbone_class
from textscf.models.heads import FrozenSCFHead, SCFHead, SCPHead
from textscf.spatial import integrate, resize_displacement


class RegistrationNetwork(nn.Module):
    """``phi = F(I_m, I_f, J_f)`` (paper, section 3.2): backbone with its heads, integration, field on the images' grid.

    The field is integrated on the grid that the backbone predicts it on, and then resized with rescaling.
    """

    def __init__(self, backbone: Backbone, heads: Sequence[nn.Module], integration_steps: int = 0) -> None:
        super().__init__()
        self.backbone = backbone
        self.heads = nn.ModuleList(heads)
        self.integration_steps = integration_steps

    @property
    def uses_regions(self) -> bool:
        """Whether the fixed image's regions are an input."""
        return any(isinstance(head, (SCFHead, FrozenSCFHead)) for head in self.heads)

    def forward(
        self, moving: Tensor, fixed: Tensor, regions: Tensor | None = None, confidence: Tensor | None = None
    ) -> Tensor:
        """The displacement field ``(B, 3, H, W, D)`` in voxels.

        Args:
            moving, fixed: images ``(B, 1, H, W, D)`` in [0, 1].
            regions: integer region of each voxel of `fixed`, ``(B, 1, H, W, D)``, for heads that use it.
            confidence: p(x) in [0, 1] of `regions`, same shape.
        """
        return resize_displacement(self.native(moving, fixed, regions, confidence), fixed.shape[2:])

    def native(
        self, moving: Tensor, fixed: Tensor, regions: Tensor | None = None, confidence: Tensor | None = None
    ) -> Tensor:
        """The displacement field ``(B, 3, h, w, d)`` on the grid, and in voxels of the grid, that the backbone uses."""
        heads = [
            partial(_field, head, regions=_every(level.stride, regions), confidence=_every(level.stride, confidence))
            for head, level in zip(self.heads, self.backbone.levels, strict=False)
        ]
        steps = max(self.integration_steps, self.backbone.integration_steps)
        return integrate(self.backbone(moving, fixed, heads), steps, self.backbone.outside)

    def train_stage(self, stage: int, alone: bool) -> None:
        """Use the backbone up to a training stage; `alone`: what earlier stages have trained is kept as it is."""
        self.backbone.stage = stage
        for index, module in enumerate(self.backbone.stage_modules()):
            trained = index == stage or not alone
            for part in (module, *self.heads[index : index + 1]):
                part.requires_grad_(trained)

    def frozen(self) -> "RegistrationNetwork":
        """The same function with the region filters computed once and stored."""
        heads = [
            FrozenSCFHead(head.region_filters().detach(), head.uniform, head.blend)
            if isinstance(head, SCFHead)
            else head
            for head in self.heads
        ]
        return RegistrationNetwork(self.backbone, heads, self.integration_steps)


def _field(head: nn.Module, features: Tensor, regions: Tensor | None, confidence: Tensor | None) -> Tensor:
    """A head's field, in single precision under autocast too: at 4 voxels bfloat16 has steps of 1/32."""
    kind = features.device.type
    with torch.autocast(kind, enabled=False) if torch.amp.is_autocast_available(kind) else nullcontext():
        return head(features.to(torch.promote_types(features.dtype, torch.float32)), regions, confidence)


def _every(stride: int, volume: Tensor | None) -> Tensor | None:
    return None if volume is None else volume[..., ::stride, ::stride, ::stride]


def build_backbone(settings: Mapping[str, Any]) -> Backbone:
    """Backbone from ``{name: ..., argument: value, ...}``; InputError for a wrong name or argument."""
    arguments = dict(settings)
    name = arguments.pop("name")
    try:
        return backbone_class(name)(**arguments)
    except TypeError as error:
        raise InputError(f"backbone {name}: {error}".replace("__init__() ", "")) from error


def build_network(settings: Mapping[str, Any], embedding: Tensor | None = None) -> RegistrationNetwork:
    """Untrained network of a run.

    Args:
        settings: ``{backbone: {...}, head: null or {kind, hidden_channels, ...}, integration_steps}``.
        embedding: region vectors ``(N, C1)`` for a run with a text-driven head.
    """
    backbone = build_backbone(settings["backbone"])
    heads = _build_heads(settings["head"], backbone, embedding)
    return RegistrationNetwork(backbone, heads, settings["integration_steps"])


def build_frozen_network(settings: Mapping[str, Any], n_regions: int) -> RegistrationNetwork:
    """Network of a run whose region filters come from a checkpoint (see `RegistrationNetwork.frozen`)."""
    head = settings["head"]
    if head and head["kind"] == "scf":
        settings = {**settings, "head": {**head, "hidden_channels": 1}}
    return build_network(settings, torch.zeros(n_regions, 1)).frozen()


def _build_heads(
    settings: Mapping[str, Any] | None, backbone: Backbone, embedding: Tensor | None
) -> Sequence[nn.Module]:
    if settings is None:
        return backbone.plain_heads()
    hidden = settings["hidden_channels"]
    if settings["kind"] == "scp":
        return [SCPHead(level.channels, hidden, settings["coordinate_stride"]) for level in backbone.levels]
    if embedding is None:
        raise ValueError("a text-driven head needs region embeddings")
    return [SCFHead(level.channels, embedding, hidden, settings["blend"]) for level in backbone.levels]
