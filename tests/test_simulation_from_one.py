"""Subjects made from one labelled scan: exact labels, their own contrast, the same bytes again, and refusals."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

from textscf.data.cohort import Cohort
from textscf.data.preprocess import preprocess_cohort
from textscf.data.simulation.from_one import deformed_subject
from textscf.data.simulation.simulated_cohort import simulate_cohort
from textscf.errors import InputError
from textscf.files.io import read_image, read_json, read_labels, sha256_of, write_nifti
from textscf.metrics import evaluate_pair
from textscf.study.catalogue import Catalogue

SHAPE = (24, 28, 20)
SETTINGS: dict[str, Any] = {
    **{"seed": 1, "stored_labels": [7, 3], "contrast": 0.3, "noise": [0.01, 0.01], "tissues": 0.0, "thickness": 0.0},
    "pose": {"size": 0.0, "turn": 0.0, "place": 0.0},
    **{"deformation": [{"width": 12, "amplitude": 2.0}], "bias": {"width": 20, "amplitude": 0.1}},
}
STILL = {**SETTINGS, "contrast": 0.0, "noise": [0.0, 0.0], "deformation": [{"width": 12, "amplitude": 0.0}]}
STILL["bias"] = {"width": 20, "amplitude": 0.0}


def scan() -> tuple[np.ndarray, np.ndarray]:
    """Two blocks of their own brightness in a head; stored labels 7 and 3, and 9, which no structure has."""
    labels = np.zeros(SHAPE, np.int16)
    labels[6:12, 6:20, 5:15], labels[12:18, 6:20, 5:15], labels[6:18, 20:23, 5:15] = 7, 3, 9
    image = np.zeros(SHAPE, np.float32)
    image[3:21, 3:25, 3:17] = 60
    image += 40 * (labels == 7) + 140 * (labels == 3)
    return image, labels


def resolved(**changes: Any) -> dict[str, Any]:
    structures = [{"label": 1, "name": "one"}, {"label": 2, "name": "two"}]
    source = {"kind": "archive", "releases": [{"images": "image.nii.gz", "labels": "labels.nii.gz"}]}
    return {
        **{"name": "made", "title": "Made", "notice": "semi-synthetic", "licence": "CC0", "citation": "Nobody"},
        **{"modality": "MRI", "anatomy": {"title": "A", "body_part": "head", "structures": structures}},
        **{"source": source, "simulate_ct": None, "from_one": SETTINGS, "subject": "s{}"},
        "preprocess": {
            **{"axes": "LIA", "orientation": "LIA", "source_spacing": [1.0] * 3, "spacing": [1.0] * 3},
            **{"shape": list(SHAPE), "intensity": {"kind": "none"}},
        },
        **{"splits": {"train": [1, 2], "test": [3]}, "pairs": {}, **changes},
    }


@pytest.fixture
def source(tmp_path: Path) -> Path:
    image, labels = scan()
    write_nifti(tmp_path / "source/image.nii.gz", image, np.eye(4))
    write_nifti(tmp_path / "source/labels.nii.gz", labels, np.eye(4))
    return tmp_path / "source"


def test_nothing_changes_where_nothing_is_asked_for() -> None:
    image, labels = scan()
    same, regions = deformed_subject(image, labels.astype(np.uint8), STILL, 1, 1, (1.0, 1.0, 1.0))
    np.testing.assert_allclose(same, image / image.max(), atol=1e-5)
    np.testing.assert_array_equal(regions, labels)


def test_labels_lie_where_the_image_shows_them() -> None:
    image, labels = scan()
    settings = {**STILL, "deformation": SETTINGS["deformation"]}
    moved, regions = deformed_subject(image, labels.astype(np.uint8), settings, 1, 1, (1.0, 1.0, 1.0))
    assert (regions != labels).mean() > 0.05
    for label, brightness in ((7, 0.5), (3, 1.0), (9, 0.3)):
        inside = ndimage.binary_erosion(regions == label)
        assert inside.any()
        np.testing.assert_allclose(np.median(moved[inside]), brightness, atol=0.02)


def test_spacing_is_in_millimetres() -> None:
    """The same deformation moves by twice as many voxels on a grid of half the spacing."""
    image, labels = (np.repeat(np.repeat(np.repeat(v, 2, 0), 2, 1), 2, 2) for v in scan())
    settings = {**STILL, "deformation": SETTINGS["deformation"]}
    _, fine = deformed_subject(image, labels.astype(np.uint8), settings, 1, 1, (0.5, 0.5, 0.5))
    halves = image[::2, ::2, ::2], labels[::2, ::2, ::2].astype(np.uint8)
    _, coarse = deformed_subject(*halves, settings, 1, 1, (1.0, 1.0, 1.0))
    dice = evaluate_pair(fine[::2, ::2, ::2], coarse, np.zeros((*SHAPE, 3)), [3, 7]).dice
    assert dice.min() > 0.85


def subject(number: int = 1, **changes: Any) -> tuple[np.ndarray, np.ndarray]:
    image, labels = scan()
    settings = {**STILL, **changes}
    return deformed_subject(image, labels.astype(np.uint8), settings, number, 1, (1.0, 1.0, 1.0))


def test_a_pose_turns_shifts_and_resizes_labels_with_the_image() -> None:
    _, labels = subject()
    centre = np.argwhere(labels > 0).mean(0)
    moved = [np.argwhere(subject(n, pose={"size": 0, "turn": 0, "place": 2.0})[1] > 0).mean(0) for n in range(8)]
    assert 1 < np.std(np.subtract(moved, centre)) < 3
    sizes = [(subject(n, pose={"size": 0.1, "turn": 0, "place": 0})[1] > 0).sum() for n in range(8)]
    assert 0.1 < np.std(np.log(sizes)) < 0.6  # of a volume: three times that of a length
    turned, regions = subject(3, pose={"size": 0, "turn": 8.0, "place": 0})
    assert abs((regions > 0).sum() / (labels > 0).sum() - 1) < 0.1
    np.testing.assert_allclose(np.median(turned[ndimage.binary_erosion(regions == 3)]), 1.0, atol=0.02)


def test_tissues_change_their_brightness_and_not_their_noise() -> None:
    plain, labels = subject()
    changed, same = subject(tissues=0.1)
    np.testing.assert_array_equal(labels, same)
    differences = {label: np.unique((changed - plain)[labels == label].round(3)) for label in (3, 7, 9)}
    ratios = {label: changed[labels == label].mean() / plain[labels == label].mean() for label in (3, 7, 9)}
    assert len(set(ratios.values())) == 3
    assert all(np.ptp(values) < 0.01 for values in differences.values())
    assert (changed[plain == 0] == 0).all()


def test_thick_slices_blur_the_image_and_leave_the_labels() -> None:
    plain, labels = subject()
    blurred, same = subject(thickness=6.0)
    np.testing.assert_array_equal(labels, same)
    steps = [np.abs(np.diff(image, axis=0)).max() for image in (plain, blurred)]
    assert steps[1] < 0.8 * steps[0]


def test_noise_has_a_level_of_its_own_in_each_subject() -> None:
    _, labels = subject()
    flat = ndimage.binary_erosion(labels == 7)
    levels = [subject(n, noise=[0.01, 0.05])[0][flat].std() / 0.5 for n in range(6)]
    assert max(levels) > 1.5 * min(levels)


def test_a_cohort_is_made_kept_and_prepared(source: Path, tmp_path: Path) -> None:
    simulate_cohort(resolved(), source, tmp_path / "raw", workers=1)
    record = read_json(tmp_path / "raw/simulation.json")
    assert record["simulated"] == "deformation, contrast, bias field and noise; the scan is real"
    images = [read_image(tmp_path / f"raw/images/s{n}.nii.gz").data for n in (1, 2, 3)]
    assert all(image.min() == 0 and image.max() == 1 for image in images)
    assert np.abs(images[0] - images[1]).max() > 0.1
    assert set(np.unique(read_labels(tmp_path / "raw/labels/s1.nii.gz").data)) == {0, 1, 2}
    (tmp_path / "raw/images/s2.nii.gz").unlink()
    simulate_cohort(resolved(), source, tmp_path / "raw", workers=1)
    assert read_json(tmp_path / "raw/simulation.json") == record
    assert all(sha256_of(tmp_path / "raw" / name) == digest for name, digest in record["files"].items())
    preprocess_cohort(resolved(), tmp_path / "raw", tmp_path / "cohort", workers=1)
    np.testing.assert_array_equal(Cohort.load(tmp_path / "cohort").load_image("s3"), images[2])


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"from_one": {**SETTINGS, "stored_labels": [7]}}, "from_one.stored_labels: 1 labels; expected 2"),
        ({"from_one": {**SETTINGS, "stored_labels": [7, 5]}}, r"labels.nii.gz: has no voxel of labels \[5\]"),
        ({"simulate_ct": {"phantom": {}, "seed": 1}}, "two ways to simulate"),
    ],
)
def test_settings_that_do_not_fit_are_refused(
    changes: dict[str, Any], match: str, source: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=match):
        simulate_cohort(resolved(**changes), source, tmp_path / "raw", workers=1)


def test_scans_that_do_not_fit_are_refused(source: Path, tmp_path: Path) -> None:
    write_nifti(source / "image.nii.gz", np.zeros(SHAPE, np.float32), np.eye(4))
    with pytest.raises(InputError, match=r"image\.nii\.gz: intensities from 0 to 0"):
        simulate_cohort(resolved(), source, tmp_path / "raw", workers=1)
    write_nifti(source / "image.nii.gz", np.ones((5, 5, 5), np.float32), np.eye(4))
    with pytest.raises(InputError, match=r"labels.nii.gz: shape .* expected \(5, 5, 5\) as in image.nii.gz"):
        simulate_cohort(resolved(), source, tmp_path / "raw", workers=1)
    with pytest.raises(InputError, match="no folder of scans"):
        simulate_cohort(resolved(), None, tmp_path / "raw", workers=1)


def test_the_real_brain_gives_subjects_of_the_35_structures_at_the_size_of_oasis(
    shared: Path, root: Path, tmp_path: Path
) -> None:
    config = Catalogue(root / "config").cohort("brain_from_one")
    config |= {"splits": {"train": [19], "test": [20]}, "pairs": {}}
    simulate_cohort(config, shared / "data/brain_t1w", tmp_path / "raw", workers=1)
    preprocess_cohort(config, tmp_path / "raw", tmp_path / "cohort", workers=1)
    cohort = Cohort.load(tmp_path / "cohort")
    assert cohort.shape == (160, 192, 224)
    fixed, moving = (cohort.load_labels(f"brain_{number:03d}") for number in (19, 20))
    assert set(np.unique(fixed)) == set(range(36))
    initial = evaluate_pair(fixed, moving, np.zeros((*cohort.shape, 3), np.float32), cohort.label_values)
    assert 0.4 < np.nanmean(initial.dice) < 0.75
    sides = [[s["label"] for s in cohort.anatomy["structures"] if s["side"] == side] for side in ("left", "right")]
    left, right = (np.argwhere(np.isin(fixed, labels))[:, 0].mean() for labels in sides)
    assert left > right + 40
