"""Segmentation at the network's own resolution: what the network is given, and where its answer comes to lie."""

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch
from nibabel.processing import resample_to_output
from scipy import ndimage
from torch import Tensor, nn

from tests.cohorts import prepare_labels
from textscf.data.recipe import Recipe
from textscf.files.io import write_nifti
from textscf.segmentation.stored import StoredImage, stored_probabilities

CPU = torch.device("cpu")
LEVELS = (-1000.0, -60.0, 20.0, 120.0)  # HU of background and labels 1 to 3
SHAPE = (44, 60, 30)
BLOCKS = {1: np.s_[4:16, 8:22, 18:27], 2: np.s_[24:38, 10:24, 4:14], 3: np.s_[10:22, 34:52, 6:16]}
SETTINGS: dict[str, Any] = {
    "window": [96, 96, 96],
    "overlap": 0.5,
    "input": {"orientation": "RAS", "spacing": [1.5, 1.5, 2.0], "range": [-175, 250]},
}
TURNED = np.array([[0, 0, -2.0, 31], [-1.8, 0, 0, 12], [0, 2.4, 0, -70], [0, 0, 0, 1]])  # axes P, S, L


class Threshold(nn.Module):
    """Answers by intensity alone: label 3, background, label 1, label 2 in channels 0 to 3; keeps what it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.given: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        self.given.append(x)
        levels = (np.clip(LEVELS, -175, 250) + 175) / 425
        order = torch.tensor(levels, dtype=x.dtype)[[3, 0, 1, 2]]
        return -1e4 * (x - order.view(1, 4, 1, 1, 1)) ** 2


CHANNELS = [1, 2, 3, 0]


def recipe(**changes: Any) -> Recipe:
    settings: dict[str, Any] = {
        "axes": "header", "orientation": "LAS", "source_spacing": None, "spacing": (3.0, 4.0, 3.5),
        "shape": (22, 24, 40), "intensity": "clip", "intensity_range": (-500.0, 800.0), "labels": (1, 2, 3),
    }  # fmt: skip
    return Recipe(**{**settings, **changes})


@pytest.fixture
def scan(tmp_path: Path) -> tuple[Path, Path]:
    """A stored CT of three blocks in air, and its label map, with axes in another order than any grid's."""
    return write_scan(tmp_path, TURNED)


def write_scan(folder: Path, affine: np.ndarray) -> tuple[Path, Path]:
    labels = np.zeros(SHAPE, np.uint8)
    for label, block in BLOCKS.items():
        labels[block] = label
    write_nifti(folder / "image.nii.gz", np.array(LEVELS, np.float32)[labels], affine)
    write_nifti(folder / "labels.nii.gz", labels, affine)
    return folder / "image.nii.gz", folder / "labels.nii.gz"


WIDE = {"source_spacing": (3.0, 2.0, 4.0), "spacing": (3.0, 4.0, 4.0), "shape": (44, 30, 32)}


@pytest.mark.parametrize(
    ("affine", "settings"),
    [
        (TURNED, {}),
        (TURNED, {"orientation": "RPI", "shape": (19, 40, 24), "spacing": (4.0, 3.0, 5.0)}),
        (np.diag([-1.8, -2.4, 2.0, 1]), {"spacing": (2.0, 3.0, 2.5), "shape": (50, 60, 30)}),
        (np.eye(4), {"axes": "PSL", "source_spacing": (1.8, 2.4, 2.0)}),
        (np.eye(4), {**WIDE, "axes": "LAS"}),
    ],
)
def test_regions_lie_where_the_cohort_has_its_labels(tmp_path: Path, affine: np.ndarray, settings: Any) -> None:
    image, labels = write_scan(tmp_path, affine)
    made = recipe(**settings)
    distribution = stored_probabilities(Threshold(), CHANNELS, StoredImage.of_cohort(image, made), SETTINGS, CPU)
    assert distribution.shape == (4, *made.shape)
    torch.testing.assert_close(distribution.sum(0), torch.ones(made.shape))
    expected = prepare_labels(labels, made)
    inside = ndimage.maximum_filter(expected, 3) == ndimage.minimum_filter(expected, 3)
    found = distribution.argmax(0).numpy()
    for label in (0, 1, 2, 3):
        there = inside & (expected == label)
        assert there.sum() >= 20
        np.testing.assert_array_equal(found[there], label)


def test_the_network_is_given_the_scan_as_it_was_trained(scan: tuple[Path, Path]) -> None:
    network = Threshold()
    stored_probabilities(network, CHANNELS, StoredImage.of_cohort(scan[0], recipe()), SETTINGS, CPU)
    reference = resample_to_output(nib.as_closest_canonical(nib.load(scan[0])), (1.5, 1.5, 2.0), order=1)
    expected = np.clip((reference.get_fdata() + 175) / 425, 0, 1)
    (given,) = network.given
    n = expected.shape
    margins = [(96 - edge) // 2 for edge in n]
    found = given[0, 0].numpy()[tuple(slice(m, m + edge) for m, edge in zip(margins, n, strict=True))]
    np.testing.assert_allclose(found[:-1, :-1, :-1], expected[:-1, :-1, :-1], atol=1e-4)


def test_what_the_scan_does_not_cover_is_background_for_certain(scan: tuple[Path, Path]) -> None:
    wide = recipe(shape=(60, 60, 60))
    distribution = stored_probabilities(
        Threshold(), CHANNELS, StoredImage.of_cohort(scan[0], wide), SETTINGS, CPU
    ).numpy()
    np.testing.assert_array_equal(distribution[:, 0, 0, 0], [1, 0, 0, 0])
    assert distribution[0, :15].min() == 1
    assert (distribution.argmax(0) > 0).any()


def test_windows_smaller_than_the_scan_give_the_same(scan: tuple[Path, Path]) -> None:
    whole = stored_probabilities(Threshold(), CHANNELS, StoredImage.of_cohort(scan[0], recipe()), SETTINGS, CPU)
    parts = stored_probabilities(
        Threshold(), CHANNELS, StoredImage.of_cohort(scan[0], recipe()), {**SETTINGS, "window": [32, 64, 32]}, CPU
    )
    torch.testing.assert_close(parts, whole, atol=1e-4, rtol=0)
