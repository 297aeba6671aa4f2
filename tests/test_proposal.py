"""Proposal of a cohort from a folder: pairs by name, settings that fit, one line for what cannot be used."""

import subprocess
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import yaml

from tests.python_server import python
from tests.scan_files import save, smooth, turned
from textscf.data.releases import source_files
from textscf.errors import InputError
from textscf.files.io import read_yaml
from textscf.proposal.cohort_proposal import check_scans, look_at, propose, write_proposal
from textscf.proposal.scan_folder import find_scans
from textscf.study import load_study
from textscf.study.catalogue import Catalogue

SHAPE = (18, 20, 16)
AFFINE = turned((0, 0, 0), (2.0, 2.0, 3.0), (0, 0, 0), SHAPE)


def make(folder: Path, image: str, labels: str, subjects: list[str], values: tuple[int, int] = (17, 53)) -> Path:
    """Write scans with two structures; `image` and `labels` are patterns."""
    for seed, subject in enumerate(subjects):
        data = smooth(SHAPE, seed)
        numbers = np.select([data > 0.7, data > 0.4], values, 0).astype(np.int16)
        save(folder / image.format(subject=subject), (1000 * data).astype(np.int16), AFFINE)
        save(folder / labels.format(subject=subject), numbers, AFFINE)
    return folder


LAYOUTS = {
    "BIDS": (
        "sub-{subject}/ses-1/anat/sub-{subject}_ses-1_T1w.nii.gz",
        "derivatives/manual/sub-{subject}/ses-1/anat/sub-{subject}_ses-1_dseg.nii.gz",
        ["01", "02", "03", "control7", "A1", "B12"],
    ),
    "nnU-Net": (
        "imagesTr/heart_{subject}_0000.nii.gz", "labelsTr/heart_{subject}.nii.gz",
        ["001", "002", "005", "010", "011", "012"],
    ),
    "one folder each": ("case{subject}/t1.nii.gz", "case{subject}/seg.nii.gz", ["1", "2", "3", "4", "5", "10"]),
}  # fmt: skip


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_folder_becomes_a_study(tmp_path: Path, root: Path, layout: str) -> None:
    image, labels, subjects = LAYOUTS[layout]
    folder = make(tmp_path / "scans", image, labels, subjects)
    found = find_scans(folder)
    assert (found.images, found.labels) == (image, labels)
    assert sorted(found.files) == sorted(subjects)
    config = tmp_path / "config"
    subprocess.run(["cp", "-r", root / "config", config], check=True)
    looks = look_at(found)
    assert (looks.spacing, looks.values) == ((2.0, 2.0, 3.0), {17: 6, 53: 6})
    paths = write_proposal(config, propose("mine", folder, found, looks, {17: "Left Hippocampus"}))
    cohort = Catalogue(config).cohort("mine")
    assert [s["name"] for s in cohort["anatomy"]["structures"]] == ["Left Hippocampus", "structure 53"]
    assert cohort["anatomy"]["structures"][0]["side"] == "left"
    assert check_scans(found, cohort) == []
    assert {name.removeprefix("sub-"): files for name, files in source_files(cohort, folder).items()} == found.files
    assert cohort["preprocess"]["shape"] == [32, 32, 16]
    study = load_study(yaml.safe_load(paths[-1].read_text()), config)
    assert {"lku_net", "textscf", "voxelmorph", "initial"} <= set(study.runs)
    with pytest.raises(InputError, match=r"data_sets/mine\.yaml: is there already"):
        write_proposal(config, propose("mine", folder, found, looks, {}))


def test_label_maps_without_an_image_are_left_out_and_images_without_labels_are_said(tmp_path: Path) -> None:
    image, labels, _ = LAYOUTS["nnU-Net"]
    folder = make(tmp_path, image, labels, [f"{n:03d}" for n in range(8)])
    (folder / "imagesTr/heart_003_0000.nii.gz").unlink()
    (folder / "labelsTr/heart_006.nii.gz").unlink()
    found = find_scans(folder)
    assert found.labelled == ["000", "001", "002", "004", "005", "007"]
    assert sorted(found.files) == sorted([*found.labelled, "006"])
    assert found.remarks[1:] == [
        f"left out: {folder}/labelsTr/heart_003.nii.gz has no partner",
        "without labels: 1 images, which train without Dice "
        f"({folder}/imagesTr/heart_006_0000.nii.gz); `unlabelled: true` says so",
    ]
    proposed = propose("mine", folder, found, look_at(found), {})
    assert proposed["data_sets/mine.yaml"]["releases"][0]["unlabelled"] is True
    splits = proposed["cohorts/mine.yaml"]["splits"]
    assert "006" in splits["train"]
    assert sorted(subject for split in splits.values() for subject in split) == sorted(found.files)


