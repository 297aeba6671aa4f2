"""TM-TVF: published counts, how the field grows, boundary conversion, shapes, gradients."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from tests.fields import constant_head, shifted_pair
from textscf.models import RegistrationNetwork, build_network
from textscf.models.backbones.tm_tvf import TransMorphTVF
from textscf.models.complexity import complexity
from textscf.spatial import identity_grid, upsample_displacement, warp

LARGE = {"name": "tm_tvf", "embed_channels": 128, "depths": [2, 2, 12, 2], "attention_heads": [4, 4, 8, 16]}
SMALL: dict[str, Any] = {
    "embed_channels": 8,
    "depths": [2, 1, 1, 1],
    "attention_heads": [2, 2, 4, 4],
    "window": [3, 2, 4],
    "drop_path": 0.0,
    "head_channels": 4,
    "time_steps": 3,
}
HEAD = {"kind": "scf", "hidden_channels": 8, "blend": "convex"}


def small_network(head: dict | None = None) -> RegistrationNetwork:
    settings = {"backbone": {"name": "tm_tvf", **SMALL}, "head": head, "integration_steps": 0}
    return build_network(settings, torch.randn(5, 6))


@pytest.mark.parametrize(("time_steps", "count"), [(12, 108_989_780), (8, 108_611_336)])
def test_parameter_counts_of_the_published_large_network(time_steps: int, count: int) -> None:
    """The counts of the authors' forward network, with the numbers of steps of their two training scripts."""
    with torch.device("meta"):
        network = build_network({"backbone": {**LARGE, "time_steps": time_steps}, "head": None, "integration_steps": 0})
    assert sum(p.numel() for p in network.parameters()) == count


def test_multi_adds_of_the_published_large_network() -> None:
    """202.204250112 G with weights for 8 steps at 96x96x128, counted on the authors' code."""
    with torch.device("meta"):
        network = build_network({"backbone": {**LARGE, "time_steps": 8}, "head": None, "integration_steps": 0})
    assert complexity(network, (96, 96, 128)).multi_adds == 202_204_250_112


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_shift_of_three_voxels_is_the_sum_of_the_steps(axis: int) -> None:
    """Each step predicts a part of the shift on the half grid; the network rescales the sum to the images' grid."""
    shape = (33, 37, 42)
    fixed, moving, _ = shifted_pair(shape, axis, 3)
    half = [-(-n // 2) for n in shape]
    full = [3 / (h - 1) * (a == axis) for a, h in enumerate(half)]
    inner = (slice(None), slice(None), *(slice(4, -6),) * 3)
    backbone = TransMorphTVF(**SMALL)
    heads = [constant_head([share * value for value in full]) for share in (0.5, 0.2, 0.3)]
    assert backbone(moving, fixed, heads).shape == (1, 3, *half)
    network = RegistrationNetwork(backbone, [_Fixed(head) for head in heads])
    field = network(moving, fixed)
    expected = torch.tensor([3.0 * (a == axis) for a in range(3)]).view(1, 3, 1, 1, 1)
    torch.testing.assert_close(field[inner], expected.expand_as(field)[inner], atol=1e-4, rtol=0)
    torch.testing.assert_close(warp(moving, field)[inner], fixed[inner], atol=1e-3, rtol=0)


class _Fixed(torch.nn.Module):
    """A function of features as a head."""

    def __init__(self, head: Any) -> None:
        super().__init__()
        self.head = head

    def forward(self, features: Tensor, regions: Tensor | None, confidence: Tensor | None) -> Tensor:
        return self.head(features)


def test_each_step_adds_its_velocity_looked_up_at_itself_and_sees_what_is_warped_so_far() -> None:
    torch.manual_seed(0)
    moving, fixed = torch.rand(2, 1, 1, 32, 32, 32)
    backbone = TransMorphTVF(**{**SMALL, "time_steps": 2})
    outputs = [functional.avg_pool3d(torch.randn(1, 3, 16, 16, 16), 5, 1, 2) for _ in range(2)]
    seen: list[Tensor] = []
    for skip in backbone.skips:
        skip.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    field = backbone(moving, fixed, [lambda _, v=v: v for v in outputs])
    first, second = (warp(7.5 * v, 7.5 * v) for v in outputs)
    half_moving, half_fixed = (functional.avg_pool3d(image, 3, 2, 1) for image in (moving, fixed))
    torch.testing.assert_close(field, first + second)
    torch.testing.assert_close(seen[0], torch.cat((half_moving, half_fixed), dim=1))
    torch.testing.assert_close(seen[1], torch.cat((warp(half_moving, first), half_fixed), dim=1))


def test_published_numbers_are_voxels_of_both_grids_and_lookups_zoom() -> None:
    """Inside the network a lookup is PyTorch's without aligned corners, of places normalised for aligned ones."""
    torch.manual_seed(0)
    moving, fixed = torch.rand(2, 1, 1, 32, 36, 40)
    backbone = TransMorphTVF(**{**SMALL, "time_steps": 2}, published=True)
    outputs = [functional.avg_pool3d(10 * torch.randn(1, 3, 16, 18, 20), 5, 1, 2) for _ in range(2)]
    seen: list[Tensor] = []
    backbone.skips[1].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    field = RegistrationNetwork(backbone, [_Fixed(lambda _, v=v: v) for v in outputs])(moving, fixed)

    def look_up(volume: Tensor, displacement: Tensor) -> Tensor:
        places = (identity_grid((16, 18, 20)) + displacement)[0]
        axes = [2 * (place / (n - 1) - 0.5) for place, n in zip(places, (16, 18, 20), strict=True)]
        return functional.grid_sample(volume, torch.stack(axes[::-1], dim=-1)[None], align_corners=False)

    first, second = (look_up(v, v) for v in outputs)
    torch.testing.assert_close(
        field, upsample_displacement(first + second, 2, (32, 36, 40), "aligned") / 2, atol=1e-4, rtol=1e-4
    )
    expected = look_up(functional.avg_pool3d(moving, 3, 2, 1), first)
    torch.testing.assert_close(seen[0][:, :1], expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("shape", [(17, 17, 17), (33, 37, 42), (18, 50, 31)])
def test_any_volume_size_works_and_starts_from_a_near_zero_field(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    image = torch.rand(1, 1, *shape)
    network = small_network()
    field = network.native(image, torch.rand_like(image))
    assert field.shape == (1, 3, *(-(-n // 2) for n in shape))
    assert 0 < field.abs().max() < 0.05
    assert network(image, image).shape == (1, 3, *shape)


@pytest.mark.parametrize("head", [None, HEAD])
def test_gradients_reach_every_parameter(head: dict | None) -> None:
    torch.manual_seed(0)
    network = small_network(head)
    for parameter in network.heads.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    image, other = torch.rand(2, 1, 1, 42, 39, 51)
    network(image, other, torch.randint(0, 5, image.shape), torch.rand_like(image)).square().sum().backward()
    assert [name for name, p in network.named_parameters() if p.grad is None or p.grad.abs().sum() == 0] == []
