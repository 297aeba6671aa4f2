"""External fields and programs score like the same fields of a run, and bad ones are named."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk
import torch

from tests.cohorts import SHAPE, make_cohort
from tests.python_server import python
from tests.scan_files import make_checkpoint, turned
from textscf.data.ants_package import load_ants
from textscf.data.cohort import Cohort
from textscf.errors import InputError
from textscf.files.io import read_yaml, write_nifti
from textscf.files.state import load_state, save_state
from textscf.registration.evaluation import PairRegistrar, evaluate_run, registrar_of
from textscf.registration.field_file import FieldFile
from textscf.registration.inference import Registrar
from textscf.registration.methods.syn import SynRegistrar
from textscf.study import load_study
from textscf.study.definitions import merge
from textscf.world.grid import Grid

SHIFT = np.array([2.0, -1.0, 0.5])  # voxels
PROGRAM = """
import sys
import nibabel as nib
import numpy as np

fixed, moving, out, *kind = sys.argv[1:]
fixed, moving = nib.load(fixed), nib.load(moving)
assert (fixed.affine == moving.affine).all()
shift = np.array([2.0, -1.0, 0.5])
if kind == ["itk"]:
    shift = fixed.affine[:3, :3] @ shift * [-1, -1, 1]
nib.save(nib.Nifti1Image(np.broadcast_to(shift, (*fixed.shape, 3)), fixed.affine), out)
"""


class Shift:
    """Moves everything by SHIFT."""

    in_workers = False

    def displacement(self, fixed: str, moving: str) -> tuple[np.ndarray, float]:
        return np.broadcast_to(SHIFT, (*SHAPE, 3)).astype(np.float32), 1.0


@pytest.fixture
def cohort(tmp_path: Path) -> Cohort:
    return make_cohort(tmp_path / "cohorts" / "blobs")


@pytest.fixture
def program(tmp_path: Path) -> str:
    """A command without its last argument, the convention."""
    path = tmp_path / "method.py"
    path.write_text(PROGRAM)
    return f"'{sys.executable}' '{path}' {{fixed}} {{moving}} {{out}}"


def external(cohort: Cohort, convention: str, **options: Any) -> PairRegistrar:
    given = {"convention": convention, "pattern": "{fixed}_{moving}.nii.gz", **options}
    registrar = registrar_of({"run": "mine", "method": "external", "method_options": given}, cohort, None, None)
    assert registrar is not None
    return registrar


def scores(cohort: Cohort, registrar: PairRegistrar | None, folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    evaluate_run("mine", cohort, registrar, folder)
    return pd.read_csv(folder / "metrics.csv"), pd.read_csv(folder / "pairs.csv")


def write_fields(cohort: Cohort, registrar: PairRegistrar, folder: Path, convention: str) -> None:
    """The fields of a registrar for all test pairs, in millimetres by ITK itself or in voxels."""
    for fixed, moving in cohort.pairs["test"]:
        field = registrar.displacement(fixed, moving)[0]
        path = folder / f"{fixed}_{moving}.nii.gz"
        if convention == "itk":
            write_with_itk(cohort.image_path(fixed), field, path)
        else:
            write_nifti(path, field, np.eye(4))


def write_with_itk(scan: Path, field: np.ndarray, path: Path) -> None:
    image = sitk.ReadImage(str(scan))
    matrix = np.array(image.GetDirection()).reshape(3, 3) * image.GetSpacing()
    vectors = sitk.GetImageFromArray(np.ascontiguousarray((field @ matrix.T).transpose(2, 1, 0, 3)), isVector=True)
    vectors.CopyInformation(image)
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(vectors, str(path))


def assert_same_scores(found: tuple[pd.DataFrame, pd.DataFrame], expected: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    """The same values but for the time; rounding of the field may change no voxel of these cohorts."""
    for one, other in zip(found, expected, strict=True):
        columns = one.columns.drop("seconds", errors="ignore")
        pd.testing.assert_frame_equal(one[columns], other[columns], rtol=1e-4)


@pytest.mark.parametrize("convention", ["itk", "voxel"])
def test_fields_and_programs_score_as_the_same_field_from_within(
    cohort: Cohort, program: str, tmp_path: Path, convention: str
) -> None:
    expected = scores(cohort, Shift(), tmp_path / "within")
    assert expected[1]["dice"].std() > 0.01
    write_fields(cohort, Shift(), tmp_path / "fields", convention)
    from_files = scores(cohort, external(cohort, convention, fields=str(tmp_path / "fields")), tmp_path / "a")
    assert_same_scores(from_files, expected)
    assert from_files[1]["seconds"].isna().all()
    by_program = scores(cohort, external(cohort, convention, command=f"{program} {convention}"), tmp_path / "b")
    assert_same_scores(by_program, expected)
    assert (by_program[1]["seconds"] > 0).all()


def test_a_field_of_ants_scores_as_from_within(cohort: Cohort, tmp_path: Path) -> None:
    """The cohort lies where the method syn puts its images, so that ANTs does the same from the files."""
    cohort = replace(cohort, affine=np.diag([-2.0, -2.0, 2.0, 1.0]), pairs={"test": [("s6", "s7"), ("s8", "s6")]})
    for subject in cohort.subjects("test"):
        write_nifti(cohort.image_path(subject), cohort.load_image(subject), cohort.affine)
    within = scores(cohort, SynRegistrar(cohort), tmp_path / "within")
    ants = load_ants("test")
    (tmp_path / "ants").mkdir()
    for fixed, moving in cohort.pairs["test"]:
        images = [ants.image_read(str(cohort.image_path(subject))) for subject in (fixed, moving)]
        prefix = f"{tmp_path}/ants/{fixed}_{moving}_"
        found = ants.registration(*images, type_of_transform="SyN", outprefix=prefix)
        ants.apply_transforms(*images, found["fwdtransforms"], compose=f"{prefix}total_")
    options = {"fields": str(tmp_path / "ants"), "pattern": "{fixed}_{moving}_total_comptx.nii.gz"}
    assert_same_scores(scores(cohort, external(cohort, "itk", **options), tmp_path / "out"), within)


def test_a_field_of_the_register_command_scores_as_from_within(tmp_path: Path) -> None:
    checkpoint = make_checkpoint(tmp_path)
    cohort = replace(Cohort.load(tmp_path / "cohorts" / "blobs"), pairs={"test": [("s6", "s7")]})
    state = load_state(checkpoint)
    state["cohort"] |= {"shape": list(SHAPE)}
    state["cohort"]["preprocess"] |= {"shape": list(SHAPE)}
    save_state(checkpoint, state)
    within = scores(cohort, Registrar(checkpoint, cohort, torch.device("cpu")), tmp_path / "within")
    listed = tmp_path / "pairs.csv"
    rows = [[f"{f}_{m}", *(str(cohort.image_path(s)) for s in (f, m))] for f, m in cohort.pairs["test"]]
    pd.DataFrame(rows, columns=["name", "fixed", "moving"]).to_csv(listed, index=False)
    command = ["src/register.py", "--checkpoint", checkpoint, "--pairs", listed, "--out", tmp_path / "registered"]
    done = subprocess.run([python(), *map(str, command), "--initial", "none"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    options = {"fields": str(tmp_path / "registered"), "pattern": "{fixed}_{moving}/warp.nii.gz"}
    found = scores(cohort, external(cohort, "itk", **options), tmp_path / "out")
    assert_same_scores(found, within)
    assert within[1]["sdlogj"].min() > 0.01


def test_vectors_of_itk_turn_into_voxels_on_any_grid(tmp_path: Path) -> None:
    shape = (6, 5, 7)
    affine = turned((20, -30, 110), (2.0, 1.5, 3.0), (10, 20, -30), shape) @ np.diag([-1, 1, 1, 1])
    scan = tmp_path / "scan.nii.gz"
    write_nifti(scan, np.zeros(shape, np.float32), affine)
    image = sitk.ReadImage(str(scan))
    vectors = np.random.default_rng(0).normal(0, 3, (*shape[::-1], 3))
    written = sitk.GetImageFromArray(vectors, isVector=True)
    written.CopyInformation(image)
    sitk.WriteImage(written, str(tmp_path / "field.nii.gz"))
    found = FieldFile(tmp_path / "field.nii.gz", Grid(shape, affine), "itk").displacement()
    for index in [(0, 0, 0), (5, 2, 3), (1, 4, 6)]:
        place = np.array(image.TransformIndexToPhysicalPoint(index)) + vectors[index[::-1]]
        moved = image.TransformPhysicalPointToContinuousIndex(place.tolist())
        np.testing.assert_allclose(found[index], np.array(moved) - index, atol=1e-4)


def spoil(path: Path, kind: str) -> None:
    image: Any = nib.load(path)
    field = np.asarray(image.dataobj).copy()
    if kind == "missing":
        path.unlink()
    elif kind == "truncated":
        path.write_bytes(path.read_bytes()[:-400])
    elif kind == "no image":
        path.write_bytes(b"nothing")
    elif kind == "other shape":
        nib.save(nib.Nifti1Image(field[:, :-1], image.affine), path)
    elif kind == "other place":
        affine = image.affine.copy()
        affine[0, 3] += 7
        nib.save(nib.Nifti1Image(field, affine), path)
    else:
        field[3, 3, 3] = np.nan
        nib.save(nib.Nifti1Image(field, image.affine), path)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("missing", r"no such file; expected a displacement field of shape \(20, 24, 16, 3\)"),
        ("no image", r"cannot be read as NIfTI"),
        ("other shape", r"shape \(20, 23, 16, 1, 3\), type float64; expected a displacement field of shape"),
        ("other place", r"its grid lies up to 7 mm from that of the prepared scans"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_before_any_pair_is_scored(
    cohort: Cohort, tmp_path: Path, kind: str, message: str
) -> None:
    write_fields(cohort, Shift(), tmp_path / "fields", "itk")
    path = tmp_path / "fields/s8_s7.nii.gz"
    spoil(path, kind)
    with pytest.raises(InputError, match=message) as caught:
        external(cohort, "itk", fields=str(tmp_path / "fields"))
    assert str(caught.value).startswith(str(path))


@pytest.mark.parametrize(
    ("kind", "message"), [("truncated", "cannot be read"), ("nan", "3 values are NaN or infinite")]
)
def test_values_that_cannot_be_used_leave_no_scores(cohort: Cohort, tmp_path: Path, kind: str, message: str) -> None:
    write_fields(cohort, Shift(), tmp_path / "fields", "itk")
    spoil(tmp_path / "fields/s8_s7.nii.gz", kind)
    registrar = external(cohort, "itk", fields=str(tmp_path / "fields"))
    with pytest.raises(InputError, match=rf"s8_s7\.nii\.gz: {message}"):
        evaluate_run("mine", cohort, registrar, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_missing_is_named(cohort: Cohort) -> None:
    with pytest.raises(InputError, match=r"^elsewhere: no such folder; expected one with a displacement field"):
        external(cohort, "voxel", fields="elsewhere")


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("print('too\\nbad'); raise SystemExit(3)", r"fixed s6 and moving s7: .* ended with status 3 \(too bad\)"),
        ("pass", r"fixed s6 and moving s7: .* wrote .*out\.nii\.gz: no such file"),
        ("import sys; open(sys.argv[3], 'w')", r"fixed s6 and moving s7: .* wrote .*out\.nii\.gz: cannot be read"),
    ],
)
def test_a_program_that_fails_is_one_clear_error(cohort: Cohort, tmp_path: Path, code: str, message: str) -> None:
    (tmp_path / "bad.py").write_text(code)
    command = f"'{sys.executable}' {tmp_path}/bad.py {{fixed}} {{moving}} {{out}}"
    with pytest.raises(InputError, match=message) as caught:
        external(cohort, "itk", command=command).displacement("s6", "s7")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("no-such-program {fixed} {moving} {out}", "no program 'no-such-program' is found"),
        ("'{fixed} {moving} {out}", "cannot be split into program and arguments"),
    ],
)
def test_a_program_that_is_not_there_is_told_at_once(cohort: Cohort, command: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        external(cohort, "itk", command=command)


def test_a_program_works_in_a_folder_of_its_own_and_knows_where_the_workflow_runs(
    cohort: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "method.py").write_text(PROGRAM + "open('litter', 'w')")
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    registrar = external(cohort, "voxel", command=f"'{sys.executable}' {{root}}/method.py {{fixed}} {{moving}} {{out}}")
    assert (registrar.displacement("s6", "s7")[0] == SHIFT).all()
    assert sorted(tmp_path.iterdir()) == before


def demo(root: Path, run: str, **settings: Any) -> dict[str, Any]:
    """The demo study with other settings of a run."""
    return merge(read_yaml(root / "config/demo.yaml"), {"runs": {run: settings}})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fields": "folder"}, "method_options: key 'convention' is missing"),
        ({"convention": "itk"}, "expected: convention, and either fields or command"),
        ({"convention": "lps", "fields": "folder"}, "convention: found 'lps'"),
        ({"convention": "itk", "command": "mine {fixed} {out}"}, "command: 'mine {fixed} {out}' does not match"),
        ({"convention": "itk", "fields": "folder", "pattern": "{fixed}.nii.gz"}, "pattern: '{fixed}.nii.gz' does not"),
        ({"convention": "itk", "feilds": "folder"}, "unknown key 'feilds'; did you mean 'fields'?"),
        ({"convention": "itk", "fields": "f", "command": "m {fixed} {moving} {out}"}, "either fields or command"),
    ],
)
def test_wrong_options_are_named_before_anything_runs(root: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match="run 'syn': method_options: ") as caught:
        load_study(demo(root, "syn", method="external", method_options=options), root / "config")
    assert message in str(caught.value)


def test_a_method_without_options_refuses_any(root: Path) -> None:
    message = "run 'initial': method_options: found 'steps'; expected none, as method initial has no options"
    with pytest.raises(InputError, match=message):
        load_study(demo(root, "initial", method_options={"steps": 3}), root / "config")


def test_options_reach_the_settings_of_the_run(root: Path) -> None:
    options = {"convention": "itk", "fields": "folder"}
    runs = load_study(demo(root, "syn", method="external", method_options=options), root / "config").runs
    assert runs["syn"]["method_options"] == {"pattern": "{fixed}_{moving}.nii.gz", **options}
    assert "method_options" not in runs["initial"]
