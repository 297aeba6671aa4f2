"""Cohorts that check themselves: the real label maps in both releases' naming, and which assumption a failure names."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from scipy import ndimage

from tests.stand_ins import abdomen_files, write_files
from textscf.data.cohort import Cohort
from textscf.data.expectations import _means, _rows
from textscf.data.preprocess import preprocess_cohort
from textscf.errors import InputError
from textscf.files.io import read_labels
from textscf.study.catalogue import Catalogue

BTCV_NUMBERS = [*range(1, 11), *range(21, 41)]
SUBJECT = "AbdomenCTCT_{:04d}_0000"


@pytest.fixture
def config(root: Path) -> dict[str, Any]:
    """The cohort abdomen_ct, small: eight stand-ins, without the paper's row."""
    config = Catalogue(root / "config").cohort("abdomen_ct")
    config["splits"] = {"train": ["1-5"], "test": ["6-8"]}
    config["pairs"] = {"test": "all"}
    config["preprocess"] |= {"shape": [24, 20, 32]}
    del config["expect"]["initial"]
    return config


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    return abdomen_files(8)


@pytest.fixture
def raw(tmp_path: Path, files: dict[str, bytes]) -> Path:
    return write_files(tmp_path / "raw", files)


def initial(folder: Path, convention: str = "paper") -> dict[str, Any]:
    """The expected Initial row, computed from a prepared cohort itself."""
    cohort = Cohort.load(folder)
    rows = pd.concat([_rows(cohort, pair) for pair in cohort.pairs["test"]])
    return {**_means(rows, convention), "tolerance": 0.005, "pairs": 6, "convention": convention}  # type: ignore[arg-type]


def rewrite(folder: Path, change: Callable[[np.ndarray], np.ndarray]) -> None:
    """Change the stored label maps."""
    for path in folder.glob("labelsTr/*.nii.gz"):
        image = nib.load(path)
        nib.Nifti1Image(change(np.asarray(image.dataobj)), image.affine).to_filename(path)


def swapped(first: int, second: int) -> Callable[[np.ndarray], np.ndarray]:
    table = np.arange(14, dtype=np.int8)
    table[[first, second]] = second, first
    return lambda labels: table[labels]


def refusal(config: dict[str, Any], raw: Path, folder: Path) -> str:
    """The one line by which a cohort is refused; nothing can be trained on it."""
    with pytest.raises(InputError) as caught:
        preprocess_cohort(config, raw, folder, workers=1)
    assert not (folder / "cohort.json").exists()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_cohort_as_expected_is_prepared(config: dict[str, Any], raw: Path, tmp_path: Path) -> None:
    preprocess_cohort(config, raw, tmp_path / "out", workers=1)
    config["expect"]["initial"] = initial(tmp_path / "out")
    preprocess_cohort(config, raw, tmp_path / "out", workers=1)
    assert (tmp_path / "out/cohort.json").is_file()
    del config["expect"]
    preprocess_cohort(config, raw, tmp_path / "out", workers=1)


@pytest.mark.parametrize(("axes", "name"), [("RAS", "left-right"), ("LAI", "superior-inferior")])
def test_reversed_axis_is_named(config: dict[str, Any], raw: Path, tmp_path: Path, axes: str, name: str) -> None:
    config["preprocess"]["axes"] = axes
    message = refusal(config, raw, tmp_path / "out")
    assert f"labels/{SUBJECT.format(1)}.nii.gz: " in message
    assert " as in 8 of 8 scans; expected in all; " in message
    assert f"axes: the {name} axis runs the other way" in message


def test_header_of_the_release_is_not_to_be_trusted(config: dict[str, Any], raw: Path, tmp_path: Path) -> None:
    config["preprocess"]["axes"] = "header"
    assert "liver is not right of spleen" in refusal(config, raw, tmp_path / "out")


def test_swapped_labels_are_named(config: dict[str, Any], raw: Path, tmp_path: Path) -> None:
    rewrite(raw, swapped(12, 13))
    message = refusal(config, raw, tmp_path / "out")
    assert "right adrenal gland is not right of left adrenal gland" in message
    assert "label numbering" in message


def test_single_mirrored_scan_is_named(config: dict[str, Any], raw: Path, tmp_path: Path) -> None:
    for kind in ("imagesTr", "labelsTr"):
        path = raw / kind / f"{SUBJECT.format(4)}.nii.gz"
        image = nib.load(path)
        nib.Nifti1Image(np.asarray(image.dataobj)[::-1], image.affine).to_filename(path)
    message = refusal(config, raw, tmp_path / "out")
    assert f"{SUBJECT.format(4)}.nii.gz: " in message
    assert "in 1 of 8 scans; expected in all; axes or labels of these scans differ" in message


def test_organ_that_a_scan_lacks_has_no_place(config: dict[str, Any], raw: Path, tmp_path: Path) -> None:
    rewrite(raw, lambda labels: np.where(labels == 12, np.int8(0), labels))
    preprocess_cohort(config, raw, tmp_path / "out", workers=1)


