"""Accuracy of a segmentor by scan, structure and split."""

import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.cohorts import SHAPE, make_cohort
from tests.python_server import python
from textscf.data.cohort import Cohort
from textscf.files.io import write_json, write_nifti
from textscf.segmentation import load_segmentation
from textscf.segmentation.segmentor_accuracy import accuracy, by_split, never_found


@pytest.fixture
def cohort(tmp_path: Path) -> Cohort:
    """Left blob: 8 voxels in every scan; right blob: 4 voxels, but none in s4. Predicted: known overlaps."""
    cohort = make_cohort(tmp_path / "blobs")
    for subject in cohort.subjects():
        labels, predicted = np.zeros(SHAPE, np.uint8), np.zeros(SHAPE, np.uint8)
        labels[:2, :2, :2], labels[10, 10, :4] = 1, 2
        predicted[:2, :2, :1], predicted[10, 10, :4] = 1, 2
        if subject == "s4":
            labels[labels == 2] = 0
        write_nifti(cohort.label_path(subject), labels, cohort.affine)
        write_nifti(cohort.folder / f"segmentations/tiny/labels/{subject}.nii.gz", predicted, cohort.affine)
    content = {"cohort": "blobs", "labels": "segmentations/tiny/labels", "confidence": None}
    write_json(cohort.folder / "segmentations/tiny/segmentation.json", content)
    return cohort


def scores(cohort: Cohort) -> pd.DataFrame:
    path = cohort.folder / "segmentations/tiny/segmentation.json"
    return accuracy(cohort, load_segmentation(path, cohort), "tiny")


def test_dice_of_known_overlaps(cohort: Cohort) -> None:
    frame = scores(cohort)
    assert list(frame) == ["segmentor", "subject", "split", "label", "structure", "dice"]
    left, right = (frame[frame["label"] == label] for label in (1, 2))
    np.testing.assert_allclose(left["dice"], 2 * 4 / (8 + 4))
    np.testing.assert_allclose(right["dice"], 1)
    assert set(left["structure"]) == {"left blob"}
    assert frame.loc[frame["subject"] == "s6", "split"].unique().tolist() == ["test"]


def test_a_structure_that_the_scan_lacks_is_left_out(cohort: Cohort) -> None:
    frame = scores(cohort)
    assert frame.loc[frame["subject"] == "s4", "label"].tolist() == [1]


def test_means_by_split_are_means_of_scans(cohort: Cohort) -> None:
    frame = by_split(scores(cohort)).set_index("split")
    both = (2 / 3 + 1) / 2
    expected = {"train": both, "validation": (2 / 3 + both) / 2, "test": both, "all": (7 * both + 2 / 3) / 8}
    assert frame["dice"].to_dict() == pytest.approx(expected)
    assert frame["scans"].to_dict() == {"train": 3, "validation": 2, "test": 3, "all": 8}


def test_script_writes_both_tables(cohort: Cohort, root: Path) -> None:
    folder = cohort.folder / "segmentations/tiny"
    command = [python(), str(root / "src/segmentor_accuracy.py"), "--cohort", str(cohort.folder)]
    command += ["--segmentation", str(folder / "segmentation.json"), "--out", str(folder / "accuracy.csv")]
    completed = subprocess.run(command, capture_output=True, text=True)
    assert completed.returncode == 0, completed.stderr
    assert len(pd.read_csv(folder / "accuracy.csv")) == 15
    assert pd.read_csv(folder / "accuracy_by_split.csv")["split"].tolist() == ["train", "validation", "test", "all"]
    assert "finds no voxel" not in completed.stderr
    for subject in cohort.subjects():
        write_nifti(folder / f"labels/{subject}.nii.gz", np.zeros(SHAPE, np.uint8), cohort.affine)
    warned = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "segmentor tiny finds no voxel of left blob, right blob in any scan" in warned.stderr


def test_a_structure_found_in_one_scan_is_found(cohort: Cohort) -> None:
    frame = scores(cohort)
    assert never_found(frame.assign(dice=frame["dice"].where(frame["label"] == 2, 0.0))) == ["left blob"]
    found = (frame["label"] == 2) | (frame["subject"] == "s1")
    assert never_found(frame.assign(dice=frame["dice"].where(found, 0.0))) == []
