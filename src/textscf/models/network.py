"""The registration network and its construction from a run's settings."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from textscf.errors import InputError
from textscf.files.registry import BACKBONES, entry
from textscf.models.backbone import Backbone
from textscf.models.heads import FrozenSCFHead, SCFHead, SCPHead
from textscf.spatial import integrate, upsample_displacement


class RegistrationNetwork(nn.Module):
    """Registration network ``phi = F(I_m, I_f, J_f)`` (paper, section 3.2): backbone, heads and integration.

    The field is integrated on the grid on which the backbone predicts it, and then interpolated to the images' grid.

    Args:
        backbone: the network that computes features and combines the heads' fields.
        heads: one for each level of the backbone.
        integration_steps: number of squarings in scaling and squaring; 0 for no integration.
        placement: position of a half-resolution field on the images' grid, see `upsample_displacement`.
    """

    def __init__(
        self, backbone: Backbone, heads: Sequence[nn.Module], integration_steps: int = 0, placement: str = "aligned"
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.heads = nn.ModuleList(heads)
        self.integration_steps = max(integration_steps, backbone.integration_steps)
        self.placement = placement

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
            regions: ``(B, 1, H, W, D)``, integer region of each voxel of `fixed`, for heads that use regions.
            confidence: confidence p(x) in [0, 1] of `regions`, same shape.
        """
        return self.on_images_grid(self.native(moving, fixed, regions, confidence), fixed.shape[2:])

    def native(
        self, moving: Tensor, fixed: Tensor, regions: Tensor | None = None, confidence: Tensor | None = None
    ) -> Tensor:
        """The displacement field ``(B, 3, h, w, d)`` on the backbone's own grid, in voxels of that grid."""
        return self.integrated(self.velocity(moving, fixed, regions, confidence))

    def velocity(
        self, moving: Tensor, fixed: Tensor, regions: Tensor | None = None, confidence: Tensor | None = None
    ) -> Tensor:
        """The field before integration, ``(B, 3, h, w, d)``; without integration it is the displacement."""
        heads = [
            partial(_field, head, regions=_every(level.stride, regions), confidence=_every(level.stride, confidence))
            for head, level in zip(self.heads, self.backbone.levels, strict=False)
        ]
        return self.backbone(moving, fixed, heads)

    def integrated(self, velocity: Tensor) -> Tensor:
        """Integrate a velocity to a displacement, both ``(B, 3, h, w, d)``."""
        return integrate(velocity, self.integration_steps, self.backbone.outside)

    def on_images_grid(self, displacement: Tensor, shape: Sequence[int]) -> Tensor:
        """Interpolate a displacement from the backbone's grid to ``(B, 3, *shape)``, in voxels of the images' grid."""
        return upsample_displacement(displacement, self.backbone.field_stride, shape, self.placement)

    def train_stage(self, stage: int, alone: bool) -> None:
        """Use the backbone up to a training stage; with `alone`, earlier training stages stay frozen."""
        self.backbone.stage = stage
        for index, module in enumerate(self.backbone.stage_modules()):
            trained = index == stage or not alone
            for part in (module, *self.heads[index : index + 1]):
                part.requires_grad_(trained)

    def frozen(self) -> "RegistrationNetwork":
        """A network that computes the same function with stored region filters."""
        heads = [
            FrozenSCFHead(head.region_filters().detach(), head.uniform, head.blend)
            if isinstance(head, SCFHead)
            else head
            for head in self.heads
        ]
        return RegistrationNetwork(self.backbone, heads, self.integration_steps, self.placement)


def _field(head: nn.Module, features: Tensor, regions: Tensor | None, confidence: Tensor | None) -> Tensor:
    """A head's field, in single precision even under autocast: near 4 voxels, bfloat16 has steps of 1/32."""
    kind = features.device.type
    with torch.autocast(kind, enabled=False) if torch.amp.is_autocast_available(kind) else nullcontext():
        return head(features.to(torch.promote_types(features.dtype, torch.float32)), regions, confidence)


def _every(stride: int, volume: Tensor | None) -> Tensor | None:
    return None if volume is None else volume[..., ::stride, ::stride, ::stride]


def build_backbone(settings: Mapping[str, Any]) -> Backbone:
    """Build a backbone from ``{name: ..., argument: value, ...}``; InputError for a wrong name or argument."""
    arguments = dict(settings)
    name = arguments.pop("name")
    backbone: type[Backbone] = entry(BACKBONES, name, "backbone").BACKBONE
    try:
        return backbone(**arguments)
    except TypeError as error:
        raise InputError(f"backbone {name}: {error}".replace("__init__() ", "")) from error


def build_network(settings: Mapping[str, Any], embedding: Tensor | None = None) -> RegistrationNetwork:
    """Build the untrained network of a run.

    Args:
        settings: ``{backbone: {...}, head: null or {kind, hidden_channels, ...}, integration_steps, placement}``.
        embedding: region vectors ``(N, C1)`` for a run with a text-driven head.
    """
    backbone = build_backbone(settings["backbone"])
    heads = _build_heads(settings["head"], backbone, embedding)
    return RegistrationNetwork(backbone, heads, settings["integration_steps"], settings.get("placement", "aligned"))


def build_frozen_network(settings: Mapping[str, Any], n_regions: int) -> RegistrationNetwork:
    """Build the network of a run whose region filters come from a checkpoint (see `RegistrationNetwork.frozen`)."""
    head = settings["head"]
    if head and head["kind"] == "scf":
        settings = {**settings, "head": {**head, "hidden_channels": 1}}
    return build_network(settings, torch.zeros(n_regions, 1)).frozen()


def _build_heads(
    settings: Mapping[str, Any] | None, backbone: Backbone, embedding: Tensor | None
) -> Sequence[nn.Module]:
    if settings is None:
        return backbone.plain_heads()
    kind = settings["kind"]
    options = {key: value for key, value in settings.items() if key != "kind"}
    if kind == "scp":
        return [SCPHead(level.channels, **options) for level in backbone.levels]
    if embedding is None:
        raise ValueError("a text-driven head needs region embeddings")
    return [SCFHead(level.channels, embedding, **options) for level in backbone.levels]
