"""Scans in memory are those that were stored, in fewer bits on request."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.cohorts import make_cohort
from textscf.data.cohort import Cohort
from textscf.errors import InputError
from textscf.files.io import write_json, write_nifti
from textscf.registration.volumes import VolumeStore
from textscf.segmentation import Segmentation, load_segmentation

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    return make_cohort(tmp_path_factory.mktemp("cohort"))


@pytest.fixture(scope="module")
def segmentation(cohort: Cohort) -> Segmentation:
    """Stored confidences of 0 to 255."""
    folder = cohort.folder / "segmentations/some"
    stored = np.arange(np.prod(cohort.shape)).reshape(cohort.shape) % 256
    for subject in cohort.subjects():
        write_nifti(folder / f"labels/{subject}.nii.gz", cohort.load_labels(subject), cohort.affine)
        write_nifti(folder / f"confidence/{subject}.nii.gz", stored.astype(np.uint8), cohort.affine)
    folders = {name: f"segmentations/some/{name}" for name in ("labels", "confidence")}
    write_json(folder / "segmentation.json", {"cohort": cohort.name, **folders})
    return load_segmentation(folder / "segmentation.json", cohort)


@pytest.mark.parametrize("compact", [False, True])
def test_a_scan_is_what_the_files_hold(cohort: Cohort, segmentation: Segmentation, compact: bool) -> None:
    scan = VolumeStore(cohort, segmentation, CPU, compact)["s3"]
    assert scan.image.dtype == torch.float32
    image = cohort.load_image("s3")
    np.testing.assert_allclose(scan.image[0, 0], image, rtol=0, atol=0.5001 / 65535 if compact else 0)
    np.testing.assert_array_equal(scan.labels[0, 0], cohort.load_labels("s3"))
    assert scan.regions is not None
    assert scan.confidence is not None
    np.testing.assert_array_equal(scan.regions[0, 0], segmentation.labels("s3"))
    np.testing.assert_array_equal(scan.confidence[0, 0], segmentation.confidence("s3"))


def test_subjects_are_read_once_and_before_the_training(cohort: Cohort, monkeypatch: pytest.MonkeyPatch) -> None:
    read, load = [], Cohort.load_image
    monkeypatch.setattr(Cohort, "load_image", lambda self, subject: read.append(subject) or load(self, subject))
    store = VolumeStore(cohort, None, CPU)
    store.preload(["s1", "s2", "s3"])
    assert sorted(read) == ["s1", "s2", "s3"]
    assert store["s2"].confidence is None
    assert len(read) == 3


def test_an_unreadable_scan_shows_at_once(tmp_path: Path) -> None:
    cohort = make_cohort(tmp_path)
    cohort.image_path("s2").write_bytes(b"no image")
    with pytest.raises(InputError, match=r"s2\.nii\.gz"):
        VolumeStore(cohort, None, CPU).preload(cohort.subjects("train"))


def test_a_store_with_a_limit_forgets_the_scans_that_were_not_used_for_the_longest_time(
    cohort: Cohort, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, load = [], Cohort.load_image
    monkeypatch.setattr(Cohort, "load_image", lambda self, subject: read.append(subject) or load(self, subject))
    store = VolumeStore(cohort, None, CPU, limit=2 * VolumeStore(cohort, None, CPU)["s1"].nbytes)
    for subject in ("s1", "s2", "s1", "s3", "s1", "s2"):
        assert torch.equal(store[subject].image[0, 0], torch.from_numpy(load(cohort, subject)))
    assert read == ["s1", "s1", "s2", "s3", "s2"]


def test_the_scan_in_use_is_kept_whatever_the_limit(cohort: Cohort, monkeypatch: pytest.MonkeyPatch) -> None:
    read, load = [], Cohort.load_image
    monkeypatch.setattr(Cohort, "load_image", lambda self, subject: read.append(subject) or load(self, subject))
    store = VolumeStore(cohort, None, CPU, limit=1)
    for subject in ("s1", "s1", "s2"):
        store[subject]
    assert read == ["s1", "s2"]
