"""Fields in the challenge's forms: on its grid, in its names, and of the same value once read again."""

import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import nibabel as nib
import numpy as np
import pytest
from nibabel import orientations
from scipy import ndimage

from tests.cohorts import prepare_labels
from textscf.data.cohort import Cohort
from textscf.data.geometry import centred_affine
from textscf.data.placement import Placement
from textscf.data.preprocess import preprocess_cohort
from textscf.data.recipe import Recipe
from textscf.errors import InputError
from textscf.files.io import read_json, read_labels, write_nifti
from textscf.metrics import evaluate_pair
from textscf.metrics.warping import warp_labels
from textscf.registration.learn2reg import FORMS, challenge_grid, check_archive, export_fields, file_names, read_field
from textscf.study.catalogue import Catalogue

STORED_SHAPE = (12, 10, 8)
SUBJECTS = ("Test_0001_0000", "Test_0002_0000", "Test_0003_0000")


def config_of(axes: str = "header", spacing: float = 1.0, shape: tuple[int, ...] = (14, 12, 10)) -> dict[str, Any]:
    """Resolved config of a cohort of three subjects; the prepared grid is LAS."""
    structures = [{"label": 1, "name": "one"}, {"label": 2, "name": "two"}]
    files = "Test_{number:04d}_0000.nii.gz"
    source = {"kind": "archive", "releases": [{"images": f"images/{files}", "labels": f"labels/{files}"}]}
    return {
        **{"name": "small", "title": "Small", "notice": None, "licence": "CC0", "citation": "Nobody"},
        **{"modality": "CT", "anatomy": {"title": "A", "body_part": "head", "structures": structures}},
        **{"source": source, "simulate_ct": None, "subject": "Test_{:04d}_0000"},
        "preprocess": {
            **{"axes": axes, "orientation": "LAS", "source_spacing": None, "spacing": [spacing] * 3},
            **{"shape": list(shape), "intensity": {"kind": "percentile", "range": [1, 99]}},
        },
        **{"splits": {"train": [1], "test": [2, 3]}, "pairs": {"test": "all"}},
        "learn2reg": {"grid": "stored", "folder": "task_03"},
    }


def stored_affine(axes: str) -> np.ndarray:
    return centred_affine(axes, (1.0, 1.0, 1.0), STORED_SHAPE)


def make_raw(folder: Path, axes: str, shape: tuple[int, ...] = STORED_SHAPE) -> Path:
    """Stored scans of the three subjects: blocks in noise, the larger of which moves."""
    generator = np.random.default_rng(0)
    for number, subject in enumerate(SUBJECTS):
        labels = np.zeros(shape, np.uint8)
        labels[3 + number : 8 + number, 2:7, 2:6], labels[3:6, 7:9, 2:6] = 1, 2
        image = (labels * 50 + generator.normal(100, 5, shape)).astype(np.float32)
        for kind, data in (("images", image), ("labels", labels)):
            write_nifti(folder / kind / f"{subject}.nii.gz", data, stored_affine(axes))
    return folder


def smooth_field(shape: tuple[int, ...], seed: int = 0, size: float = 2.0, width: float = 3.0) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(size=(*shape, 3))
    field = np.stack([ndimage.gaussian_filter(noise[..., axis], width) for axis in range(3)], axis=-1)
    return (size * field / np.abs(field).max()).astype(np.float32)


class Fields:
    """Registers each pair with a smooth field of its own."""

    in_workers: ClassVar[bool] = False

    def __init__(self, cohort: Cohort) -> None:
        self._cohort = cohort

    def displacement(self, fixed: str, moving: str) -> tuple[np.ndarray, float]:
        return smooth_field(self._cohort.shape, sum(map(ord, fixed + moving))), 0.0


@pytest.mark.parametrize("axes", ["LAS", "RAS", "LIA", "PSR", "SRA"])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_shift_along_one_axis_is_that_shift_of_the_stored_scans(axes: str, axis: int, tmp_path: Path) -> None:
    labels = np.zeros(STORED_SHAPE, np.uint8)
    labels[4:8, 4:7, 3:5] = np.arange(4 * 3 * 2).reshape(4, 3, 2) % 2 + 1
    write_nifti(tmp_path / "stored.nii.gz", labels, stored_affine(axes))
    recipe = Recipe.from_config(config_of())
    shift = np.zeros((*recipe.shape, 3), np.float32)
    shift[..., axis] = 3.0
    field = Placement.of_stored(tmp_path / "stored.nii.gz", recipe).displacement(shift)
    write_nifti(tmp_path / "warped.nii.gz", warp_labels(labels, field), stored_affine(axes))
    expected = warp_labels(prepare_labels(tmp_path / "stored.nii.gz", recipe), shift)
    assert expected.any()
    np.testing.assert_array_equal(prepare_labels(tmp_path / "warped.nii.gz", recipe), expected)


