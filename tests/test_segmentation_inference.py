"""Segmentations of a cohort: from a network, from given weights, from the ground truth; and reading them."""

import json
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.cohorts import SHAPE, make_cohort
from textscf.data.cohort import Cohort
from textscf.errors import InputError
from textscf.files.io import write_json, write_nifti
from textscf.files.state import save_state
from textscf.segmentation import load_segmentation
from textscf.segmentation.segment_cohort import segment_cohort
from textscf.segmentation.swin_unetr import build_segmentor, probabilities

CPU = torch.device("cpu")
SETTINGS: dict[str, Any] = {
    "source": "train",
    "feature_size": 12,
    "depths": [1, 1, 1, 1],
    "attention_window": 2,
    "window": [64, 32, 32],
    "overlap": 0.0,
}


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    return make_cohort(tmp_path_factory.mktemp("cohort"))


@pytest.fixture(scope="module")
def network() -> torch.nn.Module:
    torch.manual_seed(0)
    return build_segmentor(SETTINGS, 3).eval()


@pytest.fixture(scope="module")
def weights(network: torch.nn.Module, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "network.pt"
    save_state(path, {"network": network.state_dict()})
    return path


@pytest.fixture(scope="module")
def segmented(cohort: Cohort, weights: Path) -> Path:
    segment_cohort(cohort, SETTINGS, weights, cohort.folder / "segmentations/tiny", CPU)
    return cohort.folder / "segmentations/tiny/segmentation.json"


def test_regions_and_confidence_are_argmax_and_maximum(
    cohort: Cohort, segmented: Path, network: torch.nn.Module
) -> None:
    segmentation = load_segmentation(segmented, cohort)
    for subject in ("s1", "s8"):
        distribution = probabilities(network, cohort.load_image(subject), SETTINGS, CPU).numpy()
        np.testing.assert_array_equal(segmentation.labels(subject), distribution.argmax(0))
        np.testing.assert_allclose(segmentation.confidence(subject), distribution.max(0), atol=0.5 / 255 + 1e-6)
    assert segmentation.labels("s1").dtype == np.uint8
    assert segmentation.confidence("s1").dtype == np.float32


def test_every_scan_is_segmented(cohort: Cohort, segmented: Path) -> None:
    files = json.loads(segmented.read_text())["files"]
    assert len(files) == 2 * len(cohort.subjects())
    assert all((segmented.parent / name).is_file() for name in files)


def test_memory_does_not_grow_with_the_scans(cohort: Cohort, weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A loaded scan is freed before the next one is loaded."""
    loaded: list[weakref.ref] = []
    load = Cohort.load_image

    def remember(self: Cohort, subject: str) -> np.ndarray:
        assert sum(each() is not None for each in loaded) <= 1
        image = load(self, subject)
        loaded.append(weakref.ref(image))
        return image

    monkeypatch.setattr(Cohort, "load_image", remember)
    segment_cohort(cohort, SETTINGS, weights, cohort.folder / "segmentations/again", CPU)
    assert len(loaded) == 8


def test_fingerprint_follows_the_files_of_the_subjects(cohort: Cohort, segmented: Path, tmp_path: Path) -> None:
    content = json.loads(segmented.read_text())
    before = load_segmentation(segmented, cohort).fingerprint(["s1", "s2"])
    for name, changed in (("labels/s1", True), ("confidence/s2", True), ("labels/s3", False)):
        files = {**content["files"], f"{name}.nii.gz": "0" * 64}
        write_json(tmp_path / "segmentation.json", {**content, "files": files})
        assert (
            load_segmentation(tmp_path / "segmentation.json", cohort).fingerprint(["s1", "s2"]) != before
        ) == changed
    write_json(tmp_path / "segmentation.json", {**content, "files": None})
    with pytest.raises(InputError, match=r"segmentation\.json: has no files; expected their digests"):
        load_segmentation(tmp_path / "segmentation.json", cohort).fingerprint(["s1"])


def test_missing_weights_are_one_error_and_write_nothing(cohort: Cohort, tmp_path: Path) -> None:
    folder = cohort.folder / "segmentations/absent"
    with pytest.raises(InputError, match=r"absent\.pt: no such file; expected weights of a SwinUNETR"):
        segment_cohort(cohort, SETTINGS, tmp_path / "absent.pt", folder, CPU)
    assert not folder.exists()


def test_the_ground_truth_is_never_taken_unasked(cohort: Cohort) -> None:
    with pytest.raises(InputError, match="segmentor tiny: source is train, but no network is given"):
        segment_cohort(cohort, SETTINGS, None, cohort.folder / "segmentations/tiny", CPU)


def test_ground_truth_is_the_cohorts_labels_with_certainty(cohort: Cohort) -> None:
    folder = cohort.folder / "segmentations/ground_truth"
    segment_cohort(cohort, {"source": "ground_truth"}, None, folder, CPU)
    segmentation = load_segmentation(folder / "segmentation.json", cohort)
    np.testing.assert_array_equal(segmentation.labels("s3"), cohort.load_labels("s3"))
    np.testing.assert_array_equal(segmentation.confidence("s3"), np.ones(SHAPE, np.float32))
    assert not (folder / "labels").exists()


def test_a_folder_outside_of_the_cohort_is_refused(cohort: Cohort, weights: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not below the cohort's folder"):
        segment_cohort(cohort, SETTINGS, weights, tmp_path / "elsewhere", CPU)


def test_a_window_too_small_is_refused(cohort: Cohort, weights: Path) -> None:
    with pytest.raises(InputError, match=r"network\.pt: window is \[32, 32, 32\]"):
        segment_cohort(cohort, {**SETTINGS, "window": [32] * 3}, weights, cohort.folder / "segmentations/small", CPU)


def test_segmentation_of_another_cohort_or_shape_is_refused(cohort: Cohort, segmented: Path, tmp_path: Path) -> None:
    content = json.loads(segmented.read_text())
    write_json(tmp_path / "segmentation.json", {**content, "cohort": "other"})
    with pytest.raises(InputError, match="is a segmentation of cohort other; expected blobs"):
        load_segmentation(tmp_path / "segmentation.json", cohort)
    other = make_cohort(tmp_path / "cohort")
    write_nifti(other.folder / "wrong/s1.nii.gz", np.zeros((4, 4, 4), np.uint8), other.affine)
    write_json(tmp_path / "segmentation.json", {**content, "labels": "wrong"})
    with pytest.raises(InputError, match=r"wrong/s1\.nii\.gz: shape \(4, 4, 4\); expected \(20, 24, 16\)"):
        load_segmentation(tmp_path / "segmentation.json", other).labels("s1")
