"""Networks with `published`: unit, range and start of their heads as in the publications' code."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.fields import constant_head
from textscf.models import RegistrationNetwork, build_network
from textscf.models.backbones.lku_net import LKUNet
from textscf.models.blocks import PublishedHead
from textscf.models.complexity import multi_adds, parameters
from textscf.models.network import build_backbone, build_frozen_network

SWIN: dict[str, Any] = {"embed_channels": 8, "depths": [1, 1, 1, 1], "attention_heads": [1, 1, 2, 2], "drop_path": 0.0}
SMALL: dict[str, dict[str, Any]] = {
    "lku_net": {"start_channels": 4},
    "lku_net at full resolution": {"start_channels": 4, "full_resolution": True},
    "fourier_net": {"start_channels": 4},
    "voxelmorph": {"encoder": [8, 8, 8, 8], "decoder": [8, 8, 8, 8, 8, 8]},
    "transmorph": SWIN,
    "tm_tvf": {**SWIN, "time_steps": 1},
}
HEADS: dict[str, dict[str, Any] | None] = {
    "plain": None,
    "scf": {"kind": "scf", "hidden_channels": 8, "blend": "additive"},
    "scp": {"kind": "scp", "hidden_channels": 8, "coordinate_stride": 4},
}
SHAPE = (32, 36, 40)


def settings_of(name: str, head: str = "plain", published: bool = True) -> dict[str, Any]:
    backbone = {"name": name.split()[0], **SMALL[name], "published": published}
    return {"backbone": backbone, "head": HEADS[head], "integration_steps": 0}


def images(*shape: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    return torch.rand(1, 1, *shape), torch.rand(1, 1, *shape), torch.randint(0, 5, (1, 1, *shape)), torch.rand(shape)


class _Constant(nn.Module):
    def forward(self, features: Tensor, regions: Tensor, confidence: Tensor) -> Tensor:
        return constant_head([1.5, -2.0, 0.5])(features)


@pytest.mark.parametrize("name", SMALL)
def test_a_head_predicts_voxels_of_the_images_grid(name: str) -> None:
    backbone = build_backbone(settings_of(name)["backbone"])
    field = RegistrationNetwork(backbone, [_Constant()])(*images(*SHAPE))
    inner = field[..., 6:-6, 6:-6, 6:-6]
    expected = torch.tensor([1.5, -2.0, 0.5]).view(1, 3, 1, 1, 1)
    torch.testing.assert_close(inner, expected.expand_as(inner), atol=1e-4, rtol=0)


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("name", SMALL)
def test_any_size_gradients_and_stored_filters(name: str, head: str) -> None:
    torch.manual_seed(0)
    settings = settings_of(name, head)
    network = build_network(settings, torch.randn(5, 6))
    for parameter in network.heads.parameters():
        nn.init.normal_(parameter, std=0.2)
    inputs = images(33, 37, 42)
    field = network(*inputs)
    assert field.shape == (1, 3, 33, 37, 42)
    field.square().sum().backward()
    assert [name for name, p in network.named_parameters() if p.grad is None or p.grad.abs().sum() == 0] == []
    frozen = build_frozen_network(settings, n_regions=5)
    frozen.load_state_dict(network.frozen().state_dict())
    torch.testing.assert_close(frozen(*inputs), field)


@pytest.mark.parametrize("name", SMALL)
def test_size_and_work_are_those_without_it(name: str) -> None:
    as_published, default = (build_network(settings_of(name, published=flag)) for flag in (True, False))
    assert parameters(as_published) == parameters(default)
    assert multi_adds(as_published, (64, 64, 64)) == multi_adds(default, (64, 64, 64))


@pytest.mark.parametrize("full_resolution", [False, True])
def test_the_softsign_of_lku_net_keeps_fields_within_half_the_images_edges(full_resolution: bool) -> None:
    """Coordinates in which the images' grid runs from -1 to 1, between -1 and 1."""
    network = build_network(settings_of("lku_net at full resolution" if full_resolution else "lku_net"))
    nn.init.normal_(network.heads[0].projection.weight, std=1e6)
    field = network(*images(*SHAPE)[:2])
    for component, n in enumerate(SHAPE):
        assert field[:, component].abs().max() < (n - 1) / 2
        assert field[:, component].abs().max() > 0.9 * (n - 1) / 2


def test_a_published_head_is_the_formula() -> None:
    torch.manual_seed(0)
    features = torch.randn(1, 6, 4, 5, 7)
    bounded, divided = PublishedHead(6, 2, bounded=True), PublishedHead(6, 4, divisor=64)
    divided.load_state_dict(bounded.state_dict())
    y = nn.functional.conv3d(features, bounded.projection.weight, padding=1)
    for axis, n in enumerate((4, 5, 7)):
        softsign = y[:, axis] / (1 + y[:, axis].abs())
        torch.testing.assert_close(bounded(features, None, None)[:, axis], softsign * (2 * n - 1) / 2)
        torch.testing.assert_close(divided(features, None, None)[:, axis], y[:, axis] * (4 * n - 1) / 128)


@pytest.mark.parametrize("name", ["lku_net", "fourier_net"])
def test_convolutions_and_heads_start_from_pytorchs_initialisation(name: str) -> None:
    """Uniform within the inverse root of the inputs, for kernels and biases."""
    torch.manual_seed(0)
    network = build_network(settings_of(name))
    convolutions = [module for module in network.modules() if type(module).__name__ == "Conv3d"]
    assert network.heads[0].projection in convolutions
    for module in convolutions:
        bound = math.sqrt(1 / (module.weight[0].numel()))
        assert 0.8 * bound < module.weight.abs().max() <= bound
        assert module.bias is None or 0 < module.bias.abs().max() <= bound
    default = build_network(settings_of(name, published=False))
    assert default.backbone.stem[0][0].bias.abs().max() == 0
    assert default.heads[0].projection.weight.abs().max() < 1e-4


@pytest.mark.parametrize("name", ["transmorph", "tm_tvf"])
def test_linear_layers_start_from_pytorchs_initialisation(name: str) -> None:
    torch.manual_seed(0)
    spread = {}
    for published in (False, True):
        backbone = build_backbone({**settings_of(name)["backbone"], "published": published})
        linear = [m for m in backbone.modules() if isinstance(m, nn.Linear)]
        spread[published] = max(float(m.weight.detach().abs().max() * m.in_features**0.5) for m in linear)
    assert spread[True] <= 1 + 1e-6
    assert spread[True] > 0.98
    assert spread[False] > 1.1 or spread[False] < 0.9


def test_a_text_driven_head_on_a_published_lku_net_is_not_bounded() -> None:
    """The released textSCF: voxels as the head predicts them, however many."""
    backbone = LKUNet(4, published=True)
    pair = images(*SHAPE)[:2]
    far = constant_head([100.0, 0.0, 0.0])
    assert backbone(*pair, [far])[:, 0].min() == 50.0
