"""Detection of the release in a folder, of the files of each subject in it, and of their changes."""

import os
from pathlib import Path
from typing import Any

import pytest

from textscf.data.changed_scans import changed_scans, other_source
from textscf.data.releases import landmark_files, release_in, source_files, stored_files, stored_recipe
from textscf.errors import InputError
from textscf.files.io import write_json
from textscf.study.catalogue import Catalogue


@pytest.fixture
def config(root: Path) -> dict[str, Any]:
    return Catalogue(root / "config").cohort("abdomen_ct")


def with_labels(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def test_abdomen_in_both_namings(config: dict[str, Any], tmp_path: Path) -> None:
    newer = with_labels(tmp_path / "new", "labelsTr/AbdomenCTCT_0002_0000.nii.gz")
    older = with_labels(tmp_path / "old", "label/label0001.nii.gz")
    subject = "AbdomenCTCT_{:04d}_0000".format
    files = {folder: source_files(config, folder) for folder in (newer, older)}
    for number, btcv in ((1, 1), (10, 10), (11, 21), (30, 40)):
        image, labels = files[newer][subject(number)]
        assert image == newer / f"imagesTr/{subject(number)}.nii.gz"
        assert labels == newer / f"labelsTr/{subject(number)}.nii.gz"
        image, labels = files[older][subject(number)]
        assert (image, labels) == (older / f"img/img{btcv:04d}.nii.gz", older / f"label/label{btcv:04d}.nii.gz")


def test_folder_with_nothing_known_is_taken_for_the_preferred_release(config: dict[str, Any], tmp_path: Path) -> None:
    assert release_in(config, tmp_path)["folder"] == "AbdomenCTCT"


def test_number_beyond_those_of_the_release_is_refused(config: dict[str, Any], tmp_path: Path) -> None:
    config["splits"] = {"train": [1, 31]}
    older = with_labels(tmp_path, "label/label0001.nii.gz")
    with pytest.raises(InputError, match=r"cohort abdomen_ct: no subject 31 in .*; expected 1 to 30"):
        source_files(config, older)


def test_subjects_in_the_order_of_their_files(root: Path, tmp_path: Path) -> None:
    config = Catalogue(root / "config").cohort("oasis")
    config["source"]["releases"][0]["count"] = 3
    config["splits"], config["pairs"] = {"train": [3, 1]}, {}
    for number in (5, 1, 10):
        with_labels(tmp_path, *(f"OASIS_OAS1_{number:04d}_MR1/aligned_{k}.nii.gz" for k in ("norm", "seg35")))
    assert [path.parent.name for path, _ in source_files(config, tmp_path).values()] == [
        "OASIS_OAS1_0010_MR1",
        "OASIS_OAS1_0001_MR1",
    ]
    for kind in ("norm", "seg35"):
        (tmp_path / f"OASIS_OAS1_0005_MR1/aligned_{kind}.nii.gz").unlink()
    with pytest.raises(InputError, match=r"2 files OASIS_OAS1_\*_MR1/aligned_norm\.nii\.gz; expected 3, as subjects"):
        source_files(config, tmp_path)


def test_images_and_labels_are_paired_by_name_and_not_by_order(root: Path, tmp_path: Path) -> None:
    config = Catalogue(root / "config").cohort("oasis")
    config["source"]["releases"][0] |= {"count": 4, "images": "image_*.nii.gz", "labels": "labels/*_seg.nii.gz"}
    config["splits"], config["pairs"] = {"train": ["1-4"]}, {}
    for number in range(1, 6):
        with_labels(tmp_path, f"image_{number}.nii.gz", f"labels/{number}_seg.nii.gz")
    (tmp_path / "image_2.nii.gz").unlink()
    (tmp_path / "labels/4_seg.nii.gz").unlink()
    with pytest.raises(
        InputError, match=r"image_4\.nii\.gz, .*labels/2_seg\.nii\.gz: has no partner; expected an image"
    ):
        source_files(config, tmp_path)
    (tmp_path / "image_4.nii.gz").unlink()
    (tmp_path / "labels/2_seg.nii.gz").unlink()
    config["source"]["releases"][0]["count"] = 3
    config["splits"] = {"train": ["1-3"]}
    found = [(image.name, labels.name) for image, labels in source_files(config, tmp_path).values()]
    assert found == [(f"image_{n}.nii.gz", f"{n}_seg.nii.gz") for n in (1, 3, 5)]


def test_axes_are_the_releases_own_or_the_cohorts(root: Path, tmp_path: Path) -> None:
    config = Catalogue(root / "config").cohort("oasis")
    first = with_labels(tmp_path / "first", "OASIS_OAS1_0001_MR1/aligned_seg35.nii.gz")
    second = with_labels(tmp_path / "second", "labelsTr/OASIS_0001_0000.nii.gz")
    assert [stored_recipe(config, folder).axes for folder in (first, second)] == ["LIA", "header"]


@pytest.mark.parametrize("name", ["abdomen_anatomy", "brain_from_one", "simulated_lung"])
def test_simulated_scans_are_named_after_the_subject(root: Path, tmp_path: Path, name: str) -> None:
    for subject, (image, labels) in stored_files(Catalogue(root / "config").cohort(name), tmp_path).items():
        assert (image, labels) == tuple(tmp_path / kind / f"{subject}.nii.gz" for kind in ("images", "labels"))


def test_subjects_with_names_in_a_bids_tree(root: Path, tmp_path: Path) -> None:
    config = Catalogue(root / "config").cohort("hippocampus_mr")
    config["source"]["releases"][0] |= {
        "images": "sub-{subject}/ses-1/anat/sub-{subject}_ses-1_T1w.nii.gz",
        "labels": "derivatives/manual/sub-{subject}/ses-1/anat/sub-{subject}_ses-1_dseg.nii.gz",
    }
    config |= {"subject": "sub-{}", "splits": {"train": ["01", "control_7", 12]}, "pairs": {}}
    found = source_files(config, tmp_path)
    assert list(found) == ["sub-01", "sub-control_7", "sub-12"]
    image, labels = found["sub-control_7"]
    assert image == tmp_path / "sub-control_7/ses-1/anat/sub-control_7_ses-1_T1w.nii.gz"
    assert labels == tmp_path / "derivatives/manual/sub-control_7/ses-1/anat/sub-control_7_ses-1_dseg.nii.gz"
    config["source"]["releases"][0]["images"] = "images/{number:03d}.nii.gz"
    with pytest.raises(InputError, match=r"splits: '01' is a name, but 'images/\{number:03d\}\.nii\.gz' has numbers"):
        source_files(config, tmp_path)


@pytest.mark.parametrize(
    "changes",
    [{"images": "image.nii.gz"}, {"labels": "labels.nii.gz"}, {"numbers": [1, 1, 1]}, {"numbers": [2, "1-2"]}],
)
def test_two_subjects_with_one_file_are_refused(root: Path, tmp_path: Path, changes: dict[str, Any]) -> None:
    config = Catalogue(root / "config").cohort("hippocampus_mr")
    config |= {"subject": "s{}", "splits": {"train": [1, 2, 3]}, "pairs": {}}
    config["source"]["releases"] = [{"images": "{number}.nii.gz", "labels": "labels/{number}.nii.gz", **changes}]
    with pytest.raises(InputError, match=r"\.nii\.gz: is a file of two subjects, s1 and s[23]; expected one for each"):
        source_files(config, tmp_path)


def test_two_subjects_with_one_file_of_landmarks_are_refused(root: Path, tmp_path: Path) -> None:
    config = Catalogue(root / "config").cohort("hippocampus_mr")
    config |= {"subject": "s{}", "splits": {"train": [1, 2]}, "pairs": {}}
    config["source"]["releases"] = [{"images": "{number}.nii.gz", "labels": None, "landmarks": "points.csv"}]
    (tmp_path / "points.csv").touch()
    with pytest.raises(InputError, match=r"points\.csv: is a file of two subjects, s1 and s2"):
        landmark_files(config, tmp_path)


@pytest.fixture
def kept(config: dict[str, Any], tmp_path: Path) -> Path:
    """A user's data set of two subjects, and a cohort that was made from it a second later."""
    config["splits"] = {"train": [1, 2]}
    names = [f"{kind}Tr/AbdomenCTCT_{number:04d}_0000.nii.gz" for kind in ("images", "labels") for number in (1, 2)]
    folder = with_labels(tmp_path / "root/AbdomenCTCT", *names)
    (tmp_path / "cohort").mkdir()
    (tmp_path / "cohort/source").symlink_to(folder)
    write_json(tmp_path / "cohort/source.json", {"kind": "folder", "location": str(folder)})
    for path in folder.rglob("*.nii.gz"):
        os.utime(path, (1e9, 1e9))
    (tmp_path / "cohort/cohort.json").touch()
    os.utime(tmp_path / "cohort/cohort.json", (1e9 + 1, 1e9 + 1))
    return folder


def test_scans_newer_than_the_cohort_are_found(config: dict[str, Any], kept: Path, tmp_path: Path) -> None:
    source, made = tmp_path / "cohort/source", tmp_path / "cohort/cohort.json"
    assert changed_scans(config, source, made) == []
    (kept / "imagesTr/AbdomenCTCT_0009_0000.nii.gz").touch()  # of no subject of the cohort
    assert changed_scans(config, source, made) == []
    name = "labelsTr/AbdomenCTCT_0002_0000.nii.gz"
    (kept / name).touch()
    assert changed_scans(config, source, made) == [source / name]
    made.unlink()
    assert changed_scans(config, source, made) == []
    kept.rename(tmp_path / "away")
    made.touch()
    assert changed_scans(config, source, made) == []


def test_another_data_root_than_the_cohorts_is_found(config: dict[str, Any], kept: Path, tmp_path: Path) -> None:
    record = tmp_path / "cohort/source.json"
    assert other_source(config, record, kept.parent) is None
    assert other_source(config, record, tmp_path) is None
    other = tmp_path / "other/AbdomenCTCT"
    other.mkdir(parents=True)
    assert other_source(config, record, other.parent) == (str(kept), str(other))
    kept.rename(tmp_path / "away")
    assert other_source(config, record, other.parent) is None
    write_json(record, {"kind": "download", "location": "https://example.org/AbdomenCTCT.zip"})
    assert other_source(config, record, other.parent) == ("https://example.org/AbdomenCTCT.zip", str(other))
    record.write_text("{")
    assert other_source(config, record, other.parent) is None
