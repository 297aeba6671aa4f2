"""TransMorph and TM-TVF: published counts, conversion at their boundaries, time steps."""

import pytest
import torch
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from tests.fields import constant_head, shifted_pair
from textscf.models import build_network
from textscf.models.backbones.transmorph import SwinEncoder, TransMorph
from textscf.models.backbones.transmorph_tvf import TransMorphTVF
from textscf.spatial import resize_displacement, warp

LARGE = {"embed_channels": 128, "depths": [2, 2, 12, 2], "attention_heads": [4, 4, 8, 16]}
SMALL = {"embed_channels": 4, "depths": [2, 1, 1, 1], "attention_heads": [1, 1, 2, 2], "head_channels": 4}


@pytest.mark.parametrize(
    ("settings", "count"),
    [
        ({"name": "transmorph", **LARGE}, 108_343_907),
        ({"name": "tm_tvf", **LARGE, "time_steps": 12}, 108_989_780),
    ],
)
def test_parameter_counts_of_the_published_large_networks(settings: dict, count: int) -> None:
    """Of the authors' repositories: TransMorph-Large, and TransMorphTVFForward with its 12 time steps."""
    network = build_network({"backbone": settings, "head": None, "integration_steps": 0})
    assert sum(p.numel() for p in network.parameters()) == count


def test_multi_adds_of_the_published_large_network() -> None:
    """207.8 G of weights at 96x96x128, less what padding 3x3x4 maps to windows of 5x6x7 costs in the last stage."""
    with torch.device("meta"):
        network = build_network({"backbone": {"name": "transmorph", **LARGE}, "head": None, "integration_steps": 0})
        image = torch.zeros(1, 1, 96, 96, 128)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network.eval()(image, image)
    counts = counter.get_flop_counts()["Global"]
    giga = sum(count for operation, count in counts.items() if "bmm" not in str(operation)) / 2e9
    padding = 2 * (5 * 6 * 7 - 3 * 3 * 4) * 4 * 1024**2 / 1e9
    assert giga + padding == pytest.approx(207.8, abs=0.05)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_shift_is_recovered(axis: int) -> None:
    fixed, moving, inside = shifted_pair((33, 37, 42), axis, 3)
    value = [2 * 3 / (n - 1) * (a == axis) for a, n in enumerate(fixed.shape[2:])]
    field = TransMorph(**SMALL).eval()(moving, fixed, [constant_head(value)])
    torch.testing.assert_close(warp(moving, field)[inside], fixed[inside], atol=1e-4, rtol=0)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_time_steps_add_up_to_a_shift_on_the_half_grid(axis: int) -> None:
    """Three steps of half a voxel of the half grid are 3 voxels of the whole one, where that has twice the size."""
    shape = (34, 38, 42)
    fixed, moving, inside = shifted_pair(shape, axis, 3)
    value = [2 * 0.5 / (n // 2 - 1) * (a == axis) for a, n in enumerate(shape)]
    network = TransMorphTVF(**SMALL, time_steps=3).eval()
    field = network(moving, fixed, [constant_head(value)] * 3)
    assert field.shape == (1, 3, 17, 19, 21)
    full = resize_displacement(field, shape)
    torch.testing.assert_close(warp(moving, full)[inside], fixed[inside], atol=1e-3, rtol=0)


def test_a_time_step_grows_the_field_as_published_and_sees_what_is_warped_so_far() -> None:
    torch.manual_seed(0)
    moving, fixed = torch.rand(2, 1, 1, 32, 32, 32)
    network = TransMorphTVF(**SMALL, time_steps=2).eval()
    velocities = [0.05 * functional.avg_pool3d(torch.randn(1, 3, 16, 16, 16), 5, 1, 2) for _ in range(2)]
    seen = []
    network.skips[1].register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    field = network(moving, fixed, [lambda features, v=v: v for v in velocities])
    v = [velocity * 7.5 for velocity in velocities]
    first = warp(v[0], v[0], padding_mode="border")
    torch.testing.assert_close(field, first + warp(v[1], v[1], padding_mode="border"))
    low = functional.avg_pool3d(moving, 3, 2, 1, count_include_pad=False)
    torch.testing.assert_close(seen[0][:, :1], warp(low, first))


def test_stochastic_depth_grows_with_depth() -> None:
    encoder = SwinEncoder(4, (2, 1, 1, 1), (1, 1, 2, 2), (5, 6, 7), 0.4)
    rates = [getattr(block.drop_path, "drop_prob", 0.0) for stage in encoder.stages for block in stage.blocks]
    assert rates == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])
