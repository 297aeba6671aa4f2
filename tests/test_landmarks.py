"""Landmarks: preparation keeps them on their anatomy, wrong files are refused, and their error after registration."""

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from scipy import ndimage

from tests.scan_files import save, stored_as, turned
from textscf.data.cohort import Cohort
from textscf.data.cohort_alignment import transform_aligned
from textscf.data.geometry import centred_affine
from textscf.data.landmark_file import LandmarkFile
from textscf.data.landmarks import landmarks_of_pair, placed_landmarks
from textscf.data.preprocess import preprocess_cohort
from textscf.data.recipe import Recipe
from textscf.data.scans import StoredScan, read_scan
from textscf.errors import InputError
from textscf.metrics import evaluate_pair

SHAPE, SPACING = (30, 36, 28), (1.7, 1.3, 2.1)
POINTS = np.array([[3.0, -4.0, 5.0], [-9.0, 6.0, -7.0], [8.0, 9.0, 10.0], [-6.0, -11.0, 2.0]])
CENTRE = (12.0, -30.0, 45.0)


def write_subject(
    folder: Path, subject: str, points: np.ndarray, affine: np.ndarray, codes: str | None = None, labels: bool = True
) -> None:
    """An image with a bright spot at each point (mm of the world), a label map, and the points as landmarks."""
    grid = np.stack(np.meshgrid(*map(np.arange, SHAPE), indexing="ij"), axis=-1) @ affine[:3, :3].T + affine[:3, 3]
    spots = [np.exp(-((grid - point) ** 2).sum(-1) / (2 * 2.5**2)) for point in points]
    content: dict[str, np.ndarray] = {"images": np.sum(spots, axis=0).astype(np.float32)}
    if labels:
        content["labels"] = ((np.argmax(spots, axis=0) % 2 + 1) * (np.max(spots, axis=0) > 0.5)).astype(np.uint8)
    for kind, data in content.items():
        path = save(folder / kind / f"{subject}.nii.gz", data, affine)
        if codes:
            stored_as(path, codes, path)
    write_landmarks(folder, subject, points)


def write_landmarks(folder: Path, subject: str, points: Any, **columns: Any) -> Path:
    path = folder / "landmarks" / f"{subject}.csv"
    path.parent.mkdir(exist_ok=True)
    pd.DataFrame(points, columns=list("xyz")).assign(**columns).to_csv(path, index=False)
    return path


@pytest.fixture
def config() -> dict[str, Any]:
    """Resolved config of a cohort of three subjects with landmarks."""
    structures = [{"label": 1, "name": "odd"}, {"label": 2, "name": "even"}]
    release = {"images": "images/{subject}.nii.gz", "labels": "labels/{subject}.nii.gz",
               "landmarks": "landmarks/{subject}.csv"}  # fmt: skip
    return {
        **{"name": "spots", "title": "Spots", "notice": None, "licence": "CC0", "citation": "Nobody"},
        **{"modality": "MRI", "anatomy": {"title": "A", "body_part": "head", "structures": structures}},
        **{"source": {"kind": "archive", "data_set": "spots", "releases": [release]}, "subject": "{}"},
        "preprocess": {
            **{"axes": "header", "orientation": "RAS", "source_spacing": None, "spacing": [2.0, 1.5, 1.8]},
            **{"shape": [24, 33, 40], "intensity": {"kind": "clip", "range": [0, 1]}},
        },
        **{"splits": {"train": ["a"], "test": ["b", "c"]}, "pairs": {"test": "all"}},
    }


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """Scans of three subjects; their landmarks differ by a shift."""
    folder = tmp_path / "raw"
    for number, subject in enumerate("abc"):
        affine = turned((0, 0, 0), SPACING, CENTRE, SHAPE)
        write_subject(folder, subject, POINTS + CENTRE + np.array([number, -2.0 * number, 0]), affine)
    return folder


