"""Displacement heads, which turn backbone features into a field.

`ConvolutionHead` is the translation-invariant head of the comparators. `SCFHead` is the paper's head: its filters
depend on the region and are generated from text embeddings. `SCPHead` generates its filters from coordinates instead.

`SCFHead` and `SCPHead` have a `parametrisation`:

- ``plain``, the paper's: three linear layers with PyTorch's initialisation, and the embedding as the encoder gives it.
- ``scaled``: the embedding is divided by its root mean square, the layers start from He's initialisation and a
  near-zero output, and the output is scaled by 27 / (2 C_Phi). Then the first step of Adam changes a filter by the same
  amount for every encoder and every hidden width.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from textscf.models.convolution import Conv3d
from textscf.models.projection import project

_INITIAL_SCALE = 1e-5
_TAPS = 27


class ConvolutionHead(nn.Module):
    """A 3x3x3 convolution to 3 channels."""

    def __init__(self, feature_channels: int, bias: bool = False) -> None:
        super().__init__()
        self.projection = Conv3d(feature_channels, 3, 3, padding=1, bias=bias)
        nn.init.normal_(self.projection.weight, std=_INITIAL_SCALE)
        if self.projection.bias is not None:
            nn.init.zeros_(self.projection.bias)

    def forward(self, features: Tensor, regions: Tensor | None, confidence: Tensor | None) -> Tensor:
        """Map ``(B, C2, h, w, d)`` to a field ``(B, 3, h, w, d)``; regions and confidence are not used."""
        return self.projection(features)


class SCFHead(nn.Module):
    """Spatially covariant filters from region embeddings (paper, eqs. (3)-(4), Fig. 2).

    The filters ``Phi(B)`` are computed once per call for the N regions; see `textscf.models.projection`.

    Args:
        feature_channels: C2.
        embedding: ``(N, C1)`` region vectors, row 0 the background; a buffer, not trained.
        hidden_channels: C_Phi; the MLP is C1 -> C_Phi -> 2 C_Phi -> 3 C2.
        blend: ``convex``, eq. (4): ``u = (p W[J] + (1 - p) w_r)^T F``; or ``additive``, as in the released code: p is
            not used, a 3x3x3 convolution is added instead of ``w_r``, and each component has its own MLP.
        parametrisation: ``plain`` or ``scaled``, see the module's docstring.

    Examples:
        Features of 8 channels, a background and two regions with vectors of 16 numbers:

        >>> head = SCFHead(feature_channels=8, embedding=torch.randn(3, 16), hidden_channels=32)
        >>> features = torch.randn(1, 8, 6, 5, 4)
        >>> regions = torch.randint(3, (1, 1, 6, 5, 4))
        >>> confidence = torch.ones(1, 1, 6, 5, 4)
        >>> head(features, regions, confidence).shape
        torch.Size([1, 3, 6, 5, 4])
        >>> head.region_filters().shape
        torch.Size([3, 3, 8])
    """

    embedding: Tensor

    def __init__(
        self,
        feature_channels: int,
        embedding: Tensor,
        hidden_channels: int,
        blend: str = "convex",
        parametrisation: str = "plain",
    ) -> None:
        super().__init__()
        self.blend = blend
        self.feature_channels = feature_channels
        scaled = _is_scaled(parametrisation)
        vectors = embedding.float()
        self.register_buffer("embedding", vectors / vectors.square().mean().sqrt() if scaled else vectors)
        width = embedding.shape[1]
        if blend == "convex":
            self.filters = nn.ModuleList([_FilterMLP(width, hidden_channels, 3 * feature_channels, scaled)])
            self.uniform: nn.Module = Conv3d(feature_channels, 3, 1, bias=False)
        elif blend == "additive":
            self.filters = nn.ModuleList(_FilterMLP(width, hidden_channels, feature_channels, scaled) for _ in range(3))
            self.uniform = Conv3d(feature_channels, 3, 3, padding=1)
        else:
            raise ValueError(f"blend is '{blend}'; expected convex or additive")
        for parameter in self.uniform.parameters():
            nn.init.normal_(parameter, std=_INITIAL_SCALE)

    def region_filters(self) -> Tensor:
        """Filters ``(N, 3, C2)``: one per region and component."""
        parts = [mlp(self.embedding) for mlp in self.filters]
        return torch.cat(parts, dim=1).reshape(len(self.embedding), 3, self.feature_channels)

    def forward(self, features: Tensor, regions: Tensor, confidence: Tensor) -> Tensor:
        """Displacement field ``(B, 3, h, w, d)``.

        Args:
            features: ``(B, C2, h, w, d)``.
            regions: ``(B, 1, h, w, d)``, integer region of each voxel of the fixed image.
            confidence: ``(B, 1, h, w, d)``, p(x) in [0, 1].
        """
        return apply_filters(self.region_filters(), features, regions, confidence, self.uniform, self.blend)


class FrozenSCFHead(nn.Module):
    """`SCFHead` with its filters stored: inference needs neither the MLP nor a text encoder (paper, 4.3.4)."""

    stored: Tensor

    def __init__(self, filters: Tensor, uniform: nn.Module, blend: str) -> None:
        super().__init__()
        self.register_buffer("stored", filters)
        self.uniform = uniform
        self.blend = blend

    def forward(self, features: Tensor, regions: Tensor, confidence: Tensor) -> Tensor:
        """See `SCFHead.forward`."""
        return apply_filters(self.stored, features, regions, confidence, self.uniform, self.blend)


class SCPHead(nn.Module):
    """Filters from voxel coordinates instead of text, without regions (paper, eq. (2); Table 1, row 0).

    Phi is evaluated at every `coordinate_stride`-th coordinate, and its filters are interpolated trilinearly in
    between: an MLP at full resolution would cost more than the rest of the network.

    Args:
        feature_channels: C2.
        hidden_channels: C_Phi; the MLP is 3 -> C_Phi -> 2 C_Phi -> 3 C2.
        coordinate_stride: voxels of the features' grid between two evaluations of Phi.
        parametrisation: ``plain`` or ``scaled``, see the module's docstring.
    """

    def __init__(
        self, feature_channels: int, hidden_channels: int, coordinate_stride: int, parametrisation: str = "plain"
    ) -> None:
        super().__init__()
        self.filters = _FilterMLP(3, hidden_channels, 3 * feature_channels, _is_scaled(parametrisation))
        self.coordinate_stride = coordinate_stride

    def forward(self, features: Tensor, regions: Tensor | None, confidence: Tensor | None) -> Tensor:
        """Map ``(B, C2, h, w, d)`` to a field ``(B, 3, h, w, d)``; regions and confidence are not used."""
        shape = features.shape[2:]
        counts = [max(2, -(-n // self.coordinate_stride)) for n in shape]
        axes = [torch.linspace(-1, 1, n, device=features.device) for n in counts]
        coordinates = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1).reshape(-1, 3)
        filters = self.filters(coordinates).T.reshape(3, -1, *counts)
        components = [
            functional.interpolate(part[None], size=shape, mode="trilinear", align_corners=True).mul(features).sum(1)
            for part in filters
        ]
        return torch.stack(components, dim=1)


def apply_filters(
    filters: Tensor, features: Tensor, regions: Tensor, confidence: Tensor, uniform: nn.Module, blend: str
) -> Tensor:
    """Project each voxel on the filter of its region and blend with the uniform filter; arguments as in `SCFHead`."""
    covariant = project(filters, features, regions)
    if blend == "additive":
        return covariant + uniform(features)
    return confidence * covariant + (1 - confidence) * uniform(features)


class _FilterMLP(nn.Sequential):
    """The implicit function Phi: C1 -> C_Phi -> 2 C_Phi -> outputs, with ReLUs in between (paper, Fig. 2)."""

    def __init__(self, inputs: int, hidden: int, outputs: int, scaled: bool) -> None:
        layers = [nn.Linear(inputs, hidden), nn.Linear(hidden, 2 * hidden), nn.Linear(2 * hidden, outputs)]
        super().__init__(layers[0], nn.ReLU(), layers[1], nn.ReLU(), layers[2])
        self._scale = _TAPS / (2 * hidden) if scaled else 1.0
        if scaled:
            for layer in layers:
                nn.init.kaiming_normal_(layer.weight)
                nn.init.zeros_(layer.bias)
            nn.init.normal_(layers[2].weight, std=_INITIAL_SCALE)

    def forward(self, vectors: Tensor) -> Tensor:
        """Map ``(N, C1)`` to ``(N, outputs)``."""
        return super().forward(vectors) * self._scale


def _is_scaled(parametrisation: str) -> bool:
    if parametrisation not in ("plain", "scaled"):
        raise ValueError(f"parametrisation is '{parametrisation}'; expected plain or scaled")
    return parametrisation == "scaled"
