"""Orientation, resampling and centre fitting on grids with three different sizes."""

import itertools

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from textscf.data import geometry

CODES = [
    "".join(letters) for axes in itertools.permutations(["LR", "PA", "IS"]) for letters in itertools.product(*axes)
]
SIZES = st.tuples(*[st.integers(1, 9)] * 3)


def ramp(shape: tuple[int, ...]) -> np.ndarray:
    """A volume whose voxels are all different and not zero."""
    return np.arange(1, np.prod(shape) + 1, dtype=np.float32).reshape(shape)


def rotation(degrees: float) -> np.ndarray:
    """Affine of 1 mm voxels turned about the third axis."""
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    affine = np.eye(4)
    affine[:2, :2] = [[cosine, -sine], [sine, cosine]]
    return affine


@given(stored=st.sampled_from(CODES), target=st.sampled_from(CODES), shape=SIZES)
def test_reorientation_is_undone_by_its_opposite(stored: str, target: str, shape: tuple[int, ...]) -> None:
    volume = ramp(shape)
    there = geometry.reorient(volume, stored, target)
    assert there.shape == tuple(shape[axis] for axis in geometry.axis_order(stored, target))
    np.testing.assert_array_equal(geometry.reorient(there, target, stored), volume)


@given(stored=st.sampled_from(CODES), target=st.sampled_from(CODES))
def test_reorientation_agrees_with_nibabel(stored: str, target: str) -> None:
    volume = ramp((2, 3, 4))
    image = nib.Nifti1Image(volume, geometry.centred_affine(stored, (1.0, 2.0, 3.0), volume.shape))
    transform = nib.orientations.ornt_transform(nib.io_orientation(image.affine), nib.orientations.axcodes2ornt(target))
    expected = image.as_reoriented(transform)
    np.testing.assert_array_equal(geometry.reorient(volume, stored, target), expected.get_fdata())
    spacing = np.array([1.0, 2.0, 3.0])[geometry.axis_order(stored, target)]
    np.testing.assert_allclose(
        expected.affine, geometry.centred_affine(target, tuple(spacing), expected.shape), atol=1e-9
    )


def test_flip_moves_a_voxel_to_the_other_end_of_its_axis() -> None:
    volume = np.zeros((2, 3, 4))
    volume[0, 1, 2] = 1
    assert geometry.reorient(volume, "RAS", "LAS")[1, 1, 2] == 1
    assert geometry.reorient(volume, "RAS", "SRA").shape == (4, 2, 3)
    assert geometry.reorient(volume, "RAS", "SRA")[2, 0, 1] == 1


@given(shape=SIZES, margins=st.tuples(*[st.integers(0, 5)] * 3))
def test_crop_undoes_padding(shape: tuple[int, ...], margins: tuple[int, ...]) -> None:
    volume = ramp(shape)
    larger = tuple(n + margin for n, margin in zip(shape, margins, strict=True))
    padded = geometry.centre_fit(volume, larger)
    assert padded.shape == larger
    assert padded.sum(dtype=np.float64) == volume.sum(dtype=np.float64)
    np.testing.assert_array_equal(geometry.centre_fit(padded, shape), volume)


def test_odd_difference_puts_the_extra_voxel_at_the_end() -> None:
    line = np.array([1, 2, 3, 4]).reshape(4, 1, 1)
    assert geometry.centre_fit(line, (7, 1, 1)).ravel().tolist() == [0, 1, 2, 3, 4, 0, 0]
    assert geometry.centre_fit(line, (1, 1, 1)).ravel().tolist() == [2]


@given(shape=st.tuples(*[st.integers(2, 8)] * 3), factor=st.sampled_from([0.5, 0.8, 1.0, 1.7]))
def test_resampling_is_zoom_by_the_ratio_of_spacings(shape: tuple[int, ...], factor: float) -> None:
    volume = np.random.default_rng(0).random(shape).astype(np.float32)
    spacing, target = np.array([factor, 1.0, 2.0]), np.array([1.0, 1.0, 2.0])
    resampled = geometry.resample(volume, spacing, target, order=2)
    np.testing.assert_allclose(resampled, ndimage.zoom(volume, [factor, 1, 1], order=2), atol=1e-5)
    assert resampled.shape == geometry.resampled_shape(shape, spacing, target)
    assert resampled.dtype == np.float32


def test_same_shape_is_left_as_it_is() -> None:
    volume = ramp((3, 4, 5))
    assert geometry.resample(volume, np.full(3, 0.9999), np.ones(3), order=2) is volume


@pytest.mark.parametrize("degrees", [0.0, 0.5, 5.0, 40.0])
def test_obliqueness_is_the_angle_to_the_nearest_axis(degrees: float) -> None:
    assert geometry.obliqueness(rotation(degrees)) == pytest.approx(degrees, abs=1e-4)
    assert geometry.obliqueness(rotation(90 + degrees) @ np.diag([2, 3, 4, 1])) == pytest.approx(degrees, abs=1e-4)


def test_corner_distance_of_shift_and_scale() -> None:
    shifted = np.eye(4)
    shifted[:3, 3] = [3, 4, 0]
    assert geometry.corner_distance(np.eye(4), shifted, (5, 6, 7)) == pytest.approx(5)
    assert geometry.corner_distance(np.eye(4), np.diag([1, 1, 1.1, 1]), (5, 6, 11)) == pytest.approx(1)


def test_centred_affine_puts_the_middle_of_the_grid_at_the_origin() -> None:
    affine = geometry.centred_affine("LAS", (4.0, 3.0, 2.0), (96, 80, 127))
    assert geometry.axis_codes(affine) == "LAS"
    np.testing.assert_allclose(affine @ [47.5, 39.5, 63, 1], [0, 0, 0, 1], atol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(affine[:3, :3], axis=0), [4, 3, 2])