def centres(path: Path, around: np.ndarray) -> np.ndarray:
    """Centres of the bright spots of an image near points, all in mm of its world."""
    image = nib.load(path)
    data, found = image.get_fdata(), []
    grid = np.stack(np.meshgrid(*map(np.arange, data.shape), indexing="ij"), axis=-1)
    world = grid @ image.affine[:3, :3].T + image.affine[:3, 3]
    for point in around:
        near = (np.linalg.norm(world - point, axis=-1) < 5.0) * np.maximum(data - 0.2, 0)
        found.append((world * near[..., None]).sum((0, 1, 2)) / near.sum())
    return np.array(found)


STORED: dict[str, tuple[tuple[float, float, float], str | None, str]] = {
    "upright": ((0, 0, 0), None, "RAS"),
    "other axes": ((0, 0, 0), "SPL", "RAS"),
    "to other axes": ((0, 0, 0), "LIA", "LPI"),
    "oblique": ((15, -10, 20), None, "RAS"),
    "oblique and to other axes": ((8, 12, -14), "IRP", "ASL"),
}


@pytest.mark.parametrize("case", STORED)
def test_prepared_landmarks_lie_on_their_anatomy(config: dict[str, Any], tmp_path: Path, case: str) -> None:
    degrees, codes, orientation = STORED[case]
    for subject in "abc":
        write_subject(tmp_path / "raw", subject, POINTS + CENTRE, turned(degrees, SPACING, CENTRE, SHAPE), codes)
    config["preprocess"]["orientation"] = orientation
    config["preprocess"]["shape"] = [40, 40, 40] if orientation != "RAS" else [24, 33, 40]
    preprocess_cohort(config, tmp_path / "raw", tmp_path / "out", workers=1)
    cohort = Cohort.load(tmp_path / "out")
    prepared = pd.read_csv(cohort.landmark_path("b"))[["x", "y", "z"]].to_numpy()
    np.testing.assert_allclose(centres(cohort.image_path("b"), prepared), prepared, atol=0.15)
    assert np.linalg.norm(prepared - POINTS, axis=1).max() < 2.5  # the grids' centres lie at most a voxel apart


def test_axes_of_landmarks_and_a_header_that_is_overridden(config: dict[str, Any], raw: Path, tmp_path: Path) -> None:
    preprocess_cohort(config, raw, tmp_path / "ras", workers=1)
    for subject in "abc":
        path = raw / "landmarks" / f"{subject}.csv"
        pd.read_csv(path).mul([-1, -1, 1]).to_csv(path, index=False)
    config["source"]["releases"][0]["landmark_axes"] = "LPS"
    config["preprocess"] |= {"axes": "RAS", "source_spacing": list(SPACING)}
    preprocess_cohort(config, raw, tmp_path / "lps", workers=1)
    for subject in "abc":
        first, second = (pd.read_csv(tmp_path / out / "landmarks" / f"{subject}.csv") for out in ("ras", "lps"))
        np.testing.assert_allclose(first, second, atol=1e-5)


def test_changed_landmarks_are_prepared_again(config: dict[str, Any], raw: Path, tmp_path: Path) -> None:
    preprocess_cohort(config, raw, tmp_path / "out", workers=1)
    before, record = (tmp_path / "out/cohort.json").read_text(), (tmp_path / "out/.subjects/a.json").read_text()
    preprocess_cohort(config, raw, tmp_path / "out", workers=1)
    assert (tmp_path / "out/cohort.json").read_text() == before
    write_landmarks(raw, "a", POINTS + CENTRE + 1)
    preprocess_cohort(config, raw, tmp_path / "out", workers=1)
    assert (tmp_path / "out/cohort.json").read_text() != before
    assert (tmp_path / "out/.subjects/a.json").read_text() != record
    (raw / "landmarks/a.csv").unlink()
    preprocess_cohort(config, raw, tmp_path / "out", workers=1)
    assert not (tmp_path / "out/landmarks/a.csv").exists()
    assert [Cohort.load(tmp_path / "out").has_landmarks(subject) for subject in "abc"] == [False, True, True]


