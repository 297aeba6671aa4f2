"""A cohort from raw scans to cohort.json: contents, resumption, refusals, and the paper's Initial row."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from tests.python_server import python
from textscf.data import preprocess as preprocess_module
from textscf.data.cohort import Cohort
from textscf.data.preprocess import preprocess_cohort
from textscf.errors import InputError
from textscf.files.io import read_json, read_labels, write_nifti, write_yaml
from textscf.study.catalogue import Catalogue

SHAPE = (6, 7, 8)


@pytest.fixture
def config() -> dict[str, Any]:
    """Resolved config of a phantom cohort of three subjects."""
    structures = [{"label": 1, "name": "front"}, {"label": 2, "name": "back"}]
    return {
        **{"name": "small", "title": "Small", "notice": "simulated", "licence": "CC0", "citation": "Nobody"},
        **{"modality": "MRI", "anatomy": {"title": "A", "body_part": "head", "structures": structures}},
        **{"source": {"kind": "phantom"}, "simulate_ct": None, "subject": "s{}"},
        "preprocess": {
            **{"axes": "header", "orientation": "RAS", "source_spacing": None, "spacing": [1.0, 1.0, 1.0]},
            **{"shape": [8, 8, 8], "intensity": {"kind": "percentile", "range": [1, 99]}},
        },
        **{"splits": {"train": [1], "test": [2, 3]}, "pairs": {"test": "all"}},
    }


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """Raw scans of the three subjects."""
    folder = tmp_path / "raw"
    generator = np.random.default_rng(0)
    for subject in ("s1", "s2", "s3"):
        labels = np.zeros(SHAPE, np.uint8)
        labels[2:4, 2:5, 2:4], labels[2:4, 2:5, 4:6] = 1, 2
        image = (labels * 50 + generator.normal(100, 5, SHAPE)).astype(np.float32)
        write_nifti(folder / "images" / f"{subject}.nii.gz", image, np.eye(4))
        write_nifti(folder / "labels" / f"{subject}.nii.gz", labels, np.eye(4))
    return folder


def snapshot(folder: Path) -> dict[str, bytes]:
    """Bytes of all files below `folder`."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_prepared_cohort_is_complete(config: dict[str, Any], raw: Path, tmp_path: Path) -> None:
    preprocess_cohort(config, raw, tmp_path / "out", workers=1)
    cohort = Cohort.load(tmp_path / "out")
    assert cohort.splits == {"train": ["s1"], "test": ["s2", "s3"]}
    assert cohort.pairs == {"test": [("s2", "s3"), ("s3", "s2")]}
    assert (cohort.name, cohort.notice, cohort.licence, cohort.modality) == ("small", "simulated", "CC0", "MRI")
    assert (cohort.shape, cohort.spacing) == ((8, 8, 8), (1.0, 1.0, 1.0))
    image, labels = cohort.load_image("s1"), cohort.load_labels("s1")
    assert (image.min(), image.max()) == (0.0, 1.0)
    np.testing.assert_array_equal(labels[1:7, :7], read_labels(raw / "labels" / "s1.nii.gz").data)
    np.testing.assert_allclose(nib.load(cohort.label_path("s1")).affine, cohort.affine)
    assert nib.load(cohort.image_path("s1")).get_data_dtype() == np.float32
    assert nib.load(cohort.label_path("s1")).get_data_dtype() == np.uint8


def test_same_inputs_same_bytes_with_any_number_of_workers(config: dict[str, Any], raw: Path, tmp_path: Path) -> None:
    preprocess_cohort(config, raw, tmp_path / "one", workers=1)
    preprocess_cohort(config, raw, tmp_path / "two", workers=2)
    assert snapshot(tmp_path / "one") == snapshot(tmp_path / "two")


