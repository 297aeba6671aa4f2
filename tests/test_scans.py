"""One subject's transformation to the cohort's grid, in numbers."""

from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from tests.scan_files import turned
from textscf.data.geometry import centred_affine
from textscf.data.recipe import Recipe
from textscf.data.scans import StoredScan, read_scan, renumbered, transform
from textscf.errors import InputError
from textscf.files.io import write_nifti
from textscf.world.grid import Grid

RECIPE = Recipe(
    axes="header",
    orientation="RAS",
    source_spacing=None,
    spacing=(1.0, 1.0, 1.0),
    shape=(6, 7, 8),
    intensity="clip",
    intensity_range=(-500.0, 800.0),
    labels=(1, 2),
)


def scan(shape: tuple[int, ...] = (6, 7, 8), axes: str = "RAS", spacing: tuple[float, ...] = (1, 1, 1)) -> StoredScan:
    """A scan with noise from -1000 to 1000 and random labels."""
    generator = np.random.default_rng(0)
    image = generator.uniform(-1000, 1000, shape).astype(np.float32)
    affine = centred_affine(axes, spacing, shape)
    return StoredScan(image, generator.integers(0, 3, shape).astype(np.uint8), axes, spacing, affine, affine)


def test_clip_maps_its_range_to_zero_and_one() -> None:
    stored = scan()
    image, labels = transform(stored, RECIPE)
    assert (image.dtype, labels.dtype) == (np.float32, np.uint8)
    np.testing.assert_allclose(image, (np.clip(stored.image, -500, 800) + 500) / 1300, atol=1e-6)
    np.testing.assert_array_equal(labels, stored.labels)


def test_percentiles_are_of_the_whole_stored_scan() -> None:
    stored = scan((12, 7, 8))
    recipe = replace(RECIPE, intensity="percentile", intensity_range=(10.0, 90.0))
    low, high = np.percentile(stored.image, (10, 90))
    expected = np.clip((stored.image - low) / (high - low), 0, 1)[3:9]
    np.testing.assert_allclose(transform(stored, recipe)[0], expected, atol=1e-6)


def test_none_leaves_intensities_alone() -> None:
    stored = scan()
    stored = replace(stored, image=(stored.image + 1000) / 2000)
    image, _ = transform(stored, replace(RECIPE, intensity="none", intensity_range=(0.0, 1.0)))
    np.testing.assert_array_equal(image, stored.image)


def test_spacing_follows_its_axis_through_reorientation() -> None:
    stored = scan((8, 5, 6), axes="PSR", spacing=(1.0, 2.0, 1.0))
    image, labels = transform(stored, replace(RECIPE, shape=(6, 8, 10)))
    turned = stored.labels.transpose(2, 0, 1)[:, ::-1]
    np.testing.assert_array_equal(labels, ndimage.zoom(turned, (1, 1, 2), order=0))
    assert image.shape == (6, 8, 10)


def test_images_are_resampled_with_order_two_and_stay_in_range() -> None:
    stored = scan((12, 14, 16), spacing=(0.5, 0.5, 0.5))
    image, _ = transform(stored, RECIPE)
    normalised = (np.clip(stored.image, -500, 800) + 500) / 1300
    resampled = ndimage.zoom(normalised, 0.5, order=2)
    assert (resampled.min() < 0) | (resampled.max() > 1)
    np.testing.assert_allclose(image, np.clip(resampled, 0, 1), atol=1e-6)


def test_padding_is_zero_in_both() -> None:
    image, labels = transform(scan((2, 7, 8)), RECIPE)
    assert image[:2].max() == labels[:2].max() == image[4:].max() == labels[4:].max() == 0
    assert image[2:4].max() > 0


def test_stated_axes_and_spacing_override_the_header(tmp_path: Path) -> None:
    stored = scan((3, 4, 5))
    oblique = np.eye(4)
    oblique[:2, :2] = [[0.8, -0.6], [0.6, 0.8]]
    write_nifti(tmp_path / "image.nii.gz", stored.image, oblique)
    write_nifti(tmp_path / "labels.nii.gz", stored.labels, np.eye(4))
    recipe = replace(RECIPE, axes="LAS", source_spacing=(2.0, 2.0, 2.0))
    found = read_scan("s", tmp_path / "image.nii.gz", tmp_path / "labels.nii.gz", recipe)
    assert isinstance(found, StoredScan)
    assert (found.axes, found.spacing) == ("LAS", (2.0, 2.0, 2.0))


def test_header_gives_axes_and_spacing(tmp_path: Path) -> None:
    stored = scan((3, 4, 5))
    affine = np.array([[0, 0, 3, 1], [-1, 0, 0, 2], [0, 2, 0, 3], [0, 0, 0, 1]], dtype=float)
    write_nifti(tmp_path / "image.nii.gz", stored.image, affine)
    write_nifti(tmp_path / "labels.nii.gz", stored.labels, affine)
    found = read_scan("s", tmp_path / "image.nii.gz", tmp_path / "labels.nii.gz", RECIPE)
    assert isinstance(found, StoredScan)
    assert (found.axes, found.spacing) == ("PSR", (1.0, 2.0, 3.0))


