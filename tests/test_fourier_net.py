"""Fourier-Net: published counts, its inverse Fourier transform, conversion at its boundary, heads, gradients."""

import math

import numpy as np
import pytest
import torch

from tests.fields import constant_head, shifted_pair
from textscf.models import build_network
from textscf.models.backbones.fourier_net import FourierNet, band_limited
from textscf.models.complexity import multi_adds, parameters
from textscf.spatial import warp

HEADS = {
    "plain": None,
    "scf": {"kind": "scf", "hidden_channels": 8, "blend": "convex", "parametrisation": "scaled"},
    "scp": {"kind": "scp", "hidden_channels": 8, "coordinate_stride": 8, "parametrisation": "scaled"},
}


def settings_of(head: str, start_channels: int = 2) -> dict:
    backbone = {"name": "fourier_net", "start_channels": start_channels}
    return {"backbone": backbone, "head": HEADS[head], "integration_steps": 0}


def reference(coarse: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """Real part of the sum over the coarse grid's waves, each written out on the finer grid, in float64."""
    waves = []
    for old, new in zip(coarse.shape, shape, strict=True):
        frequency = np.arange(old) - old // 2
        analysis = np.exp(-2j * np.pi * np.outer(frequency, np.arange(old)) / old) / old
        waves.append(np.exp(2j * np.pi * np.outer(np.arange(new), frequency) / new) @ analysis)
    return np.einsum("Hh,Ww,Dd,hwd->HWD", *waves, coarse).real


@pytest.mark.parametrize(
    ("channels", "reachable", "published"), [(8, 1_050_800, 1_113_766), (32, 16_783_760, 17_789_782)]
)
def test_parameters_of_the_published_network(channels: int, reachable: int, published: int) -> None:
    """Counted on the authors' 3-D code; four convolutions and two upsamplings of its total reach no output."""
    n = channels
    convolutions = [(4 * n, 4 * n), (4 * n, 2 * n), (3 * n, 2 * n), (2 * n, 2 * n)]
    unused = sum(27 * a * b + b + 1 for a, b in convolutions) + 2 * (8 * (2 * n) ** 2 + 2 * n + 1)
    network = build_network(settings_of("plain", channels))
    assert parameters(network) == reachable == published - unused


def test_multi_adds_of_the_published_network() -> None:
    """92.19 G for 32 start channels at 96x80x128, measured on the authors' 3-D code; the transform counts nothing."""
    assert round(multi_adds(build_network(settings_of("plain", 32)), (96, 80, 128)) / 1e9, 2) == 92.19


@pytest.mark.parametrize(("old", "new"), [((4, 6, 8), (16, 24, 32)), ((3, 4, 5), (9, 15, 17)), ((4, 5, 3), (4, 20, 3))])
def test_the_transform_equals_the_sum_of_waves(old: tuple[int, int, int], new: tuple[int, int, int]) -> None:
    coarse = np.random.default_rng(0).normal(size=(2, 3, *old))
    fine = band_limited(torch.from_numpy(coarse), new).numpy()
    expected = np.array([[reference(component, new) for component in sample] for sample in coarse])
    np.testing.assert_allclose(fine, expected, atol=1e-12, rtol=0)


@pytest.mark.parametrize("old", [(4, 5, 6), (7, 4, 3)])
def test_a_constant_stays_the_constant(old: tuple[int, int, int]) -> None:
    fine = band_limited(torch.full((1, 3, *old), 0.7, dtype=torch.float64), (17, 20, 23))
    torch.testing.assert_close(fine, torch.full((1, 3, 17, 20, 23), 0.7, dtype=torch.float64), atol=1e-14, rtol=0)


@pytest.mark.parametrize(("old", "new"), [(8, 32), (9, 35), (8, 31), (7, 28)])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_wave_is_the_same_wave_on_the_finer_grid(axis: int, old: int, new: int) -> None:
    def wave(n: int) -> torch.Tensor:
        values = torch.cos(2 * math.pi * 3 * torch.arange(n, dtype=torch.float64) / n + 0.4)
        return values.view([n if a == axis else 1 for a in range(3)]).expand([n if a == axis else 6 for a in range(3)])

    fine = band_limited(wave(old)[None, None], wave(new).shape)
    torch.testing.assert_close(fine[0, 0], wave(new), atol=1e-13, rtol=0)


def test_values_of_the_coarse_grid_are_kept_where_its_voxels_lie() -> None:
    coarse = torch.randn(1, 2, 5, 6, 8, dtype=torch.float64)
    torch.testing.assert_close(band_limited(coarse, (20, 24, 32))[..., ::4, ::4, ::4], coarse, atol=1e-13, rtol=0)


def test_gradient_of_the_transform() -> None:
    coarse = torch.randn(1, 1, 2, 3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: band_limited(x, (5, 6, 9)), coarse)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_shift_is_recovered(axis: int) -> None:
    fixed, moving, inside = shifted_pair((17, 22, 27), axis, 3)
    value = [2 * 3 / (n - 1) * (a == axis) for a, n in enumerate(fixed.shape[2:])]
    field = FourierNet(2)(moving, fixed, [constant_head(value)])
    assert field.shape == (1, 3, 17, 22, 27)
    torch.testing.assert_close(warp(moving, field)[inside], fixed[inside], atol=1e-4, rtol=0)


def test_features_and_their_field_lie_on_every_fourth_voxel_of_any_size() -> None:
    image = torch.rand(1, 1, 17, 22, 31)
    coarse, shapes = 0.1 * torch.randn(1, 3, 5, 6, 8), []
    field = FourierNet(2)(image, image, [lambda features: shapes.append(features.shape) or coarse])
    assert shapes == [(1, 4, 5, 6, 8)]
    half_extent = torch.tensor([8, 10.5, 15]).view(1, 3, 1, 1, 1)
    torch.testing.assert_close(field[..., ::4, ::4, ::4], coarse * half_extent, atol=1e-4, rtol=0)


@pytest.mark.parametrize("head", HEADS)
def test_heads_start_near_zero_and_gradients_reach_every_parameter(head: str) -> None:
    torch.manual_seed(0)
    network = build_network(settings_of(head), torch.randn(5, 6))
    shape = (2, 1, 32, 33, 36)
    inputs = (torch.rand(shape), torch.rand(shape), torch.randint(0, 5, shape), torch.rand(shape))
    assert network(*inputs).abs().max() < 1e-2
    for parameter in network.heads.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    field = network(*inputs)
    assert field.shape == (2, 3, *shape[2:])
    field.square().sum().backward()
    without = [name for name, p in network.named_parameters() if p.grad is None or p.grad.abs().sum() == 0]
    assert without == []