@pytest.mark.parametrize("shape", [(14, 12, 10), (9, 8, 5)])
@pytest.mark.parametrize(("axes", "spacing"), [("LAS", 0.5), ("PIR", 2.0), ("RSP", 1.7)])
def test_points_of_the_stored_grid_are_where_preparation_puts_them(
    axes: str, spacing: float, shape: tuple[int, ...], tmp_path: Path
) -> None:
    recipe = Recipe.from_config(config_of(spacing=spacing, shape=shape))
    write_nifti(tmp_path / "labels.nii.gz", np.ones(STORED_SHAPE, np.uint8), stored_affine(axes))
    placement = Placement.of_stored(tmp_path / "labels.nii.gz", recipe)
    slope = np.array([0.1, 0.2, 0.3])
    grid = np.stack(np.meshgrid(*map(np.arange, recipe.shape), indexing="ij"), axis=-1)
    found = placement.displacement(slope * grid)
    ornt = orientations.ornt_transform(orientations.axcodes2ornt(axes), orientations.axcodes2ornt("LAS"))
    turned = orientations.apply_orientation(found, ornt)
    turned = turned[..., np.argsort(ornt[:, 0])] * ornt[np.argsort(ornt[:, 0]), 1]
    for prepared_axis in range(3):
        n_stored, n_prepared = turned.shape[prepared_axis], recipe.shape[prepared_axis]
        n_zoomed = round(n_stored / spacing)
        places = np.linspace(0, n_zoomed - 1, n_stored)
        places = (
            places + (n_prepared - n_zoomed) // 2 if n_prepared > n_zoomed else places - (n_zoomed - n_prepared) // 2
        )
        expected = slope[prepared_axis] * places.clip(0, n_prepared - 1) * (n_stored - 1) / (n_zoomed - 1)
        along = np.moveaxis(turned[..., prepared_axis], prepared_axis, -1)
        np.testing.assert_allclose(along, np.broadcast_to(expected, along.shape), rtol=1e-5, atol=1e-5)


@pytest.fixture
def cohort(tmp_path: Path) -> Cohort:
    preprocess_cohort(config_of(), make_raw(tmp_path / "raw", "LIA"), tmp_path / "cohort", workers=1)
    return Cohort.load(tmp_path / "cohort")


@pytest.mark.parametrize(
    ("form", "name", "shape", "dtype"),
    [
        ("2025", "disp_0002_0000_0003_0000.nii.gz", (12, 10, 8, 3), "float32"),
        ("2022", "disp_0002_0003.nii.gz", (12, 10, 8, 3), "float32"),
        ("2021", "task_03/disp_0002_0003.npz", (3, 6, 5, 4), "float16"),
    ],
)
def test_archives_have_the_challenges_names_shapes_and_types(
    form: str, name: str, shape: tuple[int, ...], dtype: str, cohort: Cohort, tmp_path: Path
) -> None:
    archive = tmp_path / "fields.zip"
    export_fields(cohort, config_of(), tmp_path / "raw", Fields(cohort), form, archive)
    first = archive.read_bytes()
    with zipfile.ZipFile(archive) as opened:
        assert opened.namelist() == [name, name.replace("0003", "x").replace("0002", "0003").replace("x", "0002")]
        opened.extract(name, tmp_path)
    if name.endswith(".npz"):
        with np.load(tmp_path / name) as arrays:
            (array,) = arrays.values()
    else:
        array = np.asanyarray(nib.load(tmp_path / name).dataobj)
        np.testing.assert_allclose(nib.load(tmp_path / name).affine, stored_affine("LIA"))
    assert (array.shape, str(array.dtype)) == (shape, dtype)
    export_fields(cohort, config_of(), tmp_path / "raw", Fields(cohort), form, archive)
    assert archive.read_bytes() == first


