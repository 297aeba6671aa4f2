"""Methods through their own packages: sign, order and unit of their fields, repetition, failures, missing packages.

The packages convexadam and itk-elastix are optional; tests of their methods are skipped where they are not installed.
"""

import importlib.metadata
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from tests.cohorts import make_cohort
from tests.test_iterative import MARGIN, SHAPE, SPACING, shifted_pair, smooth_image
from textscf.data.cohort import Cohort
from textscf.errors import InputError
from textscf.files.io import read_yaml, write_nifti
from textscf.files.registry import METHODS, entry
from textscf.metrics import evaluate_pair
from textscf.registration.evaluation import PairRegistrar, evaluate_run, registrar_of
from textscf.registration.image_registrar import ImageRegistrar
from textscf.segmentation.segment_cohort import segment_cohort
from textscf.study import load_study

MODULES = {"convexadam": "convexAdam", "elastix": "itk"}
PACKAGES = {"convexadam": "convexadam", "elastix": "itk-elastix"}
QUICK: dict[str, dict[str, Any]] = {"convexadam": {}, "elastix": {"iterations": 64}}
TOLERANCE = {"convexadam": 0.5, "elastix": 0.8}  # voxels; a shift of 3 voxels is to be found


def needs(method: str) -> None:
    try:
        importlib.metadata.distribution(PACKAGES[method])
    except importlib.metadata.PackageNotFoundError:
        pytest.skip(f"the optional package {PACKAGES[method]} is not installed")


