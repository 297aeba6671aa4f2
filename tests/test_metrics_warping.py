"""The label warp against scipy's, at halves and outside of the volume too."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from textscf.metrics.warping import warp_labels
from textscf.spatial import warp_labels as warp_on_device

SHAPE = (7, 9, 11)


def slow_warp(moving: np.ndarray, displacement: np.ndarray) -> np.ndarray:
    grid = np.stack(np.meshgrid(*map(np.arange, moving.shape), indexing="ij"))
    return ndimage.map_coordinates(moving, grid + displacement.astype(np.float64).transpose(3, 0, 1, 2), order=0)


def moving_labels() -> np.ndarray:
    return np.random.default_rng(0).integers(1, 200, SHAPE).astype(np.uint8)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_shift_pulls_back_along_its_axis(axis: int) -> None:
    moving, displacement = moving_labels(), np.zeros((*SHAPE, 3), np.float32)
    displacement[..., axis] = 3
    expected = np.zeros(SHAPE, np.uint8)
    n = SHAPE[axis]
    np.moveaxis(expected, axis, 0)[: n - 3] = np.moveaxis(moving, axis, 0)[3:]
    np.testing.assert_array_equal(warp_labels(moving, displacement), expected)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("scale", [0.3, 2.0, 30.0])
def test_random_fields(dtype: type, scale: float) -> None:
    displacement = np.random.default_rng(1).normal(0, scale, (*SHAPE, 3)).astype(dtype)
    moving = moving_labels()
    np.testing.assert_array_equal(warp_labels(moving, displacement), slow_warp(moving, displacement))


def test_halves_round_up_and_outside_is_background() -> None:
    moving = moving_labels()
    halves = np.random.default_rng(2).integers(-6, 7, (*SHAPE, 3)) / 2
    warped = warp_labels(moving, halves)
    np.testing.assert_array_equal(warped, slow_warp(moving, halves))
    assert (warped == 0).any()

    displacement = np.zeros((*SHAPE, 3))
    displacement[..., 0] = 0.5
    np.testing.assert_array_equal(warp_labels(moving, displacement)[:-1], moving[1:])
    assert not warp_labels(moving, displacement)[-1].any()


@pytest.mark.parametrize("edge", [0.5 - 2**-25, -0.5, -0.5 - 2**-24, -1e-30, 1e-30, 2**-24])
def test_coordinates_next_to_a_half_and_to_the_border(edge: float) -> None:
    moving = moving_labels()
    displacement = np.full((*SHAPE, 3), edge, np.float32)
    np.testing.assert_array_equal(warp_labels(moving, displacement), slow_warp(moving, displacement))


def test_keeps_the_type_and_the_input() -> None:
    moving = moving_labels().astype(np.int16)
    before = moving.copy()
    assert warp_labels(moving, np.ones((*SHAPE, 3), np.float32)).dtype == np.int16
    np.testing.assert_array_equal(moving, before)


@pytest.mark.parametrize("scale", [0.3, 2.0, 30.0])
def test_the_warp_on_the_device_is_the_same(scale: float) -> None:
    displacement = np.random.default_rng(1).normal(0, scale, (*SHAPE, 3)).astype(np.float32)
    displacement[:3] = np.rint(2 * displacement[:3]) / 2
    moving = moving_labels()
    field = torch.from_numpy(displacement).movedim(-1, 0)[None]
    warped = warp_on_device(torch.from_numpy(moving)[None, None], field)
    assert warped.dtype == torch.uint8
    np.testing.assert_array_equal(warped[0, 0], warp_labels(moving, displacement))


def test_on_the_device_a_position_that_is_not_a_number_is_background() -> None:
    field = torch.full((1, 3, *SHAPE), float("nan"))
    assert not warp_on_device(torch.from_numpy(moving_labels())[None, None], field).any()