def test_unknown_structure_is_named(config: dict[str, Any], raw: Path, tmp_path: Path) -> None:
    config["expect"]["places"] = [["liver", "left of", "hart"]]
    assert "no structure 'hart' in its anatomy" in refusal(config, raw, tmp_path / "out")


def test_wrong_initial_row_names_the_assumption(config: dict[str, Any], raw: Path, tmp_path: Path) -> None:
    for number in (6, 7):  # an organ that two scans of the test split lack
        path = raw / f"labelsTr/{SUBJECT.format(number)}.nii.gz"
        image = nib.load(path)
        labels = np.asarray(image.dataobj)
        nib.Nifti1Image(np.where(labels == 4, np.int8(0), labels), image.affine).to_filename(path)
    preprocess_cohort(config, raw, tmp_path / "out", workers=1)
    right = initial(tmp_path / "out")
    wrong = {
        "spacing: Dice fits and HD95 is 4.00 times": {**right, "hd95": right["hd95"] / 4},
        "convention: by that of paper Dice fits": {**right, "convention": "learn2reg"},
        "6 test pairs; expected 42; split: splits.test or pairs.test differ": {**right, "pairs": 42},
        "split or order: the test scans are other ones than AbdomenCTCT_0006_0000, ": {**right, "dice": 90.0},
    }
    for message, expected in wrong.items():
        config["expect"]["initial"] = expected
        with pytest.raises(InputError, match=message):
            preprocess_cohort(config, raw, tmp_path / "out", workers=1)


@pytest.fixture(scope="module")
def real(root: Path, shared: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The cohort abdomen_ct of 9 real label maps and cheap images; folders of stored and prepared scans."""
    stored, prepared = tmp_path_factory.mktemp("stored"), tmp_path_factory.mktemp("prepared")
    config = Catalogue(root / "config").cohort("abdomen_ct")
    config["splits"] |= {"train": ["9-10"], "validation": []}
    for number in (9, 10, *range(24, 31)):
        link_subject(shared, stored, f"labelsTr/{SUBJECT.format(number)}", f"imagesTr/{SUBJECT.format(number)}", number)
    preprocess_cohort(config, stored, prepared, workers=1)
    return stored, prepared


def link_subject(shared: Path, folder: Path, labels: str, image: str, number: int) -> None:
    """A real label map under the name of a release, its image a ramp with the same header."""
    origin = shared / f"data/AbdomenCTCT/labelsTr/{SUBJECT.format(number)}.nii.gz"
    for name in (labels, image):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / f"{labels}.nii.gz").symlink_to(origin)
    ramp = folder / "ramp.nii.gz"
    if not ramp.exists():
        header = nib.load(origin)
        slope = np.linspace(-1000, 1000, header.shape[2], dtype=np.int16)
        nib.Nifti1Image(np.broadcast_to(slope, header.shape), header.affine).to_filename(ramp)
    (folder / f"{image}.nii.gz").symlink_to(ramp)


def test_the_real_label_maps_are_as_the_paper_has_them(real: tuple[Path, Path]) -> None:
    stored, prepared = real
    cohort = Cohort.load(prepared)
    assert (len(cohort.subjects()), len(cohort.pairs["test"])) == (9, 42)
    found = read_labels(stored / f"labelsTr/{SUBJECT.format(25)}.nii.gz").data
    np.testing.assert_array_equal(cohort.load_labels(SUBJECT.format(25)), ndimage.zoom(found, 0.5, order=0))
    scores = []
    for fixed, moving in cohort.pairs["test"]:
        first, second = cohort.load_labels(fixed), cohort.load_labels(moving)
        both = [(first == label, second == label) for label in cohort.label_values]
        scores.append(np.mean([2 * (a & b).sum() / max(1, a.sum() + b.sum()) for a, b in both]))
    assert round(100 * float(np.mean(scores)), 3) == 30.861


def test_real_label_maps_under_btcv_numbers_are_the_same_subjects(
    real: tuple[Path, Path], root: Path, shared: Path, tmp_path: Path
) -> None:
    config = Catalogue(root / "config").cohort("abdomen_ct")
    config["splits"], config["pairs"] = {"train": ["9-10"], "test": [30]}, {}
    del config["expect"]["initial"]
    for number in (9, 10, 30):
        btcv = BTCV_NUMBERS[number - 1]
        link_subject(shared, tmp_path / "raw", f"label/label{btcv:04d}", f"img/img{btcv:04d}", number)
    preprocess_cohort(config, tmp_path / "raw", tmp_path / "out", workers=1)
    assert Cohort.load(tmp_path / "out").subjects() == [SUBJECT.format(number) for number in (9, 10, 30)]
    for subject in Cohort.load(tmp_path / "out").subjects():
        for kind in ("images", "labels"):
            name = f"{kind}/{subject}.nii.gz"
            assert (tmp_path / "out" / name).read_bytes() == (real[1] / name).read_bytes()
