"""Smooth fields: the spline reproduces what it must, the noise has its scale, nothing depends on the grid."""

import numpy as np
import pytest

from textscf.data.simulation.fields import resize, sample_spline, smooth_noise, voxel_centres


def test_voxel_centres_are_symmetric() -> None:
    assert voxel_centres(4, 2.0).tolist() == [-3.0, -1.0, 1.0, 3.0]


def test_a_linear_lattice_gives_a_linear_field() -> None:
    lattice = np.add.outer(np.add.outer(np.arange(6.0), 2 * np.arange(7.0)), -np.arange(8.0))
    x, y, z = np.array([1.2, 3.7]), np.array([2.0, 4.5, 4.9]), np.array([1.0, 5.25])
    field = sample_spline(lattice, [x, y, z])
    np.testing.assert_allclose(field, x[:, None, None] + 2 * y[:, None] - z, atol=1e-5)


def test_beyond_the_lattice_its_edge_continues() -> None:
    field = sample_spline(
        np.arange(5.0)[:, None, None] * np.ones((5, 3, 3)), [np.array([-9.0, 20.0])] + [np.zeros(1)] * 2
    )
    assert field.ravel().tolist() == [0.0, 4.0]


def test_resize_brings_a_strided_field_back() -> None:
    ramp = np.broadcast_to(np.arange(20, dtype=np.float32)[:, None, None], (20, 9, 9))
    restored = resize(ramp[::2, ::3, ::1], (20, 9, 9), (2, 3, 1))
    np.testing.assert_allclose(restored[3:16], ramp[3:16], atol=1e-4)


@pytest.mark.parametrize("scale", [10.0, 30.0])
def test_noise_has_unit_spread_and_the_asked_for_width(scale: float) -> None:
    noise = smooth_noise(np.random.default_rng(0), (120, 90, 100), (3.0, 3.0, 3.0), scale)
    assert abs(noise.mean()) < 0.15
    assert 0.85 < noise.std() < 1.15
    lag = round(2 * scale / 3)
    near = np.corrcoef(noise[:-1].ravel(), noise[1:].ravel())[0, 1]
    far = np.corrcoef(noise[:-lag].ravel(), noise[lag:].ravel())[0, 1]
    assert near > 0.9
    assert abs(far) < 0.35


def test_noise_is_the_same_field_on_a_finer_grid() -> None:
    coarse = smooth_noise(np.random.default_rng(3), (11, 11, 11), (8.0, 8.0, 8.0), 40.0)
    fine = smooth_noise(np.random.default_rng(3), (33, 33, 33), (8 / 3, 8 / 3, 8 / 3), 40.0)
    np.testing.assert_allclose(fine[1::3, 1::3, 1::3], coarse, atol=1e-4)
