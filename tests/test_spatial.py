"""Warping, resizing and integrating against float64 SciPy and analytic fields."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter, map_coordinates

from textscf.spatial import compose, halve, identity_grid, integrate, upsample_displacement, warp

SHAPE = (9, 12, 15)


def smooth_field(shape: tuple[int, ...], size: float, seed: int = 0) -> torch.Tensor:
    """A smooth random field ``(1, 3, H, W, D)``, float64, of at most `size` voxels."""
    noise = np.random.default_rng(seed).normal(size=(3, *shape))
    field = np.stack([gaussian_filter(component, 3) for component in noise])
    return torch.from_numpy(field / np.abs(field).max() * size)[None]


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_shift_of_three_voxels_pulls_back_along_its_own_axis(axis: int) -> None:
    moving = torch.arange(np.prod(SHAPE), dtype=torch.float64).reshape(1, 1, *SHAPE)
    displacement = torch.zeros(1, 3, *SHAPE, dtype=torch.float64)
    displacement[:, axis] = 3
    kept = [slice(None)] * 5
    kept[2 + axis] = slice(0, SHAPE[axis] - 3)
    expected = moving.roll(-3, 2 + axis)
    torch.testing.assert_close(warp(moving, displacement)[tuple(kept)], expected[tuple(kept)])


def test_warp_equals_scipy_inside_the_volume() -> None:
    moving = np.random.default_rng(1).normal(size=SHAPE)
    displacement = smooth_field(SHAPE, 2.5)
    position = (displacement + identity_grid(SHAPE, dtype=torch.float64))[0].numpy()
    expected = map_coordinates(moving, position, order=1, mode="constant")
    inside = np.all([(p >= 0) & (p <= n - 1) for p, n in zip(position, SHAPE, strict=True)], axis=0)
    warped = warp(torch.from_numpy(moving)[None, None], displacement)[0, 0].numpy()
    assert inside.mean() > 0.5
    np.testing.assert_allclose(warped[inside], expected[inside], atol=1e-12)


def test_what_lies_outside_is_zero_unless_the_border_is_asked_for() -> None:
    moving = torch.ones(1, 1, *SHAPE)
    displacement = torch.full((1, 3, *SHAPE), 50.0)
    assert warp(moving, displacement).abs().max() == 0
    assert warp(moving, displacement, padding_mode="border").min() == 1


def test_warp_gradient() -> None:
    moving = torch.rand(1, 2, 4, 5, 6, dtype=torch.float64, requires_grad=True)
    displacement = (smooth_field((4, 5, 6), 0.8) + 0.11).requires_grad_()
    assert torch.autograd.gradcheck(warp, (moving, displacement))


@pytest.mark.parametrize("stride", [1, 4])
def test_a_field_of_another_grid_is_not_upsampled(stride: int) -> None:
    with pytest.raises(ValueError, match=r"a field of \[8, 9, 10\] voxels for \[16, 18, 20\] and a stride of"):
        upsample_displacement(torch.zeros(1, 3, 8, 9, 10), stride, (16, 18, 20), "aligned")


def test_compose_of_translations_adds_them() -> None:
    first = torch.full((1, 3, *SHAPE), 1.5)
    second = torch.full((1, 3, *SHAPE), -0.25)
    torch.testing.assert_close(compose(first, second), torch.full((1, 3, *SHAPE), 1.25))


def test_composition_warps_like_warping_twice() -> None:
    first, second = smooth_field(SHAPE, 1.0, seed=1), smooth_field(SHAPE, 1.0, seed=2)
    linear = identity_grid(SHAPE, dtype=torch.float64)
    twice = warp(warp(linear, first, "border"), second, "border")
    once = warp(linear, compose(first, second), "border")
    inner = (slice(None), slice(None), *(slice(3, -3),) * 3)
    torch.testing.assert_close(twice[inner], once[inner], atol=1e-9, rtol=0)


def test_integrating_a_linear_velocity_gives_the_matrix_exponential() -> None:
    rate = 0.3
    centred = identity_grid((33, 5, 5), dtype=torch.float64) - torch.tensor([16.0, 2.0, 2.0]).view(1, 3, 1, 1, 1)
    velocity = centred * torch.tensor([rate, 0.0, 0.0]).view(1, 3, 1, 1, 1)
    displacement = integrate(velocity, 7)
    expected = centred[:, :1] * (np.exp(rate) - 1)
    near = slice(10, 23)
    torch.testing.assert_close(displacement[:, :1, near], expected[:, :1, near], rtol=5e-3, atol=1e-3)


@pytest.mark.parametrize(("padding_mode", "last"), [("zeros", 0.4375 + 0.5625 * 0.4375), ("border", 1.0)])
def test_a_velocity_beyond_the_volume_is_zero_or_its_value_at_the_border(padding_mode: str, last: float) -> None:
    """A shift by one voxel in two squarings.

    With zeros outside, the last voxel's 0.25 is looked up 0.25 beyond the end, 0.25 + 0.75 * 0.25 = 0.4375, and this
    0.4375 beyond the end, 0.4375 + 0.5625 * 0.4375.
    """
    velocity = torch.zeros(1, 3, *SHAPE, dtype=torch.float64)
    velocity[:, 0] = 1
    displacement = integrate(velocity, 2, padding_mode)[0, 0, :, 5, 5]
    torch.testing.assert_close(displacement[:-2], torch.ones(SHAPE[0] - 2, dtype=torch.float64))
    assert displacement[-1] == pytest.approx(last)


def test_no_integration_steps_return_the_field() -> None:
    velocity = smooth_field(SHAPE, 1.0)
    torch.testing.assert_close(integrate(velocity, 0), velocity)


def test_the_integral_of_the_negative_velocity_is_the_inverse() -> None:
    velocity = smooth_field((20, 20, 20), 1.5)
    round_trip = compose(integrate(velocity, 7), integrate(-velocity, 7))
    assert round_trip[..., 4:-4, 4:-4, 4:-4].abs().max() < 0.05


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_coarse_field_samples_the_image_at_every_fourth_voxel(axis: int) -> None:
    """A linear ramp and a shift of half a coarse voxel, which is two voxels of the image."""
    shape = (21, 14, 19)
    ramp = identity_grid(shape, dtype=torch.float64)[:, axis : axis + 1]
    field = torch.zeros(1, 3, *(-(-n // 4) for n in shape), dtype=torch.float64)
    field[:, axis] = 0.5
    sampled = warp(ramp, field, stride=4)[0, 0].movedim(axis, 0)[:, 1, 1]
    inside = sampled[:-1]
    torch.testing.assert_close(inside, 4.0 * torch.arange(len(inside), dtype=torch.float64) + 2)


@pytest.mark.parametrize("stride", [2, 4])
@pytest.mark.parametrize("placement", ["aligned", "released"])
def test_a_linear_field_stays_linear_on_the_finer_grid(stride: int, placement: str) -> None:
    shape = (17, 22, 24)
    first = 0.0 if placement == "aligned" else (stride - 1) / 2
    coarse = identity_grid([-(-n // stride) for n in shape], dtype=torch.float64)
    fine = upsample_displacement(coarse, stride, shape, placement)
    assert fine.shape == (1, 3, *shape)
    for axis in range(3):
        expected = torch.arange(shape[axis], dtype=torch.float64) - first
        reached = slice(stride, shape[axis] - 2 * stride)
        values = fine[0, axis].movedim(axis, 0)[reached]
        torch.testing.assert_close(values, expected[reached].view(-1, 1, 1).expand_as(values))


def test_halving_counts_the_padding_as_zeros_where_it_is_asked_to() -> None:
    ones = halve(torch.ones(1, 1, 5, 6, 5, dtype=torch.float64), count_padding=True)[0, 0]
    torch.testing.assert_close(ones[:, 1, 1], torch.tensor([2 / 3, 1.0, 2 / 3], dtype=torch.float64))
    torch.testing.assert_close(ones[1, :, 1], torch.tensor([2 / 3, 1.0, 1.0], dtype=torch.float64))


def test_halving_averages_what_lies_inside() -> None:
    image = torch.arange(5, dtype=torch.float64).view(1, 1, 5, 1, 1).expand(1, 1, 5, 5, 5)
    torch.testing.assert_close(halve(image)[0, 0, :, 1, 1], torch.tensor([0.5, 2.0, 3.5], dtype=torch.float64))
