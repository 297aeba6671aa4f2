"""Alignment of a cohort whose scans were turned and shifted by known rigid transformations."""

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from tests.scan_files import save, smooth
from textscf.data import cohort_alignment
from textscf.data.alignment import PlacedImage, align
from textscf.data.cohort import check_cohort
from textscf.data.placement import Placement
from textscf.data.preprocess import preprocess_cohort
from textscf.data.recipe import Recipe
from textscf.errors import InputError
from textscf.files.io import read_json
from textscf.world.grid import Grid, apply_affine, sample

SHAPE, SPACING = (40, 44, 36), 2.0
TURNS = {"s1": ((0, 0, 0), (30, -20, 10)), "s2": ((8, -6, 12), (12, 40, -9)), "s3": ((-10, 5, -15), (-50, 8, 21))}
"""Angles in degrees and shift in mm of each subject's head; the first one's axes are the patient's."""

ALIGNED: dict[str, Any] = {
    **{"axes": "header", "orientation": "RAS", "source_spacing": None, "spacing": [SPACING] * 3},
    **{"shape": [44, 48, 40], "intensity": {"kind": "none"}, "align": {"to": "first"}},
}


def moved_by(subject: str) -> np.ndarray:
    """Affine (4, 4) from the world of the common anatomy to that of a subject."""
    degrees, shift = TURNS[subject]
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler("xyz", degrees, degrees=True).as_matrix()
    matrix[:3, 3] = shift
    return matrix