@pytest.mark.parametrize(("form", "tolerance"), [("2025", 1e-6), ("2022", 1e-6), ("2021", 0.35)])
def test_fields_read_as_the_evaluator_does_register_the_stored_scans(
    form: str, tolerance: float, cohort: Cohort, tmp_path: Path
) -> None:
    export_fields(cohort, config_of(), tmp_path / "raw", Fields(cohort), form, tmp_path / "fields.zip")
    recipe = Recipe.from_config(config_of())
    for (fixed, moving), name in file_names(cohort, config_of(), form).items():
        field = read_field(tmp_path / "fields.zip", name, form)
        original = Fields(cohort).displacement(fixed, moving)[0]
        exact = Placement.of_stored(tmp_path / f"raw/labels/{fixed}.nii.gz", recipe).displacement(original)
        assert np.abs(field - exact).max() <= tolerance
        if form != "2021":
            stored = [read_labels(tmp_path / f"raw/labels/{subject}.nii.gz").data for subject in (fixed, moving)]
            ours = evaluate_pair(cohort.load_labels(fixed), cohort.load_labels(moving), original, cohort.label_values)
            theirs = evaluate_pair(*stored, field, cohort.label_values)
            np.testing.assert_allclose(theirs.dice, ours.dice)
            np.testing.assert_allclose(theirs.hd95, ours.hd95)


@pytest.mark.parametrize("case", ["hippocampus_smooth", "hippocampus_folding", "brain35_half"])
@pytest.mark.parametrize("form", ["2025", "2022"])
def test_an_exported_field_scores_as_the_official_evaluator_scores_it(
    case: str, form: str, shared: Path, tmp_path: Path
) -> None:
    folder = shared / "reference/learn2reg_evaluator"
    reference = read_json(folder / f"{case}.json")
    with np.load(folder / f"{case}.npz") as arrays:
        fixed, moving, labels = arrays["fixed"], arrays["moving"], arrays["labels"].tolist()
        field = arrays["displacement"].astype(np.float32)
    content = FORMS[form].encode(Placement(fixed.shape, np.eye(4)).displacement(field), np.eye(4))
    with zipfile.ZipFile(tmp_path / "fields.zip", "w") as opened:
        opened.writestr("disp", content)
    result = evaluate_pair(fixed, moving, read_field(tmp_path / "fields.zip", "disp", form), labels)
    np.testing.assert_allclose(result.dice, np.array(reference["dice"], dtype=float), atol=1e-6)
    np.testing.assert_allclose(result.hd95, np.array(reference["hd95"], dtype=float), atol=1e-6)
    assert result.sdlogj == pytest.approx(reference["sdlogj"], abs=1e-6)


def test_on_the_real_label_maps_the_field_does_the_same_at_full_resolution(
    shared: Path, root: Path, tmp_path: Path
) -> None:
    recipe = Recipe.from_config(Catalogue(root / "config").cohort("abdomen_ct"))
    fixed, moving = (shared / f"data/AbdomenCTCT/labelsTr/AbdomenCTCT_{number:04d}_0000.nii.gz" for number in (24, 25))
    field = smooth_field(recipe.shape, size=4.0, width=12.0)
    placement = Placement.of_stored(fixed, recipe)
    assert placement.shape == (192, 160, 256)
    warped = warp_labels(read_labels(moving).data, placement.displacement(field))
    write_nifti(tmp_path / "warped.nii.gz", warped.astype(np.uint8), nib.load(moving).affine)
    half = prepare_labels(tmp_path / "warped.nii.gz", recipe)
    ratio = (np.array(placement.shape) - 1) / (np.array(recipe.shape) - 1)
    grid = np.stack(np.meshgrid(*map(np.arange, recipe.shape), indexing="ij"))
    places = (grid + np.moveaxis(field, -1, 0)) * ratio[:, None, None, None]
    expected = ndimage.map_coordinates(read_labels(moving).data, places, order=0)
    still = np.zeros((*recipe.shape, 3))
    assert np.nanmean(evaluate_pair(expected, prepare_labels(moving, recipe), still, recipe.labels).dice) < 0.8
    assert np.nanmean(evaluate_pair(expected, half, still, recipe.labels).dice) > 0.88
    centres = [ndimage.center_of_mass(volume > 0, volume, range(1, 14)) for volume in (expected, half)]
    assert np.abs(np.nanmean(np.subtract(*centres), axis=0)).max() < 0.2


