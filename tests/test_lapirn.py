"""LapIRN: published counts, order and unit of its fields, stages, and the diffeomorphic variant."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from tests.fields import constant_head, shifted_pair
from textscf.models import RegistrationNetwork, build_network
from textscf.models.backbone import voxels
from textscf.models.backbones.lapirn import LapIRN
from textscf.models.complexity import multi_adds, parameters
from textscf.spatial import halve, integrate, warp


def network_of(steps: int = 0, channels: int = 2, head: dict | None = None) -> RegistrationNetwork:
    backbone = {"name": "lapirn", "start_channels": channels, "integration_steps": steps}
    return build_network({"backbone": backbone, "head": head, "integration_steps": 0}, torch.randn(5, 6))


def zero(features: Tensor) -> Tensor:
    return features[:, :3] * 0


@pytest.mark.parametrize(("channels", "count", "giga"), [(32, 19_045_248, 2219.3), (7, 923_748, 111.5)])
def test_counts_of_the_published_network(channels: int, count: int, giga: float) -> None:
    """The counts of the authors' three-level displacement network at 96x80x128."""
    network = network_of(channels=channels)
    assert parameters(network) == count
    assert round(multi_adds(network, (96, 80, 128)) / 1e9, 1) == giga


def bounded(axis: int, voxels: float, size: int) -> Callable[[Tensor], Tensor]:
    """A head whose value the published softsign and range turn into a shift along `axis`, in reversed order."""
    y = 2 * voxels / (size - 1) / 0.4
    return constant_head([y / (1 - y) * (component == 2 - axis) for component in range(3)])


@pytest.mark.parametrize("steps", [0, 7])
@pytest.mark.parametrize("level", [0, 1, 2])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_shift_by_any_level_is_recovered(axis: int, level: int, steps: int) -> None:
    shape = (23, 27, 35)
    fixed, moving, inside = shifted_pair(shape, axis, 3)
    heads = [zero, zero, zero]
    heads[level] = bounded(axis, 3, shape[axis])
    field = integrate(LapIRN(2, steps)(moving, fixed, heads), steps, "border")
    assert field.shape == (1, 3, *shape)
    torch.testing.assert_close(warp(moving, field)[inside], fixed[inside], atol=2e-3, rtol=0)


@pytest.mark.parametrize(("stage", "shape"), [(0, (5, 6, 8)), (1, (9, 12, 15)), (2, (17, 23, 30))])
def test_each_stage_predicts_on_its_own_grid(stage: int, shape: tuple[int, ...]) -> None:
    network = network_of()
    image = torch.rand(1, 1, 17, 23, 30)
    network.train_stage(stage, alone=False)
    assert network.native(image, image).shape == (1, 3, *shape)
    assert network(image, image).shape == (1, 3, 17, 23, 30)


def test_a_frozen_stage_trains_alone() -> None:
    network = network_of(head={"kind": "scf", "hidden_channels": 4, "blend": "convex"})
    for parameter in network.heads.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    image, regions = torch.rand(2, 1, 1, 20, 20, 20), torch.randint(0, 5, (1, 1, 20, 20, 20))

    def trained() -> set[str]:
        network.zero_grad(set_to_none=True)
        network(*image, regions, torch.rand(1, 1, 20, 20, 20)).square().sum().backward()
        names = [name for name, p in network.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0]
        return {".".join(name.split(".")[:3]) for name in names}

    pyramid = [f"backbone.pyramid.{k}" for k in range(3)]
    heads = [{f"heads.{k}.filters", f"heads.{k}.uniform"} for k in range(3)]
    network.train_stage(1, alone=True)
    assert trained() == {pyramid[1], *heads[1]}
    network.train_stage(1, alone=False)
    assert trained() == {*pyramid[:2], *heads[0], *heads[1]}
    network.train_stage(2, alone=False)
    assert trained() == {*pyramid, *heads[0], *heads[1], *heads[2]}


def test_the_diffeomorphic_variant_returns_a_velocity_that_the_network_integrates() -> None:
    """The coarsest level sees no field, so that both variants predict the same there."""
    torch.manual_seed(0)
    images = torch.rand(2, 1, 1, 16, 20, 24)
    displacement, diffeomorphic = network_of(0), network_of(5)
    for parameter in displacement.heads.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    diffeomorphic.load_state_dict(displacement.state_dict())
    for network in (displacement, diffeomorphic):
        network.train_stage(0, alone=False)
    velocity = displacement.native(*images)
    torch.testing.assert_close(diffeomorphic.velocity(*images), velocity)
    torch.testing.assert_close(diffeomorphic.native(*images), integrate(velocity, 5, "border"))
    assert (diffeomorphic.native(*images) - velocity).abs().max() > 1e-4


def test_a_level_is_shown_the_moving_image_as_warped_by_the_integrated_velocity_below() -> None:
    torch.manual_seed(0)
    images = torch.rand(2, 1, 1, 24, 28, 32)
    backbone, seen = LapIRN(2, 5), []
    coarse = torch.tensor([0.2, -0.3, 0.4]).view(1, 3, 1, 1, 1) * torch.rand(1, 3, 6, 7, 8)
    backbone.pyramid[1].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    backbone(*images, [lambda features: coarse, zero, zero])
    below = 0.4 * functional.softsign(coarse)
    velocity = voxels(functional.interpolate(below, scale_factor=2, mode="trilinear").flip(1))
    displacement = integrate(voxels(below.flip(1)), 5, "border") / voxels(torch.ones(1, 3, 6, 7, 8))
    displacement = voxels(functional.interpolate(displacement, scale_factor=2, mode="trilinear"))
    torch.testing.assert_close(seen[0][:, :1], warp(halve(images[0]), displacement, "border"), atol=1e-4, rtol=0)
    torch.testing.assert_close(voxels(seen[0][:, 2:].flip(1)), velocity, atol=1e-4, rtol=0)


def test_published_heads_start_from_the_convolutions_own_initialisation() -> None:
    spread = {}
    for published in (False, True):
        heads = LapIRN(2, published=published).plain_heads()
        spread[published] = torch.cat([head.projection.weight.flatten() for head in heads]).std()
    bound = (8 * 27) ** -0.5
    torch.testing.assert_close(spread[True], torch.tensor(bound / 3**0.5), rtol=0.1, atol=0)
    assert spread[False] < 1e-4
