"""Applying a written transformation to images, label maps and points; and registering a list of pairs."""

import os
import subprocess
import time
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import SimpleITK
import torch

from tests.python_server import python
from tests.scan_files import make_checkpoint, save, smooth, stored_as, turned
from textscf.errors import InputError
from textscf.files.image_file import ImageFile, read_image_file
from textscf.files.itk import write_displacement
from textscf.pairs.application import apply, apply_to_image, apply_to_list, apply_to_points
from textscf.pairs.models import model_file
from textscf.pairs.pair_list import register_list
from textscf.pairs.registration_files import Options, PairFiles, register_files
from textscf.registration.scan_pair import ScanRegistrar

CPU = torch.device("cpu")
SHAPE = (30, 34, 26)
MIDDLE = np.array([10.0, -20.0, 30.0])
NONE = Options(initial="none")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_checkpoint(tmp_path_factory.mktemp("results"))


@pytest.fixture(scope="module")
def registered(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a fixed and an oblique moving scan, their labels, and their registration in `out`."""
    folder = tmp_path_factory.mktemp("scans")
    for seed, (name, turn) in enumerate((("fixed", (0, 0, 0)), ("moving", (4, -3, 6)))):
        data, affine = smooth(SHAPE, seed), turned(turn, (2, 2, 2), (10, -20, 30), SHAPE)
        save(folder / f"{name}.nii.gz", data, affine)
        save(folder / f"{name}_labels.nii.gz", np.digitize(data, [0.3, 0.6]).astype(np.uint8), affine)
    files = PairFiles(*(folder / f"{name}.nii.gz" for name in ("fixed", "moving", "fixed_labels", "moving_labels")))
    register_files(ScanRegistrar(checkpoint, CPU), files, folder / "out", NONE)
    return folder


@pytest.mark.parametrize("warp", ["warp.nii.gz", "transform.h5"])
def test_an_image_is_warped_as_in_the_registration(registered: Path, tmp_path: Path, warp: str) -> None:
    moving = stored_as(registered / "moving.nii.gz", "SPL", tmp_path / "moving.nii.gz")
    apply_to_image(registered / "out" / warp, registered / "fixed.nii.gz", moving, tmp_path / "again.nii.gz")
    again, warped = (nib.load(path) for path in (tmp_path / "again.nii.gz", registered / "out/warped.nii.gz"))
    np.testing.assert_allclose(again.affine, warped.affine, atol=1e-5)
    difference = np.abs(again.get_fdata() - warped.get_fdata())
    assert (difference > 1e-3).mean() < 1e-3


def test_voxels_without_a_number_get_the_value_of_the_outside(registered: Path, tmp_path: Path) -> None:
    scan = nib.load(registered / "fixed.nii.gz")
    data = scan.get_fdata(dtype=np.float32)
    filled, data[10:20] = data.copy(), np.nan
    filled[10:20] = -5
    save(tmp_path / "nan.nii.gz", data, scan.affine)
    SimpleITK.WriteTransform(SimpleITK.TranslationTransform(3), str(tmp_path / "same.tfm"))
    options = {"warp": str(tmp_path / "same.tfm"), "out": str(tmp_path / "out.nii.gz")}
    options |= {"input": str(tmp_path / "nan.nii.gz"), "reference": str(registered / "fixed.nii.gz")}
    with pytest.raises(InputError, match=r"nan\.nii\.gz: .* voxels are NaN or infinite; .* \(--fill VALUE fills\)"):
        apply(options)
    apply({**options, "fill": "-5"})
    np.testing.assert_allclose(nib.load(tmp_path / "out.nii.gz").get_fdata(), filled, atol=1e-6)


@pytest.mark.parametrize("interpolation", ["nearest", "label"])
def test_labels_stay_labels(registered: Path, tmp_path: Path, interpolation: str) -> None:
    apply_to_image(
        registered / "out/warp.nii.gz", registered / "fixed.nii.gz", registered / "moving_labels.nii.gz",
        tmp_path / "labels.nii.gz", interpolation,
    )  # fmt: skip
    found = nib.load(tmp_path / "labels.nii.gz").get_fdata()
    expected = nib.load(registered / "out/warped_labels.nii.gz").get_fdata()
    assert set(np.unique(found)) == {0, 1, 2}
    assert (found == expected).mean() > (0.999 if interpolation == "nearest" else 0.95)


@pytest.mark.parametrize("axes", ["LPS", "RAS"])
def test_points_move_the_other_way_than_images(registered: Path, checkpoint: Path, tmp_path: Path, axes: str) -> None:
    sign = np.array([-1, -1, 1]) if axes == "LPS" else np.ones(3)
    points = np.random.default_rng(0).uniform(-15, 15, (20, 3)) + MIDDLE
    table = pd.DataFrame(points * sign, columns=list("xyz")).assign(name=[f"p{n}" for n in range(20)])
    table.to_csv(tmp_path / "points.csv", index=False)
    apply_to_points(registered / "out/warp.nii.gz", tmp_path / "points.csv", tmp_path / "moved.csv", axes)
    moved = pd.read_csv(tmp_path / "moved.csv")
    scans = [read_image_file(registered / f"{name}.nii.gz") for name in ("fixed", "moving")]
    transform = ScanRegistrar(checkpoint, CPU).register(scans[0], scans[1], "none").transform
    np.testing.assert_allclose(moved[["x", "y", "z"]] * sign, transform(points), atol=0.1)
    assert moved["name"].tolist() == table["name"].tolist()


def test_points_beyond_the_field_are_refused(registered: Path, tmp_path: Path) -> None:
    (tmp_path / "points.csv").write_text("x,y,z\n-10,20,30\n500,20,30\n")
    for warp in ("warp.nii.gz", "transform.h5"):
        with pytest.raises(InputError, match=r"1 of 2 points, the first at \(500, 20, 30\) LPS, lie outside of the fi"):
            apply_to_points(registered / "out" / warp, tmp_path / "points.csv", tmp_path / "moved.csv", "LPS")
    (tmp_path / "words.csv").write_text("x,y,z\n1,2,far\n")
    with pytest.raises(InputError, match="x, y or z has words"):
        apply_to_points(registered / "out/warp.nii.gz", tmp_path / "words.csv", tmp_path / "moved.csv", "LPS")
    assert not (tmp_path / "moved.csv").exists()


@pytest.mark.parametrize("name", ["out.nrrd", "out.mgz", "out.img", "out"])
def test_a_result_has_the_name_of_a_nifti_file(registered: Path, tmp_path: Path, name: str) -> None:
    scan = registered / "fixed.nii.gz"
    with pytest.raises(InputError, match=rf"{name}: found '.*'; expected a name that ends in .nii or .nii.gz"):
        apply_to_image(registered / "out/warp.nii.gz", scan, registered / "moving.nii.gz", tmp_path / name)
    assert not (tmp_path / name).exists()


def test_a_field_with_skew_axes_is_refused(tmp_path: Path) -> None:
    affine = np.eye(4)
    affine[0, 2] = np.tan(np.radians(8))
    scan = ImageFile(tmp_path / "scan.nii.gz", smooth(SHAPE, 0), affine)
    write_displacement(tmp_path / "warp.nii.gz", np.zeros((*SHAPE, 3), np.float32), scan)
    (tmp_path / "points.csv").write_text("x,y,z\n5,5,5\n")
    with pytest.raises(InputError, match=r"warp\.nii\.gz: its axes are skew by 8\.0 degrees; .* use transform\.h5"):
        apply_to_points(tmp_path / "warp.nii.gz", tmp_path / "points.csv", tmp_path / "moved.csv", "RAS")


def test_what_is_no_transformation_is_refused(registered: Path, tmp_path: Path) -> None:
    scan = registered / "fixed.nii.gz"
    with pytest.raises(InputError, match=r"fixed\.nii\.gz: is an image with 1 values a voxel; expected a displacement"):
        apply_to_image(scan, scan, scan, tmp_path / "out.nii.gz")
    with pytest.raises(InputError, match="no such file; expected a displacement field"):
        apply_to_image(tmp_path / "none.h5", scan, scan, tmp_path / "out.nii.gz")


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("interp", "label", r"column 'interp'; expected input, out, warp, reference, points, axes, interp"),
        ("interpolation", "Label", r"row 2: interpolation: found 'Label'; expected one of linear, nearest, lab"),
        ("fill", "black", r"row 2: fill: found 'black'; expected a number"),
        ("axes", "ras", r"row 2: axes: found 'ras'; expected one of LPS, RAS"),
        ("out", "b.nrrd", r"row 2: b.nrrd: found '.nrrd'; expected a name that ends in .nii or .nii.gz"),
        ("points", "points.csv", r"row 2: --input .*moving.nii.gz and --points points.csv: expected one for each"),
    ],
)
def test_wrong_rows_are_refused_before_the_first_is_applied(
    registered: Path, tmp_path: Path, column: str, value: str, message: str
) -> None:
    row = {"input": registered / "moving.nii.gz", "out": tmp_path / "first.nii.gz"}
    listed = write_list(tmp_path, [row, {**row, "out": tmp_path / "second.nii.gz", column: value}])
    common = {"warp": str(registered / "out/warp.nii.gz"), "reference": str(registered / "fixed.nii.gz")}
    with pytest.raises(InputError, match=rf"pairs\.csv: {message}"):
        apply_to_list(listed, common)
    assert not (tmp_path / "first.nii.gz").exists()


def test_rows_whose_result_is_newer_than_its_sources_are_skipped(registered: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.nii.gz"
    listed = write_list(tmp_path, [{"input": registered / "moving.nii.gz", "out": out}])
    common = {"warp": str(registered / "out/warp.nii.gz"), "reference": str(registered / "fixed.nii.gz")}
    out.write_text("made before")
    apply_to_list(listed, common)
    assert out.read_text() == "made before"
    for source in (*common.values(), registered / "moving.nii.gz"):
        out.write_text("made before")
        os.utime(source, (0, time.time() + 60))
        apply_to_list(listed, common)
        os.utime(source, (0, 0))
        assert nib.load(out).shape == SHAPE


def test_a_list_has_images_and_points(registered: Path, tmp_path: Path) -> None:
    (tmp_path / "points.csv").write_text("x,y,z\n-10,20,30\n")
    rows = [{"input": registered / "moving.nii.gz", "out": tmp_path / "out.nii.gz", "axes": None},
            {"points": tmp_path / "points.csv", "out": tmp_path / "moved.csv", "axes": "LPS"}]  # fmt: skip
    common = {"warp": str(registered / "out/warp.nii.gz"), "reference": str(registered / "fixed.nii.gz")}
    with pytest.raises(InputError, match="row 2: --axes missing; expected --warp, --points, --axes, --out"):
        apply_to_list(write_list(tmp_path, [rows[0], {**rows[1], "axes": None}]), common)
    with pytest.raises(InputError, match="row 2: --input missing"):
        apply_to_list(write_list(tmp_path, [rows[0], {"out": rows[1]["out"]}]), common)
    apply_to_list(write_list(tmp_path, rows), common)
    assert nib.load(tmp_path / "out.nii.gz").shape == SHAPE
    assert len(pd.read_csv(tmp_path / "moved.csv")) == 1


def write_list(folder: Path, rows: list[dict[str, Any]]) -> Path:
    pd.DataFrame(rows).to_csv(folder / "pairs.csv", index=False)
    return folder / "pairs.csv"


def test_a_list_is_registered_once_and_goes_on_where_it_was(
    registered: Path, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registrar = ScanRegistrar(checkpoint, CPU)
    points = pd.DataFrame(np.random.default_rng(0).uniform(-9, 9, (5, 3)) + MIDDLE, columns=list("xyz"))
    points.to_csv(registered / "points.csv", index=False)
    both = {f"{name}_{kind}": f"{name}_labels.nii.gz" for name in ("fixed", "moving") for kind in ("labels",)}
    marks = {f"{name}_points": "points.csv" for name in ("fixed", "moving")}
    pair = {"fixed": "fixed.nii.gz", "moving": "moving.nii.gz"}
    listed = write_list(registered, [{"name": "a", **pair, **both, **marks}, {"name": "b", **pair}])
    table = register_list(registrar, listed, tmp_path, NONE)
    assert table["name"].tolist() == ["a", "b"]
    assert table.loc[0, "dice"] > 0
    assert (table.loc[0, "tre_mm_before"], np.isnan(table.loc[1, "tre_mm"])) == (0, True)
    page = (tmp_path / "index.html").read_text()
    assert page.count("<img ") == 2
    assert 'src="b/registration.png"' in page

    def refused(*_: Any) -> None:
        raise AssertionError("registered again")

    monkeypatch.setattr("textscf.pairs.pair_list.register_files", refused)
    pd.testing.assert_frame_equal(register_list(registrar, listed, tmp_path, NONE), table)
    with pytest.raises(AssertionError, match="registered again"):
        register_list(registrar, listed, tmp_path, Options(initial="centre"))
    with pytest.raises(AssertionError, match="registered again"):
        register_list(ScanRegistrar(checkpoint, CPU, registered / "fixed.nii.gz"), listed, tmp_path, NONE)


def test_a_pair_is_registered_again_after_a_change_of_its_alignment(
    registered: Path, checkpoint: Path, tmp_path: Path
) -> None:
    registrar, initial = ScanRegistrar(checkpoint, CPU), tmp_path / "initial.tfm"
    listed = write_list(registered, [{"fixed": "fixed.nii.gz", "moving": "moving.nii.gz"}])
    overlaps = []
    for place in (0.0, 30.0):
        SimpleITK.WriteTransform(SimpleITK.TranslationTransform(3, (place, 0, 0)), str(initial))
        overlaps.append(register_list(registrar, listed, tmp_path, Options(str(initial)))["overlap"].item())
    assert overlaps[0] > overlaps[1]


def test_wrong_lists_are_refused_before_the_first_pair(registered: Path, checkpoint: Path, tmp_path: Path) -> None:
    registrar = ScanRegistrar(checkpoint, CPU)
    pair = {"fixed": "fixed.nii.gz", "moving": "moving.nii.gz"}
    for rows, message in (
        ([pair, {"fixed": "fixed.nii.gz", "moving": "gone.nii.gz"}], r"1 files are missing, the first is .*gone\.nii"),
        ([{**pair, "mask": "fixed.nii.gz"}], "column 'mask'; expected name, fixed, moving, fixed_labels"),
        ([{**pair, "name": "a"}, {**pair, "name": "a"}], "name 'a' in row 2; expected names that differ"),
        ([{"fixed": "fixed.nii.gz"}], "no column 'moving'"),
        ([pair, {**pair, "moving": None}], "row 2: 'moving' is empty; expected the path of a scan"),
    ):
        with pytest.raises(InputError, match=message):
            register_list(registrar, write_list(registered, rows), tmp_path / "out", NONE)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["fixed", "moving"])
def test_landmarks_outside_of_their_scan_are_refused(
    registered: Path, checkpoint: Path, tmp_path: Path, name: str
) -> None:
    (tmp_path / "ras.csv").write_text("x,y,z\n10,-50,30\n10,-45,30\n")
    (tmp_path / "lps.csv").write_text("x,y,z\n-10,50,30\n-10,45,30\n")
    points = {f"{part}_points": tmp_path / f"{'lps' if part == name else 'ras'}.csv" for part in ("fixed", "moving")}
    files = PairFiles(registered / "fixed.nii.gz", registered / "moving.nii.gz", **points)
    with pytest.raises(InputError, match=rf"lps\.csv: 2 of 2 points, the first at \(-10, 50, 30\), .*{name}\.nii\.gz"):
        register_files(ScanRegistrar(checkpoint, CPU), files, tmp_path / "out", NONE)
    assert not (tmp_path / "out").exists()


def test_names_of_pairs_stay_as_they_are_written(registered: Path, checkpoint: Path, tmp_path: Path) -> None:
    listed = write_list(registered, [{"name": "001", "fixed": "fixed.nii.gz", "moving": "moving.nii.gz"}])
    table = register_list(ScanRegistrar(checkpoint, CPU), listed, tmp_path, NONE)
    assert table["name"].tolist() == ["001"]
    assert (tmp_path / "001/registration.json").is_file()


def test_models_are_found_by_name(tmp_path: Path, checkpoint: Path) -> None:
    (tmp_path / "brain.pt").touch()
    assert model_file("brain", None, tmp_path) == tmp_path / "brain.pt"
    assert model_file(None, checkpoint, tmp_path) == checkpoint
    with pytest.raises(InputError, match=r"no model 'liver'; expected --model with one of .* \(brain\), or"):
        model_file("liver", None, tmp_path)


def test_scripts_register_and_apply(registered: Path, checkpoint: Path, tmp_path: Path, root: Path) -> None:
    scans = ["--fixed", registered / "fixed.nii.gz", "--moving", registered / "moving.nii.gz"]
    register = [python(), root / "src/register.py", "--checkpoint", checkpoint, "--device", "cpu", *scans]
    subprocess.run([*register, "--initial", "none", "--out", tmp_path], check=True, capture_output=True)
    options = ["--warp", tmp_path / "inverse_warp.nii.gz", "--reference", registered / "moving.nii.gz"]
    rows = [
        {"input": registered / f"fixed{kind}.nii.gz", "out": tmp_path / f"back{kind}.nii.gz"}
        for kind in ("", "_labels")
    ]
    listed = write_list(tmp_path, [rows[0], {**rows[1], "interpolation": "nearest"}])
    call = [python(), root / "src/apply.py", *options, "--list", listed]
    subprocess.run(call, check=True, capture_output=True)
    back, moving = (nib.load(path) for path in (tmp_path / "back_labels.nii.gz", registered / "moving.nii.gz"))
    assert back.shape == moving.shape
    assert set(np.unique(back.get_fdata())) == {0, 1, 2}
    refused = subprocess.run([*call[:-2], "--points", listed, "--out", tmp_path / "x"], capture_output=True, text=True)
    assert refused.returncode == 2
    assert refused.stderr.startswith("error: --axes missing; expected --warp, --points, --axes, --out")


@pytest.mark.parametrize("option", ["--fixed", "--moving", "--fixed-labels", "--moving-labels"])
def test_files_beside_a_list_are_refused(root: Path, tmp_path: Path, option: str) -> None:
    command = [python(), root / "src/register.py", "--pairs", "pairs.csv", "--out", tmp_path, option, "scan.nii.gz"]
    refused = subprocess.run(command, capture_output=True, text=True)
    assert refused.returncode == 2
    assert refused.stderr.startswith(f"error: found --pairs and {option}; expected the files of pairs in the CSV alone")