def test_every_fault_of_a_subject_is_found_at_once(tmp_path: Path) -> None:
    stored = scan((3, 4, 5))
    write_nifti(tmp_path / "image.nii.gz", np.full((3, 4, 5), np.nan, np.float32), np.eye(4))
    write_nifti(tmp_path / "labels.nii.gz", stored.labels + np.uint8(7), np.eye(4))
    found = read_scan("s", tmp_path / "image.nii.gz", tmp_path / "labels.nii.gz", RECIPE)
    assert isinstance(found, list)
    assert [Path(rejection.file).name for rejection in found] == ["image.nii.gz", "labels.nii.gz"]
    assert found[0].reason.startswith("60 voxels are NaN")
    assert found[1].reason == "labels 7, 8, 9 are not in the anatomy; expected 0 and 1 to 2"


@pytest.mark.parametrize("shift", [0.05, 0.2])
def test_small_differences_of_affines_are_tolerated(tmp_path: Path, shift: float) -> None:
    stored = scan((3, 4, 5))
    moved = np.eye(4)
    moved[0, 3] = shift
    write_nifti(tmp_path / "image.nii.gz", stored.image, np.eye(4))
    write_nifti(tmp_path / "labels.nii.gz", stored.labels, moved)
    found = read_scan("s", tmp_path / "image.nii.gz", tmp_path / "labels.nii.gz", RECIPE)
    assert isinstance(found, StoredScan if shift < 0.1 else list)


def labelled(degrees: float, shear: float = 0.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Image, labels and affine of a box that stands upright in the world, on a grid of 1.5 mm that does not."""
    shape = (40, 44, 36)
    affine = turned((0, 0, degrees), (1.5, 1.5, 1.5), (0, 0, 0), shape)
    affine[:3, :3] = affine[:3, :3] @ np.array([[1, shear, 0], [0, 1, 0], [0, 0, 1]])
    affine[:3, 3] = -affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    points = np.abs(Grid(shape, affine).points())
    labels = ((points < [12, 9, 6]).all(axis=-1) * 1).astype(np.uint8)
    return 800 * labels.astype(np.float32) - 100, labels, affine


@pytest.mark.parametrize(("degrees", "shear"), [(12.0, 0.0), (-35.0, 0.0), (0.0, 0.1)])
def test_an_oblique_or_skew_scan_is_resampled_through_its_affine(
    tmp_path: Path, degrees: float, shear: float, caplog: pytest.LogCaptureFixture
) -> None:
    image, labels, affine = labelled(degrees, shear)
    for name, data in (("image", image), ("labels", labels)):
        nib.save(nib.Nifti1Image(data, affine), tmp_path / f"{name}.nii.gz")
    recipe = replace(RECIPE, shape=(36, 36, 36), labels=(1,))
    stored = read_scan("s", tmp_path / "image.nii.gz", tmp_path / "labels.nii.gz", recipe)
    assert isinstance(stored, StoredScan)
    prepared = transform(stored, recipe)[1]
    places = np.abs(np.stack(np.meshgrid(*[np.arange(36) - 17.5] * 3, indexing="ij"), -1))
    expected = (places < [12, 9, 6]).all(axis=-1)
    overlap = 2 * (expected & (prepared == 1)).sum() / (expected.sum() + (prepared == 1).sum())
    assert overlap > 0.9
    assert ("skew by 5.7 degrees" in caplog.text) == (shear > 0)


def test_numbers_of_stored_label_maps_are_those_of_the_anatomy() -> None:
    stored = np.zeros((6, 7, 8), np.int16)
    stored[1, 2, 3], stored[2, 3, 4], stored[3, 3, 3] = 17, 53, 1000
    recipe = replace(RECIPE, values=((53,), (17,)))
    with pytest.raises(InputError, match="labels 1000 are not in the anatomy; expected 0 and 53, 17"):
        renumbered(stored, recipe)
    labels = renumbered(stored, replace(recipe, other_labels="background"))
    assert (labels[1, 2, 3], labels[2, 3, 4], labels[3, 3, 3], labels.max()) == (2, 1, 0, 2)
    with pytest.raises(InputError, match="no voxel is labelled"):
        renumbered(np.full((2, 2, 2), 9), replace(recipe, other_labels="background"))


def test_a_structure_may_have_several_numbers_in_stored_label_maps() -> None:
    stored = np.array([[[0, 101, 103, 58, 1000]]])
    recipe = replace(RECIPE, values=((101, 103, 105), (58,)))
    with pytest.raises(InputError, match="labels 1000 are not in the anatomy; expected 0 and 101, 103, 105, 58"):
        renumbered(stored, recipe)
    np.testing.assert_array_equal(renumbered(stored, replace(recipe, other_labels="background")), [[[0, 1, 1, 2, 0]]])


def test_values_of_an_anatomy_stand_for_one_structure_each() -> None:
    structures = [{"label": 1, "name": "a", "value": 17}, {"label": 2, "name": "b"}]
    preprocess = {"axes": "header", "orientation": "RAS", "spacing": [1, 1, 1], "shape": [8, 8, 8],
                  "intensity": {"kind": "none"}}  # fmt: skip
    config = {"name": "c", "anatomy": {"structures": structures}, "preprocess": preprocess}
    assert Recipe.from_config(config).values == ((17,), (2,))
    assert Recipe.from_config({**config, "from_one": {"seed": 1}}).values == ((1,), (2,))
    for value in (17, [18, 17]):
        structures[1]["value"] = value
        with pytest.raises(InputError, match="cohort c: value 17 of the anatomy stands for two structures"):
            Recipe.from_config(config)
