"""Cohorts as people have them, made from six real scans: each is used as it is meant, or refused in one line."""

import logging
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import yaml
from scipy import ndimage

from tests.scan_files import save, stored_as, turned
from textscf.data.cohort import Cohort
from textscf.data.preprocess import preprocess_cohort
from textscf.errors import InputError
from textscf.study.catalogue import Catalogue

SUBJECTS = ["001", "003", "004", "006", "008", "011"]
PLAIN = {"images": "img/{subject}.nii.gz", "labels": "seg/{subject}.nii.gz"}
STRUCTURES: list[dict[str, Any]] = [
    {"label": n, "name": f"{part} hippocampus", "prompt": f"{part} hippocampus", "side": None, "colour": colour}
    for n, part, colour in ((1, "anterior", "#0072B2"), (2, "posterior", "#E69F00"))
]
Prepare = Callable[..., Cohort]


@pytest.fixture(scope="module")
def scans(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six hippocampi: images in `img`, label maps in `seg`."""
    folder, source = tmp_path_factory.mktemp("scans"), shared / "data/Task04_Hippocampus"
    for subject in SUBJECTS:
        for kind, stored in (("img", "imagesTr"), ("seg", "labelsTr")):
            (folder / kind).mkdir(exist_ok=True)
            shutil.copy(source / stored / f"hippocampus_{subject}.nii.gz", folder / kind / f"{subject}.nii.gz")
    return folder


@pytest.fixture
def folder(scans: Path, tmp_path: Path) -> Path:
    """A copy of the scans to change."""
    return Path(shutil.copytree(scans, tmp_path / "scans"))


@pytest.fixture(scope="module")
def catalogue(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project's configuration."""
    return Path(shutil.copytree(root / "config", tmp_path_factory.mktemp("catalogue") / "config"))


@pytest.fixture
def prepare(catalogue: Path, tmp_path: Path) -> Prepare:
    """Writes the three files of a cohort as its owner would, and prepares it."""

    def prepared(
        folder: Path,
        release: Mapping[str, Any] = PLAIN,
        structures: list[dict[str, Any]] = STRUCTURES,
        subjects: list[Any] = SUBJECTS,
        **preprocess: Any,
    ) -> Cohort:
        where = {"folder": folder.name, "archive": None, "url": None, "checksum": None, "instructions": None}
        files = {
            "data_sets": {
                **{"title": "Mine", "licence": "CC-BY-SA 4.0", "citation": "Me", "agreement": None},
                "releases": [{**where, **release}],
            },
            "anatomies": {"title": "Mine", "body_part": "brain", "structures": structures},
            "cohorts": {
                **{"title": "Mine", "notice": None, "modality": "MRI", "anatomy": "mine", "simulate_ct": None},
                "source": {"kind": "archive", "data_set": "mine"},
                "preprocess": {
                    **{"axes": "header", "orientation": "RAS", "source_spacing": None, "spacing": [1.0, 1.0, 1.0]},
                    **{"shape": [48, 64, 48], "intensity": {"kind": "percentile", "range": [0.5, 99.5]}},
                    **preprocess,
                },
                **{"field": "full", "subject": "sub-{}"},
                "splits": {"train": subjects[:2], "validation": subjects[2:4], "test": subjects[4:]},
                **{"pairs": {"validation": "all", "test": "all"}, "segmentors": {}},
            },
        }
        for kind, content in files.items():
            (catalogue / kind / "mine.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
        config = Catalogue(catalogue).cohort("mine")
        preprocess_cohort(config, folder, tmp_path / "out", workers=1)
        return Cohort.load(tmp_path / "out")

    return prepared


def rewrite(path: Path, change: Callable[[np.ndarray], np.ndarray], affine: np.ndarray | None = None) -> None:
    image: Any = nib.load(path)
    data = change(np.asanyarray(image.dataobj))
    save(path, data, image.affine if affine is None else affine)


def voxels(cohort: Cohort) -> np.ndarray:
    """Label maps of all subjects, in the order of their names."""
    files = sorted(name for name in cohort.files if name.startswith("labels/"))
    return np.stack([np.asanyarray(nib.load(cohort.folder / name).dataobj) for name in files])


@pytest.fixture
def expected(scans: Path, prepare: Prepare, tmp_path: Path) -> np.ndarray:
    """Label maps of the scans as they are."""
    labels = voxels(prepare(scans))
    shutil.rmtree(tmp_path / "out")
    assert [set(np.unique(each)) for each in labels] == [{0, 1, 2}] * len(SUBJECTS)
    return labels


def refusal(prepare: Prepare, folder: Path, **settings: Any) -> str:
    with pytest.raises(InputError) as caught:
        prepare(folder, **settings)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_scans_are_paired_by_name_and_never_by_order(prepare: Prepare, folder: Path) -> None:
    release = {"images": "img/*.nii.gz", "labels": "seg/*.nii.gz", "count": 5}
    (folder / "img/003.nii.gz").unlink()
    (folder / "seg/008.nii.gz").unlink()
    message = refusal(prepare, folder, release=release, subjects=[1, 2, 3, 4, 5, 6])
    assert f"{folder}/img/008.nii.gz, {folder}/seg/003.nii.gz: has no partner" in message


def test_a_bids_tree(prepare: Prepare, folder: Path, expected: np.ndarray) -> None:
    session = "sub-{subject}/ses-1/anat/sub-{subject}_ses-1"
    release = {"images": f"{session}_T1w.nii.gz", "labels": f"derivatives/manual/{session}_dseg.nii.gz"}
    names = ["a1", "control7", "m", "p", "pre9", "z"]
    for subject, name in zip(SUBJECTS, names, strict=True):
        for kind, key in (("img", "images"), ("seg", "labels")):
            target = folder / release[key].format(subject=name)
            target.parent.mkdir(parents=True, exist_ok=True)
            (folder / kind / f"{subject}.nii.gz").rename(target)
    cohort = prepare(folder, release, subjects=names)
    np.testing.assert_array_equal(voxels(cohort), expected)
    assert cohort.splits["test"] == ["sub-pre9", "sub-z"]
    (folder / release["labels"].format(subject="m")).unlink()
    assert "derivatives/manual/sub-m/ses-1/anat/sub-m_ses-1_dseg.nii.gz" in refusal(
        prepare, folder, release=release, subjects=names
    )


def test_label_maps_with_numbers_of_freesurfer(prepare: Prepare, folder: Path, expected: np.ndarray) -> None:
    for subject in SUBJECTS:
        rewrite(folder / f"seg/{subject}.nii.gz", lambda data: np.array([0, 17, 53], np.int16)[data.astype(int)])
    message = refusal(prepare, folder)
    assert "6 of 6 subjects cannot be used" in message
    assert f"{folder}/seg/001.nii.gz" in message
    assert "17" in message
    values = [{**structure, "value": value} for structure, value in zip(STRUCTURES, (17, 53), strict=True)]
    np.testing.assert_array_equal(voxels(prepare(folder, structures=values)), expected)


def test_scans_stored_along_other_axes(prepare: Prepare, folder: Path, expected: np.ndarray) -> None:
    for subject, codes in zip(SUBJECTS, ("LPS", "SAR", "PIR", "LAS", "ASL", "RSA"), strict=True):
        for kind in ("img", "seg"):
            stored_as(folder / kind / f"{subject}.nii.gz", codes, folder / kind / f"{subject}.nii.gz")
    np.testing.assert_array_equal(voxels(prepare(folder)), expected)


def centres(labels: np.ndarray) -> np.ndarray:
    """Centre of each structure, ``(structures, 3)``, from the middle of the grid in mm."""
    found = np.array(ndimage.center_of_mass(labels > 0, labels, [1, 2]))
    return found - (np.array(labels.shape) - 1) / 2


def test_oblique_scans_are_turned_upright(prepare: Prepare, folder: Path, expected: np.ndarray) -> None:
    for subject in SUBJECTS:
        for kind in ("img", "seg"):
            path = folder / kind / f"{subject}.nii.gz"
            shape = nib.load(path).shape
            rewrite(path, lambda data: data, turned((0, 0, 12), (1, 1, 1), (5, -8, 2), shape))
    found = voxels(prepare(folder, shape=[64, 64, 48]))
    turn = turned((0, 0, 12), (1, 1, 1), (0, 0, 0), (1, 1, 1))[:3, :3]
    for before, after in zip(expected, found, strict=True):
        assert np.abs(centres(after) - centres(before) @ turn.T).max() < 0.75
        assert abs(np.count_nonzero(after) / np.count_nonzero(before) - 1) < 0.05


def test_heads_that_lie_elsewhere_are_aligned(prepare: Prepare, folder: Path) -> None:
    """One hippocampus under six headers: with `align`, all of them lie on the first."""
    turns = [(-8, 3, 0), (10, 0, 0), (0, -12, 5), (4, 4, 10), (15, 10, -12), (12, -15, 10)]
    for subject, degrees in zip(SUBJECTS, turns, strict=True):
        for kind in ("img", "seg"):
            data = np.asanyarray(nib.load(folder / kind / "001.nii.gz").dataobj)
            affine = turned(degrees, (1, 1, 1), (3 * degrees[0], 20, -30), data.shape)
            save(folder / kind / f"{subject}_moved.nii.gz", data, affine)
    release = {"images": "img/{subject}_moved.nii.gz", "labels": "seg/{subject}_moved.nii.gz"}
    found = voxels(prepare(folder, release, align={"to": "first", "kind": "rigid"}))
    for other in found[1:]:
        both = np.count_nonzero((found[0] == other) & (other > 0))
        assert 2 * both / (np.count_nonzero(found[0]) + np.count_nonzero(other)) > 0.9


def test_a_label_map_of_another_grid_is_refused(prepare: Prepare, folder: Path) -> None:
    path = folder / "seg/004.nii.gz"
    shifted = nib.load(path).affine.copy()
    shifted[0, 3] += 15
    rewrite(path, lambda data: data, shifted)
    rewrite(folder / "seg/006.nii.gz", lambda data: data[:-1])
    message = refusal(prepare, folder)
    assert "2 of 6 subjects cannot be used" in message
    assert f"{path}: " in message
    assert f"{folder}/seg/006.nii.gz: " in message


def test_a_scan_with_nan_is_refused(prepare: Prepare, folder: Path) -> None:
    rewrite(folder / "img/008.nii.gz", lambda data: np.where(data > data.mean(), data, np.nan).astype(np.float32))
    message = refusal(prepare, folder)
    assert f"{folder}/img/008.nii.gz: " in message
    assert "not finite" in message or "NaN" in message


def test_a_structure_that_no_scan_has_is_said(
    prepare: Prepare, folder: Path, expected: np.ndarray, caplog: pytest.LogCaptureFixture
) -> None:
    fornix = {"label": 3, "name": "fornix", "prompt": "fornix", "side": None, "colour": "#009E73"}
    with caplog.at_level(logging.WARNING):
        found = voxels(prepare(folder, structures=[*STRUCTURES, fornix]))
    np.testing.assert_array_equal(found, expected)
    (warning,) = [record.getMessage() for record in caplog.records if "fornix" in record.getMessage()]
    assert "no scan has fornix (label 3)" in warning


def test_a_folder_of_another_kind_of_file_is_refused(prepare: Prepare, folder: Path) -> None:
    (folder / "img/001.nii.gz").write_bytes(b"<html>404</html>")
    (folder / "seg/003.nii.gz").write_bytes((folder / "seg/003.nii.gz").read_bytes()[:500])
    message = refusal(prepare, folder)
    assert "2 of 6 subjects cannot be used" in message
    assert f"{folder}/img/001.nii.gz: " in message
    assert f"{folder}/seg/003.nii.gz: " in message


def test_scans_without_labels_must_be_asked_for(prepare: Prepare, folder: Path, expected: np.ndarray) -> None:
    (folder / "seg/003.nii.gz").unlink()
    assert f"{folder}/seg/003.nii.gz" in refusal(prepare, folder)
    cohort = prepare(folder, {**PLAIN, "unlabelled": True})
    assert "images/sub-003.nii.gz" in cohort.files
    assert "labels/sub-003.nii.gz" not in cohort.files
    np.testing.assert_array_equal(voxels(cohort), np.delete(expected, SUBJECTS.index("003"), axis=0))
    wrong = {**PLAIN, "labels": "segs/{subject}.nii.gz", "unlabelled": True}
    assert "no subject of cohort mine has a label map segs/{subject}.nii.gz" in refusal(prepare, folder, release=wrong)


def world_centres(labels: Path) -> np.ndarray:
    """Centre of each structure, ``(structures, 3)``, in mm of the scan's world."""
    image: Any = nib.load(labels)
    data = np.asanyarray(image.dataobj)
    return nib.affines.apply_affine(image.affine, np.array(ndimage.center_of_mass(data > 0, data, [1, 2])))


def test_landmarks_stay_on_the_anatomy(prepare: Prepare, folder: Path) -> None:
    """Centres of the structures as landmarks, in scans stored along other axes."""
    for subject, codes in zip(SUBJECTS, ("LPS", "SAR", "PIR", "LAS", "ASL", "RSA"), strict=True):
        for kind in ("img", "seg"):
            stored_as(folder / kind / f"{subject}.nii.gz", codes, folder / kind / f"{subject}.nii.gz")
        (folder / "marks").mkdir(exist_ok=True)
        table = pd.DataFrame(world_centres(folder / f"seg/{subject}.nii.gz"), columns=list("xyz"))
        table.assign(name=["anterior", "posterior"]).to_csv(folder / f"marks/{subject}.csv", index=False)
    release = {**PLAIN, "landmarks": "marks/{subject}.csv"}
    cohort = prepare(folder, release)
    for subject in cohort.splits["test"]:
        found = pd.read_csv(cohort.landmark_path(subject))[["x", "y", "z"]].to_numpy()
        np.testing.assert_allclose(found, world_centres(cohort.folder / f"labels/{subject}.nii.gz"), atol=1e-3)
    pd.DataFrame({"x": [1e3], "y": [0], "z": [0]}).to_csv(folder / "marks/011.csv", index=False)
    message = refusal(prepare, folder, release=release)
    assert f"{folder}/marks/011.csv: " in message
    assert "outside" in message