def test_templates_of_an_archive_name_the_files(config: dict[str, Any], raw: Path, tmp_path: Path) -> None:
    preprocess_cohort(config, raw, tmp_path / "plain", workers=1)
    for kind, folder in (("images", "imagesTr"), ("labels", "labelsTr")):
        for subject in ("s1", "s2", "s3"):
            target = tmp_path / "archive" / folder / f"{subject}_0000.nii.gz"
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(raw / kind / f"{subject}.nii.gz", target)
    templates = {"images": "imagesTr/s{number}_0000.nii.gz", "labels": "labelsTr/s{number}_0000.nii.gz"}
    config["source"] = {"kind": "archive", "releases": [templates]}
    preprocess_cohort(config, tmp_path / "archive", tmp_path / "out", workers=1)
    assert snapshot(tmp_path / "out") == snapshot(tmp_path / "plain")
    config["simulate_ct"] = {"phantom": "abdomen", "seed": 7}
    preprocess_cohort(config, raw, tmp_path / "simulated", workers=1)
    assert snapshot(tmp_path / "simulated") == snapshot(tmp_path / "plain")


@pytest.fixture
def prepared_subjects(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Records which subjects are really transformed."""
    prepared: list[str] = []
    original = preprocess_module._prepare

    def recorded(task: Any) -> bool:
        prepared.append(task.subject)
        return original(task)

    monkeypatch.setattr(preprocess_module, "_prepare", recorded)
    return prepared


def test_only_what_changed_is_prepared_again(
    config: dict[str, Any], raw: Path, tmp_path: Path, prepared_subjects: list[str]
) -> None:
    out = tmp_path / "out"
    preprocess_cohort(config, raw, out, workers=1)
    whole = snapshot(out)
    (out / "images" / "s1.nii.gz").write_bytes(b"half")
    (out / "labels" / "s2.nii.gz").unlink()
    (out / ".subjects" / "s3.json").write_text("{")
    prepared_subjects.clear()
    preprocess_cohort(config, raw, out, workers=1)
    assert prepared_subjects == ["s1", "s2", "s3"]
    assert snapshot(out) == whole
    prepared_subjects.clear()
    shutil.copy(raw / "images" / "s1.nii.gz", raw / "images" / "s2.nii.gz")
    preprocess_cohort(config, raw, out, workers=1)
    assert prepared_subjects == ["s2"]
    prepared_subjects.clear()
    config["preprocess"]["intensity"]["range"] = [0, 100]
    preprocess_cohort(config, raw, out, workers=1)
    assert prepared_subjects == ["s1", "s2", "s3"]


def test_new_title_or_pairs_prepare_nothing_again(
    config: dict[str, Any], raw: Path, tmp_path: Path, prepared_subjects: list[str]
) -> None:
    preprocess_cohort(config, raw, tmp_path / "out", workers=1)
    prepared_subjects.clear()
    config["title"], config["pairs"] = "Other", {"test": {"next": 1}}
    preprocess_cohort(config, raw, tmp_path / "out", workers=1)
    assert prepared_subjects == []
    assert read_json(tmp_path / "out" / "cohort.json")["title"] == "Other"


def test_files_of_former_subjects_are_removed(config: dict[str, Any], raw: Path, tmp_path: Path) -> None:
    preprocess_cohort(config, raw, tmp_path / "out", workers=1)
    config["splits"], config["pairs"] = {"train": [1]}, {}
    preprocess_cohort(config, raw, tmp_path / "out", workers=1)
    left = ["cohort.json", ".subjects/s1.json", "images/s1.nii.gz", "labels/s1.nii.gz"]
    assert sorted(snapshot(tmp_path / "out")) == sorted(left)


def test_killed_in_the_middle_ends_with_the_same_bytes(
    config: dict[str, Any], raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    preprocess_cohort(config, raw, tmp_path / "whole", workers=1)
    original = preprocess_module._prepare

    def die_at_second(task: Any) -> bool:
        if task.subject == "s2":
            raise KeyboardInterrupt
        return original(task)

    monkeypatch.setattr(preprocess_module, "_prepare", die_at_second)
    with pytest.raises(KeyboardInterrupt):
        preprocess_cohort(config, raw, tmp_path / "out", workers=1)
    monkeypatch.undo()
    assert not (tmp_path / "out" / "cohort.json").exists()
    preprocess_cohort(config, raw, tmp_path / "out", workers=1)
    assert snapshot(tmp_path / "out") == snapshot(tmp_path / "whole")


def test_labels_at_the_border_are_warned_of(
    config: dict[str, Any], raw: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config["preprocess"]["shape"] = [2, 8, 8]
    preprocess_cohort(config, raw, tmp_path / "out", workers=1)
    assert "s1: labels reach the border of the grid" in caplog.text


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def _rewrite(path: Path, change: Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]) -> None:
    image = nib.load(path)
    write_nifti(path, *change(np.asarray(image.dataobj).copy(), image.affine.copy()))


def _with_voxel(value: float) -> Callable[[Path], None]:
    def change(data: np.ndarray, affine: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        data[0, 0, 0] = value
        return data, affine

    return lambda path: _rewrite(path, change)


def _with_affine(affine: list[list[float]]) -> Callable[[Path], None]:
    return lambda path: _rewrite(path, lambda data, _: (data, np.array(affine, dtype=float)))


def _singular(path: Path) -> None:
    image = nib.load(path)
    data, header = np.asarray(image.dataobj).copy(), image.header.copy()
    header["srow_z"] = 0
    header["qform_code"] = 0
    path.unlink()
    nib.Nifti1Image(data, None, header).to_filename(path)


BAD_FILES: dict[str, tuple[str, Callable[[Path], None], str]] = {
    "missing": ("images", Path.unlink, "no such file"),
    "truncated": ("images", _truncate, "cannot be read as NIfTI"),
    "no NIfTI": ("labels", lambda path: path.write_bytes(b"text"), "cannot be read as NIfTI"),
    "4-D": ("images", lambda p: _rewrite(p, lambda d, a: (np.stack([d, d], -1), a)), "4 dimensions"),
    "NaN": ("images", _with_voxel(np.nan), "1 voxels are NaN or infinite"),
    "constant": ("images", lambda p: _rewrite(p, lambda d, a: (d * 0 + 7, a)), "constant (7)"),
    "singular": ("images", _singular, "affine is singular"),
    "coarse": ("images", _with_affine(np.diag([0.001, 1, 1, 1]).tolist()), "would make it (0, 7, 8)"),
    "absurd spacing": ("labels", _with_affine(np.diag([1e9, 1, 1, 1]).tolist()), "expected 0.001 to 1000 mm"),
    "shape": ("labels", lambda p: _rewrite(p, lambda d, a: (d[:, :, 1:], a)), "expected (6, 7, 8) as in s2.nii.gz"),
    "moved": ("labels", _with_affine([[1, 0, 0, 4], [0, 1, 0, 3], [0, 0, 1, 0], [0, 0, 0, 1]]), "5.00 mm away"),
    "foreign label": ("labels", _with_voxel(9), "labels 9 are not in the anatomy; expected 0 and 1 to 2"),
    "fraction": ("labels", lambda p: _rewrite(p, lambda d, a: (d + np.float32(0.5), a)), "not integers"),
    "no label": ("labels", lambda p: _rewrite(p, lambda d, a: (d * 0, a)), "no voxel is labelled"),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_bad_file_is_named_with_its_reason_and_nothing_is_written(
    config: dict[str, Any], raw: Path, tmp_path: Path, case: str
) -> None:
    kind, spoil, reason = BAD_FILES[case]
    bad = raw / kind / "s2.nii.gz"
    spoil(bad)
    out = tmp_path / "out"
    with pytest.raises(InputError) as caught:
        preprocess_cohort(config, raw, out, workers=1)
    message = str(caught.value)
    assert message.startswith("1 of 3 subjects cannot be used: ")
    assert f"{bad}: " in message
    assert reason in message
    assert "\n" not in message
    assert list(snapshot(out)) == ["rejected.csv"]
    assert reason in (out / "rejected.csv").read_text().replace('""', '"')


def test_all_bad_files_are_counted_and_listed(
    config: dict[str, Any], raw: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for subject in ("s1", "s3"):
        (raw / "images" / f"{subject}.nii.gz").unlink()
        (raw / "labels" / f"{subject}.nii.gz").unlink()
    with pytest.raises(InputError, match=r"^2 of 3 subjects .*; 1 more \(all in .*rejected\.csv\)$"):
        preprocess_cohort(config, raw, tmp_path / "out", workers=1)
    assert len((tmp_path / "out" / "rejected.csv").read_text().splitlines()) == 1 + 4
    assert caplog.text.count("no such file") == 4


def test_refusal_leaves_an_earlier_cohort_as_it_was(config: dict[str, Any], raw: Path, tmp_path: Path) -> None:
    preprocess_cohort(config, raw, tmp_path / "out", workers=1)
    before = snapshot(tmp_path / "out")
    _truncate(raw / "images" / "s2.nii.gz")
    with pytest.raises(InputError, match="truncated"):
        preprocess_cohort(config, raw, tmp_path / "out", workers=1)
    assert {k: v for k, v in snapshot(tmp_path / "out").items() if k != "rejected.csv"} == before


def test_intensities_outside_zero_to_one_are_refused_where_none_are_normalised(
    config: dict[str, Any], raw: Path, tmp_path: Path
) -> None:
    config["preprocess"]["intensity"] = {"kind": "none"}
    with pytest.raises(InputError, match=r"^3 of 3 .*intensities run from .*; expected 0 to 1"):
        preprocess_cohort(config, raw, tmp_path / "out", workers=1)


def test_missing_raw_folder_is_named(config: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere: no such folder; expected the scans of cohort small"):
        preprocess_cohort(config, tmp_path / "nowhere", tmp_path / "out", workers=1)
    assert not (tmp_path / "out").exists()


def test_full_disk_is_one_clear_error(
    config: dict[str, Any], raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(preprocess_module, "write_nifti", fail)
    with pytest.raises(InputError, match=r"images/s1\.nii\.gz: cannot be written \(No space left on device\)"):
        preprocess_cohort(config, raw, tmp_path / "out", workers=1)


def test_script_prepares_a_cohort_and_reports_bad_input_with_code_2(
    config: dict[str, Any], raw: Path, tmp_path: Path, root: Path
) -> None:
    out = tmp_path / "out"
    write_yaml(out / "config.yaml", config)
    paths = ["--config", out / "config.yaml", "--raw", raw, "--out", out / "cohort.json", "--log", tmp_path / "log"]
    command = [python(), root / "src" / "preprocess.py", *paths]
    assert subprocess.run(command, check=False).returncode == 0
    assert "3 subjects prepared" in (tmp_path / "log").read_text()
    _truncate(raw / "labels" / "s3.nii.gz")
    failed = subprocess.run(command, check=False, capture_output=True, text=True)
    assert failed.returncode == 2
    assert failed.stderr.splitlines()[-1].startswith("error: 1 of 3 subjects cannot be used: ")
    assert "Traceback" not in failed.stderr


def dice_of_pairs(cohort: Cohort) -> float:
    """Mean over test pairs of the mean Dice of all structures; an organ absent from one scan counts 0."""
    labels = {subject: cohort.load_labels(subject) for subject in cohort.subjects("test")}
    scores = []
    for fixed, moving in cohort.pairs["test"]:
        for value in cohort.label_values:
            first, second = labels[fixed] == value, labels[moving] == value
            scores.append(2 * (first & second).sum() / max(1, first.sum() + second.sum()))
    return float(np.mean(scores))


def test_real_hippocampus_cohort_starts_near_its_known_dice(root: Path, shared: Path, tmp_path: Path) -> None:
    config = Catalogue(root / "config").cohort("hippocampus_mr")
    config["splits"], config["pairs"] = {"test": config["splits"]["test"]}, {"test": {"next": 2}}
    preprocess_cohort(config, shared / "data" / "Task04_Hippocampus", tmp_path, workers=1)
    cohort = Cohort.load(tmp_path)
    assert len(cohort.pairs["test"]) == 60
    assert 0.54 < dice_of_pairs(cohort) < 0.56


def test_a_structure_that_no_scan_has_is_said(
    config: dict[str, Any], raw: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config["anatomy"]["structures"].append({"label": 3, "name": "middle"})
    preprocess_cohort(config, raw, tmp_path / "out", workers=1)
    warnings = [record.getMessage() for record in caplog.records if "no scan has" in record.getMessage()]
    assert len(warnings) == 1
    assert warnings[0].startswith("cohort small: no scan has middle (label 3): it has no Dice")