def test_without_the_key_nothing_of_landmarks_is_there(config: dict[str, Any], raw: Path, tmp_path: Path) -> None:
    del config["source"]["releases"][0]["landmarks"]
    preprocess_cohort(config, raw, tmp_path / "out", workers=1)
    assert not (tmp_path / "out/landmarks").exists()
    assert "landmarks" not in (tmp_path / "out/cohort.json").read_text()


BAD: dict[str, tuple[str, str]] = {
    "no column": ("x,y\n1,2\n", "has no column 'z'"),
    "words": ("x,y,z\n1,2,here\n", "x, y or z has words"),
    "a gap": ("x,y,z\n1,2,\n1,2,3\n", "a coordinate is missing"),
    "no row": ("x,y,z\n", "has no rows"),
    "empty": ("", "cannot be read as CSV"),
    "outside the scan": (
        "x,y,z\n12,-30,45\n400,-30,45\n",
        "1 of 2 landmarks, the first at (400, -30, 45) RAS, lie outside of the scan",
    ),
    "a name twice": ("name,x,y,z\np,12,-30,45\np,12,-31,45\n", "name 'p' is missing or there twice"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_wrong_file_is_refused_by_its_name(config: dict[str, Any], raw: Path, tmp_path: Path, case: str) -> None:
    text, reason = BAD[case]
    path = raw / "landmarks/b.csv"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        preprocess_cohort(config, raw, tmp_path / "out", workers=1)
    assert str(caught.value).startswith(f"1 of 3 subjects cannot be used: {path}: ")
    assert reason in str(caught.value)
    assert not (tmp_path / "out/cohort.json").exists()


def test_a_landmark_that_preparation_cuts_off_is_refused(config: dict[str, Any], raw: Path, tmp_path: Path) -> None:
    config["preprocess"]["shape"] = [8, 33, 40]
    with pytest.raises(InputError, match=r"landmarks/a\.csv: 2 of 4 landmarks, .*outside of the prepared grid"):
        preprocess_cohort(config, raw, tmp_path / "out", workers=1)


def test_landmarks_of_a_test_pair_must_correspond(config: dict[str, Any], raw: Path, tmp_path: Path) -> None:
    write_landmarks(raw, "c", POINTS[:3] + CENTRE)
    with pytest.raises(InputError, match=r"b\.csv: has 4 landmarks, and .*c\.csv has 3; expected the same"):
        preprocess_cohort(config, raw, tmp_path / "out", workers=1)
    write_landmarks(raw, "b", POINTS + CENTRE, name=list("pqrs"))
    write_landmarks(raw, "c", POINTS + CENTRE, name=list("pqrt"))
    with pytest.raises(InputError, match=r"b\.csv: its landmarks have other names than those of .*c\.csv"):
        preprocess_cohort(config, raw, tmp_path / "out", workers=1)
    for path in (raw / "landmarks").iterdir():
        path.unlink()
    with pytest.raises(InputError, match=r"no subject has landmarks landmarks/\{subject\}\.csv"):
        preprocess_cohort(config, raw, tmp_path / "out", workers=1)
    write_landmarks(raw, "b", POINTS + CENTRE)
    with pytest.raises(InputError, match="no test pair has landmarks in both scans"):
        preprocess_cohort(config, raw, tmp_path / "out", workers=1)


def test_rows_correspond_by_their_names(config: dict[str, Any], raw: Path, tmp_path: Path) -> None:
    write_landmarks(raw, "b", POINTS + CENTRE, name=["01", "02", "03", "1"])
    write_landmarks(raw, "c", (POINTS + CENTRE)[::-1], name=["1", "03", "02", "01"])
    preprocess_cohort(config, raw, tmp_path / "out", workers=1)
    cohort = Cohort.load(tmp_path / "out")
    pair = landmarks_of_pair(cohort, "b", "c")
    assert pair is not None
    np.testing.assert_allclose(*pair, atol=1e-5)
    assert landmarks_of_pair(cohort, "a", "b") is not None


def trilinear(field: np.ndarray, point: np.ndarray) -> np.ndarray:
    """Displacement at a point in voxels, written out corner by corner."""
    low = np.floor(point).astype(int)
    result = np.zeros(3)
    for corner in np.ndindex(2, 2, 2):
        weight = np.prod([1 - abs(point[a] - low[a] - corner[a]) for a in range(3)])
        result += weight * field[tuple(low + corner)]
    return result


def test_target_registration_error_is_that_of_a_calculation_of_its_own() -> None:
    generator = np.random.default_rng(3)
    shape, spacing = (9, 11, 7), (1.5, 0.8, 2.5)
    field = generator.normal(0, 2, (*shape, 3)).astype(np.float32)
    fixed, moving = (generator.uniform(0, np.array(shape) - 1.001, (20, 3)) for _ in range(2))
    labels = generator.integers(0, 3, shape)
    found = evaluate_pair(labels, labels, field, [1, 2], spacing, landmarks=(fixed, moving)).tre_mm
    mapped = [point + trilinear(field.astype(np.float64), point) for point in fixed]
    expected = np.mean([np.sqrt(sum(((m - q) * spacing) ** 2)) for m, q in zip(mapped, moving, strict=True)])
    assert found == pytest.approx(expected, rel=1e-12)
    before = evaluate_pair(labels, labels, None, [1, 2], spacing, landmarks=(fixed, moving)).tre_mm
    assert before == pytest.approx(np.linalg.norm((fixed - moving) * spacing, axis=1).mean(), rel=1e-12)
    assert not hasattr(evaluate_pair(labels, labels, field, [1, 2], spacing), "tre_mm")
    with pytest.raises(ValueError, match=r"landmarks of shapes \(20, 3\) and \(19, 3\)"):
        evaluate_pair(labels, labels, field, [1, 2], spacing, landmarks=(fixed, moving[1:]))


def test_the_field_that_warps_the_moving_image_maps_fixed_landmarks_to_moving_ones() -> None:
    shape = (24, 26, 20)
    field = np.stack([ndimage.gaussian_filter(np.random.default_rng(a).normal(size=shape), 5) for a in range(3)], -1)
    field *= 2 / np.abs(field).max()
    fixed = np.array([[8.0, 9.0, 10.0], [14.0, 15.0, 8.0]])
    moving = np.array([point + trilinear(field, point) for point in fixed])
    found = evaluate_pair(None, None, field, [1], landmarks=(fixed, moving))
    assert found.tre_mm < 1e-12
    assert evaluate_pair(None, None, -field, [1], landmarks=(fixed, moving)).tre_mm > 0.1
    assert np.isnan(found.dice).all()
    assert found.sdlogj > 0


@pytest.mark.parametrize("overridden", [False, True])
def test_landmarks_follow_the_alignment_of_scans(config: dict[str, Any], tmp_path: Path, overridden: bool) -> None:
    if overridden:
        config["preprocess"] |= {"axes": "RAS", "source_spacing": list(SPACING)}
    affine = turned((0, 0, 0), SPACING, CENTRE, SHAPE)
    write_subject(tmp_path, "b", POINTS + CENTRE, affine)
    recipe = Recipe.from_config(config)
    scan = read_scan("b", tmp_path / "images/b.nii.gz", tmp_path / "labels/b.nii.gz", recipe)
    assert isinstance(scan, StoredScan)
    alignment = turned((12, -9, 15), (1.05, 0.95, 1.0), (1.0, -2.0, 1.5), (1, 1, 1))
    alignment[:3, 3] += 0 if overridden else CENTRE
    image, _ = transform_aligned(scan, recipe, alignment)
    grid = centred_affine(recipe.orientation, recipe.spacing, recipe.shape)
    save(tmp_path / "aligned.nii.gz", image, grid)
    placed = placed_landmarks(LandmarkFile(tmp_path / "landmarks/b.csv"), scan, recipe, alignment)
    points = placed[["x", "y", "z"]].to_numpy()
    np.testing.assert_allclose(centres(tmp_path / "aligned.nii.gz", points), points, atol=0.15)
    assert np.linalg.norm(points - POINTS, axis=1).max() > 2
