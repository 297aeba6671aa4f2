"""Simulated subjects: reproducible, complete, anatomically sane, not solvable by intensity alone."""

import time
from functools import cache
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from textscf.data.simulation import simulate_image, simulate_phantom_subject
from textscf.errors import InputError
from textscf.files.io import read_yaml

SPLEEN, RIGHT_KIDNEY, LEFT_KIDNEY, LIVER, STOMACH, AORTA, RIGHT_ADRENAL, LEFT_ADRENAL = 1, 2, 3, 6, 7, 8, 12, 13
DEMO = ((48, 40, 64), (7.5, 7.2, 6.0))
PAPER = ((96, 80, 128), (4.0, 4.0, 4.0))


@pytest.fixture(scope="module")
def phantom(root: Path) -> dict[str, Any]:
    return read_yaml(root / "config/phantoms/abdomen.yaml")


@cache
def subject(number: int, grid: tuple[Any, Any] = DEMO) -> tuple[np.ndarray, np.ndarray]:
    phantom = read_yaml(Path(__file__).resolve().parents[1] / "config/phantoms/abdomen.yaml")
    return simulate_phantom_subject(phantom, number, 2024, *grid)


def centroid(labels: np.ndarray, label: int) -> np.ndarray:
    return np.argwhere(labels == label).mean(axis=0)


def dice(a: np.ndarray, b: np.ndarray) -> float:
    values = [2 * ((a == v) & (b == v)).sum() / max(1, (a == v).sum() + (b == v).sum()) for v in range(1, 14)]
    return float(np.mean(values))


def test_same_seed_same_bytes_and_every_subject_differs(phantom: dict[str, Any]) -> None:
    image, labels = subject(1)
    again, labels_again = simulate_phantom_subject(phantom, 1, 2024, *DEMO)
    assert again.tobytes() == image.tobytes()
    assert labels_again.tobytes() == labels.tobytes()
    other_seed, _ = simulate_phantom_subject(phantom, 1, 2025, *DEMO)
    assert not np.array_equal(other_seed, image)
    assert dice(labels, subject(2)[1]) < 0.7


def test_global_random_state_plays_no_part(phantom: dict[str, Any]) -> None:
    np.random.seed(1)  # noqa: NPY002
    state = np.random.get_state()[1].tobytes()  # type: ignore[index, union-attr]  # noqa: NPY002
    image, _ = simulate_phantom_subject(phantom, 1, 2024, *DEMO)
    assert np.random.get_state()[1].tobytes() == state  # type: ignore[index, union-attr]  # noqa: NPY002
    assert np.array_equal(image, subject(1)[0])


@pytest.mark.parametrize("number", range(1, 31))
def test_every_organ_is_there_in_one_piece_with_enough_voxels(number: int) -> None:
    image, labels = subject(number)
    assert (image.dtype, labels.dtype, image.shape) == (np.float32, np.uint8, labels.shape)
    for label in range(1, 14):
        organ = labels == label
        assert organ.sum() >= 12, f"label {label}"
        sizes = np.bincount(ndimage.label(organ, np.ones((3, 3, 3)))[0].ravel())[1:]
        assert sizes.max() >= 0.9 * sizes.sum(), f"label {label} in pieces {sizes}"


@pytest.mark.parametrize("number", range(1, 8))
def test_sides_and_heights_are_right(number: int) -> None:
    """Axes run left, anterior, superior: what is on the patient's right has the smaller first index."""
    _, labels = subject(number)
    for right, left in ((LIVER, SPLEEN), (RIGHT_KIDNEY, LEFT_KIDNEY), (RIGHT_ADRENAL, LEFT_ADRENAL), (LIVER, STOMACH)):
        assert centroid(labels, right)[0] < centroid(labels, left)[0]
    assert centroid(labels, RIGHT_KIDNEY)[2] < centroid(labels, LIVER)[2]
    assert centroid(labels, AORTA)[1] < centroid(labels, STOMACH)[1]


def test_initial_overlap_of_the_test_split_is_that_of_real_abdomens() -> None:
    labels = [subject(number)[1] for number in range(24, 31)]
    values = [dice(a, b) for a in labels for b in labels if a is not b]
    assert 0.25 < np.mean(values) < 0.36


def test_volumes_are_those_of_real_organs() -> None:
    millilitres = np.prod(DEMO[1]) / 1000
    mean = {v: np.mean([(subject(n)[1] == v).sum() for n in range(1, 31)]) * millilitres for v in range(1, 14)}
    for label, (low, high) in {LIVER: (1300, 2200), SPLEEN: (120, 400), LEFT_KIDNEY: (110, 220),
                               STOMACH: (250, 700), AORTA: (60, 140)}.items():  # fmt: skip
        assert low < mean[label] < high