@pytest.fixture(scope="module")
def anatomy() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Image, labels and affine of the common anatomy, whose middle is at 0 mm."""
    image = smooth(SHAPE, seed=5)
    labels = np.digitize(image, [0.5, 0.7]).astype(np.uint8)
    affine = np.diag([SPACING, SPACING, SPACING, 1])
    affine[:3, 3] = -SPACING * (np.array(SHAPE) - 1) / 2
    return image, labels, affine


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory, anatomy: tuple[np.ndarray, ...]) -> Path:
    """The anatomy as scanned three times: s1 as it is, s2 turned in its header, s3 turned and on an upright grid."""
    folder = tmp_path_factory.mktemp("aligned") / "raw"
    image, labels, affine = anatomy
    for subject in ("s1", "s2"):
        there = moved_by(subject) @ affine
        save(folder / f"images/{subject}.nii.gz", image, there)
        save(folder / f"labels/{subject}.nii.gz", labels, there)
    there = moved_by("s3")
    own = np.diag([1.6, 1.6, 1.6, 1])
    shape = (62, 64, 60)
    own[:3, 3] = there[:3, 3] - 1.6 * (np.array(shape) - 1) / 2

    def back(points: np.ndarray) -> np.ndarray:
        return apply_affine(np.linalg.inv(there), points)

    save(folder / "images/s3.nii.gz", sample(image, affine, Grid(shape, own), back, order=3).clip(0, 1), own)
    save(folder / "labels/s3.nii.gz", sample(labels, affine, Grid(shape, own), back, order=0), own)
    return folder


def config(**preprocess: Any) -> dict[str, Any]:
    structures = [{"label": 1, "name": "rind"}, {"label": 2, "name": "core"}]
    return {
        **{"name": "turned", "title": "Turned", "notice": "simulated", "licence": "CC0", "citation": "Nobody"},
        **{"modality": "MRI", "anatomy": {"title": "A", "body_part": "head", "structures": structures}},
        **{"source": {"kind": "phantom"}, "simulate_ct": None, "subject": "s{}"},
        "preprocess": {**ALIGNED, **preprocess},
        **{"splits": {"train": [1], "test": [2, 3]}, "pairs": {"test": "all"}},
    }


@pytest.fixture(scope="module")
def prepared(raw: Path) -> Path:
    preprocess_cohort(config(), raw, raw.parent / "out", workers=1)
    return raw.parent / "out"


def record(folder: Path, subject: str) -> dict[str, Any]:
    content: dict[str, Any] = read_json(folder / f".subjects/{subject}.json")
    return content


def by_centres(fixed: PlacedImage, moving: PlacedImage, _kind: str) -> np.ndarray:
    """Aligns by centres in place of ANTs, which takes seconds."""
    return align(fixed, moving, "centre")[0]


@pytest.mark.parametrize("subject", ["s1", "s2", "s3"])
def test_scans_come_back_to_the_first_within_a_fraction_of_a_voxel(prepared: Path, subject: str) -> None:
    corners = np.array([*np.ndindex(2, 2, 2)]) * 50.0 - 25
    found = apply_affine(np.array(record(prepared, subject)["alignment"]), corners)
    missed = np.linalg.norm(found - apply_affine(moved_by(subject), corners), axis=1)
    assert missed.max() < 0.25 * SPACING


def test_images_and_labels_lie_on_each_other(prepared: Path) -> None:
    images, labels = (
        [nib.load(prepared / kind / f"{subject}.nii.gz").get_fdata() for subject in TURNS]
        for kind in ("images", "labels")
    )
    for image, own in zip(images[1:], labels[1:], strict=True):
        assert np.abs(image - images[0]).mean() < 0.01
        assert (own == labels[0]).mean() > 0.97


def test_a_scan_is_sampled_once_from_its_stored_voxels(
    prepared: Path, anatomy: tuple[np.ndarray, np.ndarray, np.ndarray]
) -> None:
    image, labels, affine = anatomy
    there = np.array(record(prepared, "s2")["alignment"])
    stored = nib.load(prepared / "images/s2.nii.gz")
    onto = Grid(stored.shape, stored.affine)
    to_anatomy = np.linalg.inv(moved_by("s2")) @ there
    expected = sample(image, affine, onto, lambda points: apply_affine(to_anatomy, points), order=2)
    np.testing.assert_allclose(stored.get_fdata(), expected.clip(0, 1), atol=1e-3)
    nearest = sample(labels, affine, onto, lambda points: apply_affine(to_anatomy, points), order=0)
    assert (nib.load(prepared / "labels/s2.nii.gz").get_fdata() == nearest).mean() > 0.999


def test_the_same_scans_give_the_same_bytes_in_other_processes(prepared: Path, raw: Path, tmp_path: Path) -> None:
    preprocess_cohort(config(), raw, tmp_path, workers=2)
    for subject in TURNS:
        assert record(tmp_path, subject) == record(prepared, subject)


def test_a_template_is_a_file_and_another_one_prepares_again(
    raw: Path, tmp_path: Path, anatomy: tuple[np.ndarray, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    image, _, affine = anatomy
    template = save(tmp_path / "template.nii.gz", image, affine)
    settings = config(align={"to": str(template), "kind": "affine"})
    preprocess_cohort(settings, raw, tmp_path / "out", workers=1)
    corners = np.array([*np.ndindex(2, 2, 2)]) * 50.0 - 25
    for subject in TURNS:
        found = apply_affine(np.array(record(tmp_path / "out", subject)["alignment"]), corners)
        assert np.linalg.norm(found - apply_affine(moved_by(subject), corners), axis=1).max() < 0.5 * SPACING
    before = record(tmp_path / "out", "s1")
    monkeypatch.setattr(cohort_alignment, "by_ants", by_centres)
    preprocess_cohort(settings, raw, tmp_path / "out", workers=1)
    assert record(tmp_path / "out", "s1") == before
    save(template, image[:-4], affine)
    preprocess_cohort(settings, raw, tmp_path / "out", workers=1)
    assert record(tmp_path / "out", "s1")["inputs"] != before["inputs"]
    assert record(tmp_path / "out", "s1")["files"] != before["files"]
    template.unlink()
    with pytest.raises(InputError, match=r"template\.nii\.gz: no such file; expected 'first' or a template"):
        preprocess_cohort(settings, raw, tmp_path / "out", workers=1)


def test_a_scan_that_shares_nothing_with_the_first_is_refused_by_its_file(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    far = np.eye(4)
    far[:3, 3] = 500
    monkeypatch.setattr(cohort_alignment, "by_ants", lambda *_: far)
    with pytest.raises(InputError, match=r"2 of 3 subjects cannot be used: .*s2\.nii\.gz: alignment rigid with .*s1"):
        preprocess_cohort(config(), raw, tmp_path, workers=1)
    assert "overlap of 0.00" in (tmp_path / "rejected.csv").read_text()
    assert not (tmp_path / "images").exists()


def test_what_needs_the_stored_grids_is_refused() -> None:
    settings = {**config(), "segmentors": {"base": {"source": "train"}}}
    check_cohort(settings)
    with pytest.raises(InputError, match=r"segmentors\.big: pretrained; expected source train with preprocess\.align"):
        check_cohort({**settings, "segmentors": {"big": {"source": "pretrained"}}})
    with pytest.raises(InputError, match=r"learn2reg: not possible with preprocess\.align"):
        check_cohort({**settings, "learn2reg": {"folder": "x"}})
    with pytest.raises(InputError, match=r"preprocess\.fit: exact; expected centre"):
        check_cohort({**settings, "preprocess": {**ALIGNED, "fit": "exact"}})
    with pytest.raises(InputError, match=r"preprocess\.align: 'first'; expected none"):
        Placement.of_grid(SHAPE, np.eye(4), "RAS", (1, 1, 1), Recipe.from_config(config()))