def test_a_folder_without_label_maps_becomes_a_study_without_labels(tmp_path: Path, root: Path) -> None:
    image, labels, subjects = LAYOUTS["nnU-Net"]
    folder = make(tmp_path / "scans", image, labels, subjects)
    subprocess.run(["rm", "-r", folder / "labelsTr"], check=True)
    found = find_scans(folder)
    assert (found.images, found.labels, found.labelled) == (image, None, [])
    config = tmp_path / "config"
    subprocess.run(["cp", "-r", root / "config", config], check=True)
    paths = write_proposal(config, propose("mine", folder, found, look_at(found), {}))
    cohort = Catalogue(config).cohort("mine")
    assert check_scans(found, cohort) == []
    assert {name.removeprefix("sub-"): files for name, files in source_files(cohort, folder).items()} == found.files
    study = load_study(yaml.safe_load(paths[-1].read_text()), config)
    assert {"lku_net", "voxelmorph", "initial"} <= set(study.runs)
    assert "textscf" not in study.runs


def test_a_folder_without_scans_or_with_few_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"has no \.nii or \.nii\.gz file"):
        find_scans(tmp_path)
    image, labels, subjects = LAYOUTS["nnU-Net"]
    folder = make(tmp_path, image, labels, subjects)
    (folder / "labelsTr/heart_001.nii.gz").unlink()
    with pytest.raises(InputError, match=r"5 subjects have imagesTr/.* and labelsTr/.*; expected at least 6$"):
        find_scans(folder)
    for path in (folder / "labelsTr").iterdir():
        path.unlink()
    (folder / "imagesTr/heart_001_0000.nii.gz").unlink()
    with pytest.raises(
        InputError, match=r"5 subjects have imagesTr/heart_\{subject\}_0000\.nii\.gz; expected at least"
    ):
        find_scans(folder)


def test_8_bit_images_are_no_label_maps(tmp_path: Path) -> None:
    image, labels, subjects = LAYOUTS["nnU-Net"]
    folder = make(tmp_path, image, labels, subjects)
    for path in (folder / "imagesTr").iterdir():
        scan = nib.load(path)
        save(path, (scan.get_fdata() / 4).astype(np.uint8), scan.affine)
    found = find_scans(folder)
    assert (found.images, found.labels) == (image, labels)


def test_computed_tomography_is_known_by_its_air(tmp_path: Path) -> None:
    image, labels, subjects = LAYOUTS["nnU-Net"]
    folder = make(tmp_path, image, labels, subjects)
    for path in (folder / "imagesTr").iterdir():
        scan = nib.load(path)
        save(path, (scan.get_fdata() - 1000).astype(np.int16), scan.affine)
    found = find_scans(folder)
    cohort = propose("mine", folder, found, look_at(found), {})["cohorts/mine.yaml"]
    assert cohort["modality"] == "computed tomography"
    assert cohort["preprocess"]["intensity"] == {"kind": "clip", "range": [-500, 800]}


def test_the_script_prints_what_it_assumed(tmp_path: Path, root: Path) -> None:
    image, labels, subjects = LAYOUTS["nnU-Net"]
    folder = make(tmp_path / "scans", image, labels, subjects)
    spoiled = nib.load(folder / "labelsTr/heart_010.nii.gz")
    save(folder / "labelsTr/heart_010.nii.gz", np.asarray(spoiled.dataobj), spoiled.affine + np.diag([0, 0, 1, 0]))
    command = [python(), root / "src/new_cohort.py", folder, "--name", "mine"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert "6 scans, 2.0 x 2.0 x 3.0 mm" in done.stdout
    assert f"cannot be used: {folder}/labelsTr/heart_010.nii.gz: its affine puts a corner" in done.stdout
    assert (tmp_path / "mine_scans.png").stat().st_size > 10_000
    study = load_study(read_yaml(tmp_path / "config/mine.yaml"), root / "config", own=tmp_path / "config")
    assert study.cohort("mine")["anatomy"]["structures"]