def make(method: str, cohort: Any, **options: Any) -> ImageRegistrar:
    made: ImageRegistrar = entry(METHODS, method, "test").registrar(cohort, **{**QUICK[method], **options})
    return made


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("method", MODULES)
def test_a_shift_is_recovered_in_sign_order_and_size(
    method: str, axis: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs(method)
    monkeypatch.chdir(tmp_path)
    displacement = make(method, SimpleNamespace(spacing=SPACING)).register(*shifted_pair(axis))
    assert not list(tmp_path.iterdir())
    assert displacement.shape == (*SHAPE, 3)
    interior = displacement[(slice(MARGIN, -MARGIN),) * 3]
    expected = np.broadcast_to(3.0 * np.eye(3)[axis], interior.shape)
    np.testing.assert_allclose(interior, expected, atol=TOLERANCE[method])


@pytest.mark.parametrize("method", MODULES)
def test_the_same_images_give_the_same_bytes(method: str) -> None:
    needs(method)
    registrar = make(method, SimpleNamespace(spacing=SPACING))
    images = smooth_image((24, 26, 25), 1), smooth_image((24, 26, 25), 2)
    first, second = (registrar.register(*images) for _ in range(2))
    assert first.tobytes() == second.tobytes()
    assert np.abs(first).max() > 0.1


@pytest.mark.parametrize("method", [*MODULES, "voxelopt"])
def test_the_options_of_the_configuration_are_those_of_the_method(root: Path, method: str) -> None:
    defaults = read_yaml(root / f"config/methods/{method}.yaml")["defaults"]
    found = vars(entry(METHODS, method, "test").registrar(None))
    assert found == {"cohort": None, **defaults}


def test_the_defaults_of_syn_are_those_of_its_configuration(root: Path) -> None:
    defaults = read_yaml(root / "config/methods/syn.yaml")["defaults"]
    found = vars(entry(METHODS, "syn", "test").registrar(None))
    assert found == {"cohort": None, **defaults, "iterations": tuple(defaults["iterations"])}


@pytest.fixture
def cohort(tmp_path: Path) -> Cohort:
    return make_cohort(tmp_path / "blobs")


@pytest.mark.parametrize("method", MODULES)
def test_without_its_package_a_method_names_what_to_install(
    cohort: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    for name in [*sys.modules]:
        if name.partition(".")[0] == MODULES[method]:
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, MODULES[method], None)
    registrar = registrar_of({"run": "mine", "method": method}, cohort, None, None)
    message = f"method {method}: found no package {PACKAGES[method]}; expected it installed.* extra '{method}'"
    with pytest.raises(InputError, match=message):
        evaluate_run("mine", cohort, registrar, tmp_path / "out")


def test_convexadam_compares_label_maps_if_told_to(cohort: Cohort) -> None:
    needs("convexadam")
    segment_cohort(cohort, {"source": "ground_truth"}, None, cohort.folder / "segmentations/truth", torch.device("cpu"))
    for subject in ("s6", "s7"):  # images without content: what is found comes from the labels
        write_nifti(cohort.image_path(subject), np.full(cohort.shape, 0.5, np.float32), cohort.affine)
    registrar = make("convexadam", cohort, features="segmentation", segmentor="truth", grid_spacing=3)
    field, _ = registrar.displacement("s6", "s7")
    labels = cohort.load_labels("s6"), cohort.load_labels("s7")
    before, after = (evaluate_pair(*labels, u, [1, 2], cohort.spacing).dice.mean() for u in (None, field))
    assert after > before + 0.1


def test_small_regions_weigh_more_in_the_features_of_label_maps() -> None:
    needs("convexadam")
    fixed, moving = torch.zeros(4, 4, 4, dtype=torch.long), torch.zeros(4, 4, 4, dtype=torch.long)
    fixed[0, 0, :2], moving[1, 1, 1] = 5, 5
    of_fixed, of_moving = entry(METHODS, "convexadam", "test").features_of_labels([fixed, moving])
    weights = np.array([125, 3]) ** -0.3
    background, small = 10 * weights / weights.mean()
    assert of_fixed.shape == of_moving.shape == (1, 2, 4, 4, 4)
    assert of_fixed[0, :, 0, 0, 0].tolist() == pytest.approx([0, small])
    assert of_moving[0, :, 0, 0, 0].tolist() == pytest.approx([background, 0])


class Failing(ImageRegistrar):
    """Fails as packages do."""

    title = "Failing"

    def load(self) -> object:
        return None

    def register(self, fixed: np.ndarray, moving: np.ndarray) -> np.ndarray:
        if fixed.mean() > moving.mean():
            raise RuntimeError("too\nbad")
        return np.full((*fixed.shape, 3), np.nan)


@pytest.mark.parametrize(("pair", "reason"), [(0, "too bad"), (1, "the field is not finite")])
def test_a_pair_that_a_package_cannot_register_is_named_in_one_line(cohort: Cohort, pair: int, reason: str) -> None:
    subjects = sorted(cohort.subjects("test"), key=lambda subject: -cohort.load_image(subject).mean())
    fixed, moving = (subjects[0], subjects[1]) if pair == 0 else (subjects[1], subjects[0])
    registrar: PairRegistrar = Failing(cohort)
    with pytest.raises(InputError, match=rf"fixed {fixed} and moving {moving}: Failing failed \({reason}\)") as caught:
        registrar.displacement(fixed, moving)
    assert "\n" not in str(caught.value)


def test_a_scan_too_small_for_the_grid_of_convexadam_is_told(cohort: Cohort) -> None:
    needs("convexadam")
    with pytest.raises(InputError, match=r"ConvexAdam failed \(shape \(20, 24, 16\) is less than two points of a grid"):
        make("convexadam", cohort, grid_spacing=9).displacement("s6", "s7")


def test_convexadam_is_evaluated_in_workers_and_changes_no_warnings(cohort: Cohort, tmp_path: Path) -> None:
    needs("convexadam")
    known = list(warnings.filters)
    make("convexadam", cohort).load()
    assert list(warnings.filters) == known
    evaluate_run("mine", cohort, make("convexadam", cohort, grid_spacing=3), tmp_path, workers=2)
    evaluate_run("none", cohort, None, tmp_path / "none")
    dice = [pd.read_csv(folder / "pairs.csv")["dice"].mean() for folder in (tmp_path, tmp_path / "none")]
    assert dice[0] > dice[1] + 0.1


@pytest.mark.parametrize("study", ["hippocampus", "abdomen_anatomy"])
def test_studies_take_the_experiment_beyond_the_paper(root: Path, study: str) -> None:
    config = read_yaml(root / f"config/{study}.yaml")
    experiments = [*config["experiments"], "beyond"]
    resolved = load_study({**config, "experiments": experiments}, root / "config")
    table = resolved.tables["beyond"]
    assert {row["run"] for row in table["rows"]} >= {"syn", "syn_mse", "elastix", "convexadam", "lku_net", "textscf"}
    assert all(row["runs"] for row in table["rows"])
    assert resolved.runs["syn_mse"]["method_options"]["metric"] == "meansquares"
    assert "convexadam" not in load_study(config, root / "config").runs
