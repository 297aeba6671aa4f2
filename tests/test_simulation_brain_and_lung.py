"""The simulated brains and thoraces of the demo: complete, the right way round, worth registering."""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

from textscf.data.cohort import expand_pairs, expand_subjects
from textscf.data.simulation import simulate_image, simulate_phantom_subject
from textscf.study.catalogue import Catalogue

CONFIG = Path(__file__).resolve().parents[1] / "config"
WHITE_MATTER, CORTEX, VENTRICLE, BRAIN_STEM = 1, 2, 3, 13


@cache
def cohort(name: str) -> dict[str, Any]:
    return Catalogue(CONFIG).cohort(name)


@cache
def subjects(name: str) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Image and labels of every subject; axes run left, anterior, superior."""
    source, grid = cohort(name)["source"], cohort(name)["preprocess"]
    names = [subject for split in expand_subjects(cohort(name)).values() for subject in split]
    return {
        subject: simulate_phantom_subject(
            source["phantom"], int(subject[-3:]), source["seed"], grid["shape"], grid["spacing"]
        )
        for subject in names
    }


def initial_dice(name: str) -> np.ndarray:
    """Dice (pairs, structures) of the unregistered test pairs."""
    labels = {subject: labels for subject, (_, labels) in subjects(name).items()}
    values = [structure["label"] for structure in cohort(name)["anatomy"]["structures"]]
    return np.array(
        [
            [2 * ((a == v) & (b == v)).sum() / ((a == v).sum() + (b == v).sum()) for v in values]
            for a, b in ((labels[fixed], labels[moving]) for fixed, moving in expand_pairs(cohort(name))["test"])
        ]
    )


def centroid(labels: np.ndarray, label: int) -> np.ndarray:
    return np.argwhere(labels == label).mean(axis=0)


@pytest.mark.parametrize("name", ["simulated_brain", "simulated_lung"])
def test_the_demo_can_afford_the_grid(name: str) -> None:
    grid, frame = cohort(name)["preprocess"], cohort(name)["source"]["phantom"]["frame"]
    assert not any(edge % 8 for edge in grid["shape"])
    assert np.prod(grid["shape"]) < 90_000
    assert (np.multiply(grid["shape"], grid["spacing"]) == frame).all()
    first = next(iter(subjects(name)))
    source = cohort(name)["source"]
    again = simulate_phantom_subject(source["phantom"], 1, source["seed"], grid["shape"], grid["spacing"])
    assert again[0].tobytes() == subjects(name)[first][0].tobytes()


def test_the_lung_is_prepared_as_the_abdomen_is() -> None:
    assert cohort("simulated_lung")["preprocess"] == cohort("simulated_abdomen")["preprocess"]


def test_every_brain_has_all_structures_within_the_grid() -> None:
    counts = np.array([np.bincount(labels.ravel(), minlength=36) for _, labels in subjects("simulated_brain").values()])
    assert counts.shape == (24, 36)
    assert (counts[:, 1:] >= 6).mean() > 0.99
    assert counts[:, 1:].min() >= 3
    for _, labels in subjects("simulated_brain").values():
        assert not any(labels.take(end, axis).any() for axis in range(3) for end in (0, -1))


def test_left_structures_lie_on_the_left_of_their_right_twins() -> None:
    sides = {s["name"]: s["label"] for s in cohort("simulated_brain")["anatomy"]["structures"] if s["side"]}
    twins = [(label, sides[f"right{name[4:]}"]) for name, label in sides.items() if name.startswith("left")]
    assert len(twins) == 16
    for _, labels in subjects("simulated_brain").values():
        for left, right in twins:
            offset = centroid(labels, left) - centroid(labels, right)
            assert offset[0] > 1
            assert offset[0] > np.abs(offset[1:]).max()
        assert centroid(labels, BRAIN_STEM)[2] < centroid(labels, VENTRICLE)[2]


def test_brains_look_t1_weighted_and_stripped_and_differ_in_their_ventricles() -> None:
    sizes = []
    for image, labels in subjects("simulated_brain").values():
        dark, grey, white = (np.median(image[labels == v]) for v in (VENTRICLE, CORTEX, WHITE_MATTER))
        assert dark + 50 < grey < white - 50
        assert not image[~ndimage.binary_dilation(labels > 0, iterations=3)].any()
        sizes.append((labels == VENTRICLE).sum())
    assert max(sizes) > 2 * min(sizes)


def test_brain_pairs_start_as_affinely_aligned_brains_do() -> None:
    dice = initial_dice("simulated_brain")
    assert dice.shape == (12, 35)
    assert 0.45 < dice.mean() < 0.65
    assert dice.mean(axis=0).min() > 0.2


def test_a_given_label_map_gets_a_brain_scan_too() -> None:
    labels = subjects("simulated_brain")["simulated_001"][1]
    image = simulate_image(labels, cohort("simulated_brain")["source"]["phantom"], 1, 7, (5.0, 5.0, 5.0))
    assert not image[labels == 0].any()
    assert np.median(image[labels == WHITE_MATTER]) > np.median(image[labels == CORTEX])


def test_lungs_are_two_full_of_air_over_a_dome_and_within_a_body() -> None:
    for image, labels in subjects("simulated_lung").values():
        lung = labels == 1
        millilitres = lung.sum() * 15 * 12 * 12 / 1000
        assert 2000 < millilitres < 6000
        pieces = np.sort(np.bincount(ndimage.label(lung)[0].ravel())[1:])[::-1]
        assert pieces[:2].sum() > 0.97 * lung.sum()
        assert np.median(image[lung]) < -750
        trunk = ndimage.binary_fill_holes(image[:, :, 24] > -300)
        assert trunk[lung[:, :, 24]].all()
        assert (image[:, :, :7] > 0).sum() > 450
        assert (image > 250).sum() > 90


def test_lung_pairs_start_with_a_good_overlap() -> None:
    assert 0.7 < initial_dice("simulated_lung").mean() < 0.85