@pytest.mark.parametrize("shape", [(33, 27, 41), (64, 64, 64), (40, 40, 90), (57, 81, 35)])
@pytest.mark.parametrize("spacing", [(2.0, 2.0, 2.0), (8.0, 7.0, 9.0)])
def test_any_grid_shows_all_organs(phantom: dict[str, Any], shape: tuple[int, ...], spacing: tuple[float, ...]) -> None:
    image, labels = simulate_phantom_subject(phantom, 2, 5, shape, spacing)
    assert image.shape == labels.shape == shape
    assert np.isfinite(image).all()
    assert len(np.unique(labels)) >= 13


def test_the_anatomy_does_not_depend_on_the_grid(phantom: dict[str, Any]) -> None:
    _, coarse = simulate_phantom_subject(phantom, 3, 2024, (31, 25, 33), (12.0, 12.0, 12.0))
    _, fine = simulate_phantom_subject(phantom, 3, 2024, (93, 75, 99), (4.0, 4.0, 4.0))
    assert np.array_equal(fine[1::3, 1::3, 1::3], coarse)


def test_a_paper_sized_subject_takes_under_two_seconds(phantom: dict[str, Any]) -> None:
    subject(1)
    start = time.process_time()
    simulate_phantom_subject(phantom, 1, 2024, *PAPER)
    assert time.process_time() - start < 2


def test_hounsfield_units_are_whole_in_range_and_of_the_right_order() -> None:
    image, labels = subject(4)
    assert np.array_equal(image, np.rint(image))
    assert image.min() >= -1024
    assert image.max() < 1500
    assert image[0, 0].mean() == pytest.approx(-1000, abs=30)
    assert 60 < image[labels == LIVER].mean() < 140
    assert image[labels == LEFT_KIDNEY].mean() > image[labels == LIVER].mean()


def test_intensity_alone_does_not_find_the_organs() -> None:
    """Even with this scan's own organ means, the nearest one names less than half of the organ voxels."""
    for number in range(24, 31):
        image, labels = subject(number)
        means = np.array([image[labels == label].mean() for label in range(1, 14)])
        nearest = np.abs(image[labels > 0][:, None] - means).argmin(axis=1) + 1
        assert (nearest == labels[labels > 0]).mean() < 0.5


def test_neighbouring_organs_overlap_in_intensity() -> None:
    image, labels = subject(24)
    for first, second in ((LIVER, SPLEEN), (LEFT_KIDNEY, SPLEEN), (LEFT_ADRENAL, 11)):
        a, b = (image[ndimage.binary_erosion(labels == v) if v < 10 else labels == v] for v in (first, second))
        assert abs(np.median(a) - np.median(b)) < 2 * (a.std() + b.std())


def test_contrast_differs_between_subjects() -> None:
    means = [image[labels == AORTA].mean() for image, labels in map(subject, range(1, 11))]
    assert np.std(means) > 10


def test_a_real_label_map_gets_a_body(shared: Path, phantom: dict[str, Any]) -> None:
    path = shared / "data/AbdomenCTCT/labelsTr/AbdomenCTCT_0024_0000.nii.gz"
    labels = np.asarray(nib.load(path).dataobj).astype(np.uint8)[::2, ::2, ::2]
    image = simulate_image(labels, phantom, 24, 7, (4.0, 4.0, 4.0))
    assert image.tobytes() == simulate_image(labels, phantom, 24, 7, (4.0, 4.0, 4.0)).tobytes()
    assert 60 < image[ndimage.binary_erosion(labels == LIVER)].mean() < 140
    assert np.median(image[(labels == 0) & ndimage.binary_dilation(labels > 0)]) > -200, "organs in air"
    i, j, k = centroid(labels, AORTA).astype(int)
    behind = image[i - 8 : i + 4, j - 16 : j, k]
    assert behind.max() > 250, "no vertebra behind the aorta"
    dome = np.argwhere(labels == LIVER)[:, 2].max() - 3
    trunk = ndimage.binary_fill_holes(image[:, :, dome] > -300)
    assert ((image[:, :, dome] < -700) & trunk).sum() > 200, "no lung beside the liver's dome"


@pytest.mark.parametrize(
    ("value", "message"),
    [(0, "no labelled voxel; expected structures"), (77, r"labels \[77\] are not in the phantom")],
)
def test_a_label_map_without_known_organs_is_refused(phantom: dict[str, Any], value: int, message: str) -> None:
    with pytest.raises(InputError, match=message):
        simulate_image(np.full((8, 8, 8), value, np.uint8), phantom, 1, 1, (4.0, 4.0, 4.0))


def test_one_organ_is_enough_to_place_a_body(phantom: dict[str, Any]) -> None:
    labels = np.zeros((40, 32, 40), np.uint8)
    labels[12:15, 14:17, 18:21] = RIGHT_ADRENAL
    image = simulate_image(labels, phantom, 1, 1, (8.0, 8.0, 8.0))
    assert np.isfinite(image).all()