def test_a_challenge_with_scans_padded_or_cut_around_their_centre(cohort: Cohort, tmp_path: Path) -> None:
    here = Fields(cohort).displacement(*cohort.pairs["test"][0])[0]
    shape = [here.shape[0] + 4, here.shape[1], here.shape[2] - 2]
    config = config_of() | {"learn2reg": {"grid": shape, "folder": "task_04"}}
    export_fields(cohort, config, tmp_path / "raw", Fields(cohort), "2025", tmp_path / "fields.zip")
    field = read_field(tmp_path / "fields.zip", "disp_0002_0000_0003_0000.nii.gz", "2025")
    np.testing.assert_array_equal(field, np.pad(here, ((2, 2), (0, 0), (0, 0), (0, 0)), "edge")[:, :, 1:-1])
    affine = challenge_grid(cohort, config, tmp_path / "raw").affine
    np.testing.assert_allclose(affine @ [2, 0, 0, 1], cohort.affine @ [0, 0, 1, 1])


@pytest.mark.parametrize(
    ("edges", "fits"), [((12, 8, 10), True), ((15, 12, 12), True), ((13, 12, 10), False), ((14, 9, 10), False)]
)
def test_a_grid_holds_every_scan_where_the_prepared_one_does(
    edges: tuple[int, ...], fits: bool, cohort: Cohort, tmp_path: Path
) -> None:
    """Prepared: 14x12x10; the scans there: 12x8x10. By odd numbers, cutting and padding may round apart."""
    config = config_of() | {"learn2reg": {"grid": list(edges), "folder": "task_04"}}
    if not fits:
        with pytest.raises(InputError, match="lies a voxel apart on the grids of 14x12x10 and"):
            challenge_grid(cohort, config, tmp_path / "raw")
        return
    recipe, stored = Recipe.from_config(config), tmp_path / f"raw/labels/{SUBJECTS[1]}.nii.gz"
    here, there = (Placement.of_stored(stored, replace(recipe, shape=shape)) for shape in (recipe.shape, edges))
    offset = challenge_grid(cohort, config, tmp_path / "raw").offset
    np.testing.assert_array_equal(np.subtract(here.offset, there.offset), offset)


def test_what_the_evaluator_would_refuse_is_refused_here(cohort: Cohort, tmp_path: Path) -> None:
    archive = tmp_path / "fields.zip"
    export_fields(cohort, config_of(), tmp_path / "raw", Fields(cohort), "2022", archive)
    names = list(file_names(cohort, config_of(), "2022").values())
    check_archive(archive, names, STORED_SHAPE, "2022")
    for wrong, match in (
        ((["disp_0002_0003.nii.gz"], STORED_SHAPE, "2022"), "disp_0003_0002.nii.gz: not a pair"),
        (([*names, "disp_0001_0002.nii.gz"], STORED_SHAPE, "2022"), "disp_0001_0002.nii.gz: missing"),
        ((names, (12, 10, 9), "2022"), r"float32 \(12, 10, 8, 3\); expected float32 \(12, 10, 9, 3\)"),
        ((names, STORED_SHAPE, "2021"), "cannot be read"),
    ):
        with pytest.raises(InputError, match=match):
            check_archive(archive, *wrong)
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr(names[0], FORMS["2022"].encode(np.full((12, 10, 8, 3), np.nan, np.float32), np.eye(4)))
        opened.writestr(names[1], b"no field")
    with pytest.raises(InputError, match=r"not finite; disp_0003_0002.nii.gz: cannot be read"):
        check_archive(archive, names, STORED_SHAPE, "2022")


def test_cohorts_and_scans_that_are_not_the_challenges_are_refused(cohort: Cohort, tmp_path: Path) -> None:
    archive = tmp_path / "fields.zip"
    arguments = tmp_path / "raw", Fields(cohort)
    with pytest.raises(InputError, match="has no settings learn2reg"):
        export_fields(cohort, config_of() | {"learn2reg": None}, *arguments, "2022", archive)
    with pytest.raises(InputError, match="'2019': unknown; expected one of 2025"):
        export_fields(cohort, config_of(), *arguments, "2019", archive)
    unnumbered = replace(cohort, pairs={"test": [("left", "right")]})
    with pytest.raises(InputError, match="'left': has no number"):
        file_names(unnumbered, config_of(), "2022")
    write_nifti(tmp_path / "raw/labels/Test_0003_0000.nii.gz", np.ones((12, 10, 9), np.uint8), np.eye(4))
    with pytest.raises(InputError, match=r"Test_0003_0000.nii.gz: shape \(12, 10, 9\); expected \(12, 10, 8\)"):
        export_fields(cohort, config_of(), *arguments, "2022", archive)
    assert not archive.exists()
