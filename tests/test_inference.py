"""A trained run evaluates a cohort and registers a pair of files."""

import itertools
import shutil
import subprocess
import weakref
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from tests.cohorts import SEGMENTOR, make_cohort
from tests.python_server import python
from tests.test_training import RUN
from textscf.data.cohort import Cohort
from textscf.data.recipe import Recipe
from textscf.errors import InputError
from textscf.files.image_file import read_image_file, read_label_file
from textscf.files.io import read_image, read_json, write_json, write_nifti, write_yaml
from textscf.files.state import load_state, save_state
from textscf.losses import SoftDice, smoothness
from textscf.metrics import evaluate_pair
from textscf.prompts import Embedding
from textscf.registration.evaluation import evaluate_run, registrar_of
from textscf.registration.inference import RefiningRegistrar, Registrar, timed_prediction
from textscf.registration.scan_pair import ScanRegistrar
from textscf.registration.trained_run import load_checkpoint
from textscf.registration.volumes import Scan, VolumeStore
from textscf.segmentation import load_segmentation
from textscf.segmentation.result import Segmentation
from textscf.segmentation.segment_cohort import segment_cohort
from textscf.segmentation.segmentor import Segmentor
from textscf.segmentation.stored import StoredImage
from textscf.segmentation.swin_unetr import build_segmentor, read_weights
from textscf.spatial import warp
from textscf.training.run import train_run

CPU = torch.device("cpu")
SCF_RUN: dict[str, Any] = {
    **RUN,
    "run": "scf",
    "network": {**RUN["network"], "head": {"kind": "scf", "hidden_channels": 8, "blend": "convex"}},
    "segmentor": "ground_truth",
    "prompts": "random",
    "training": {**RUN["training"], "epochs": 1, "learning_rate": 1e-2},
}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results folder with a cohort, its ground-truth segmentation and a trained text-driven run."""
    folder = tmp_path_factory.mktemp("results")
    cohort = make_cohort(folder / "cohorts" / "blobs")
    segmentation = cohort.folder / "segmentations" / "ground_truth"
    segment_cohort(cohort, {"source": "ground_truth"}, None, segmentation, CPU)
    vectors = np.random.default_rng(0).normal(size=(3, 5)).astype(np.float32)
    embedding = Embedding(np.arange(3), ["background", "left", "right"], [""] * 3, vectors)
    opened = load_segmentation(segmentation / "segmentation.json", cohort)
    train_run(SCF_RUN, cohort, opened, embedding, folder / "tests" / "runs" / "scf", CPU)
    return folder


@pytest.fixture(scope="module")
def cohort(results: Path) -> Cohort:
    return Cohort.load(results / "cohorts" / "blobs")


@pytest.fixture(scope="module")
def checkpoint(results: Path) -> Path:
    return results / "tests" / "runs" / "scf" / "checkpoint.pt"


def test_memory_of_an_evaluation_does_not_grow_with_its_pairs(
    results: Path, cohort: Cohort, checkpoint: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """No more loaded images than the limit are in memory at a time."""
    loaded: list[weakref.ref] = []
    most = 0
    load = VolumeStore._image

    def remember(self: VolumeStore, image: np.ndarray) -> torch.Tensor:
        nonlocal most
        tensor = load(self, image)
        loaded.append(weakref.ref(tensor))
        most = max(most, sum(each() is not None for each in loaded))
        return tensor

    one = VolumeStore(cohort, None, CPU)["s1"].image.nbytes
    monkeypatch.setattr(VolumeStore, "_image", remember)
    monkeypatch.setattr("textscf.registration.inference._KEPT", 2 * one)
    many = replace(cohort, pairs={**cohort.pairs, "test": list(itertools.pairwise(cohort.subjects()))})
    evaluate_run("scf", many, Registrar(checkpoint, cohort, CPU), tmp_path)
    assert len(loaded) >= len(cohort.subjects()) == 8
    assert most <= 3


def test_the_exported_network_has_no_mlp(checkpoint: Path) -> None:
    names = load_state(checkpoint)["network"]
    assert names["heads.0.stored"].shape == (3, 3, 4)
    assert not any("filters" in name for name in names)


@pytest.mark.parametrize("workers", [1, 2])
def test_metrics_of_a_run(cohort: Cohort, checkpoint: Path, tmp_path: Path, workers: int) -> None:
    registrar = Registrar(checkpoint, cohort, CPU)
    evaluate_run("scf", cohort, registrar, tmp_path, workers)
    metrics, pairs = pd.read_csv(tmp_path / "metrics.csv"), pd.read_csv(tmp_path / "pairs.csv")
    assert list(metrics) == ["run", "fixed", "moving", "label", "structure", "dice", "hd95", "hd95_initial"]
    assert list(pairs) == [
        "run", "fixed", "moving", "dice", "hd95", "sdlogj", "nonpositive_jacobian_fraction",
        "jump_across_borders", "jump_inside", "seconds"
    ]  # fmt: skip
    assert list(zip(pairs["fixed"], pairs["moving"], strict=True)) == cohort.pairs["test"]
    fixed, moving = cohort.pairs["test"][3]
    labels = cohort.load_labels(fixed), cohort.load_labels(moving)
    expected = evaluate_pair(*labels, registrar.displacement(fixed, moving)[0], [1, 2], cohort.spacing)
    rows = metrics[(metrics["fixed"] == fixed) & (metrics["moving"] == moving)]
    np.testing.assert_allclose(rows["dice"], expected.dice, rtol=1e-12)
    np.testing.assert_allclose(rows["hd95"], expected.hd95, rtol=1e-12)
    assert pairs.loc[3, "dice"] == pytest.approx(expected.dice.mean())
    assert pairs.loc[3, "sdlogj"] == pytest.approx(expected.sdlogj)
    assert (pairs["seconds"] > 0).all()


def test_the_time_of_a_pair_has_that_of_the_fixed_regions_in_it(
    cohort: Cohort, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = cohort.folder / "segmentations/ground_truth/cost.json"
    assert read_json(path) == {"parameters": 0, "seconds": dict.fromkeys(cohort.subjects(), 0.0)}
    measured = Registrar(checkpoint, cohort, CPU)
    monkeypatch.setattr(Segmentation, "seconds", lambda _, subject: {"s6": 1000.0, "s7": 2000.0}[subject])
    assert 1000 < measured.displacement("s6", "s7")[1] < 1900
    monkeypatch.undo()
    path.rename(path.with_suffix(".gone"))
    with pytest.raises(InputError, match=r"cost\.json: no such file"):
        measured.displacement("s6", "s7")
    path.with_suffix(".gone").rename(path)


def loss_of(checkpoint: Path, cohort: Cohort, displacement: np.ndarray) -> float:
    """Loss of the checkpoint's run for the pair of s6 and s7, with their labels as regions."""
    loss = load_checkpoint(checkpoint, CPU).run["loss"]
    volumes = [torch.from_numpy(cohort.load_image(subject))[None, None] for subject in ("s6", "s7")]
    labels = [torch.from_numpy(cohort.load_labels(subject))[None, None] for subject in ("s6", "s7")]
    field = torch.from_numpy(np.moveaxis(displacement, -1, 0))[None]
    similarity = (volumes[0] - warp(volumes[1], field)).square().mean()
    return float(similarity + loss["dice"] * SoftDice(3)(*labels, field) + loss["smoothness"] * smoothness(field))


def test_refinement_of_a_run_lowers_its_loss_and_counts_both_segmentations(
    cohort: Cohort, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"run": "more", "method": "refined", "method_options": {"run": "scf", "steps": 10}}
    refining = registrar_of(settings, cohort, checkpoint, "cpu")
    assert isinstance(refining, RefiningRegistrar)
    monkeypatch.setattr(Segmentation, "seconds", lambda _, subject: {"s6": 1000.0, "s7": 2000.0}[subject])
    alone = Registrar(checkpoint, cohort, CPU).displacement("s6", "s7")[0]
    refined, seconds = refining.displacement("s6", "s7")
    assert loss_of(checkpoint, cohort, refined) < 0.99 * loss_of(checkpoint, cohort, alone)
    assert 3000 < seconds < 3900
    with pytest.raises(InputError, match="run 'more': a trained run needs a checkpoint"):
        registrar_of(settings, cohort, None, None)


def test_a_run_without_regions_is_refined_by_its_images_alone(
    results: Path, cohort: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = {**RUN, "training": {**RUN["training"], "epochs": 1}}
    train_run(run, cohort, None, None, tmp_path, CPU)
    field, _ = RefiningRegistrar(tmp_path / "checkpoint.pt", cohort, CPU, 3).displacement("s6", "s7")
    monkeypatch.setattr(Cohort, "load_labels", lambda self, subject: np.full(self.shape, 2, np.uint8))
    blind, _ = RefiningRegistrar(tmp_path / "checkpoint.pt", cohort, CPU, 3).displacement("s6", "s7")
    np.testing.assert_array_equal(field, blind)


def test_metrics_without_registration(cohort: Cohort, tmp_path: Path) -> None:
    evaluate_run("initial", cohort, None, tmp_path)
    metrics = pd.read_csv(tmp_path / "metrics.csv")
    fixed, moving = (cohort.load_labels(subject) == 1 for subject in cohort.pairs["test"][0])
    assert metrics.loc[0, "dice"] == pytest.approx(2 * (fixed & moving).sum() / (fixed.sum() + moving.sum()))
    assert (pd.read_csv(tmp_path / "pairs.csv")["seconds"] == 0).all()


def test_a_network_whose_field_is_not_finite_is_refused(cohort: Cohort, checkpoint: Path, tmp_path: Path) -> None:
    state = load_state(checkpoint)
    state["network"]["heads.0.stored"] *= np.nan
    save_state(tmp_path / "checkpoint.pt", state)
    with pytest.raises(InputError, match="not finite"):
        Registrar(tmp_path / "checkpoint.pt", cohort, CPU).displacement("s6", "s7")


def registered(
    checkpoint: Path, cohort: Cohort, labels: str | None = None, segmentor: Path | None = None
) -> np.ndarray:
    """Displacement field of the stored scans s6 and s7, ``(H, W, D, 3)`` in voxels of the network's grid."""
    fixed, moving = (read_image_file(cohort.image_path(subject)) for subject in ("s6", "s7"))
    regions = read_label_file(cohort.label_path(labels)) if labels else None
    return ScanRegistrar(checkpoint, CPU, segmentor).register(fixed, moving, "none", regions).transform.field


def test_registering_files_equals_registering_prepared_scans(cohort: Cohort, checkpoint: Path) -> None:
    expected = Registrar(checkpoint, cohort, CPU).displacement("s6", "s7")[0]
    np.testing.assert_allclose(registered(checkpoint, cohort, "s6"), expected, atol=1e-5)


def test_the_fixed_image_is_segmented_where_no_labels_are_given(
    cohort: Cohort, checkpoint: Path, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    save_state(tmp_path / "network.pt", {"network": build_segmentor(SEGMENTOR, 3).state_dict()})
    with pytest.raises(InputError, match="needs regions of the fixed image: give --fixed-labels or --segmentor"):
        registered(checkpoint, cohort)
    write_yaml(tmp_path / "config.yaml", SEGMENTOR)
    assert np.isfinite(registered(checkpoint, cohort, segmentor=tmp_path / "network.pt")).all()


def test_labels_of_another_place_or_anatomy_are_refused(cohort: Cohort, checkpoint: Path, tmp_path: Path) -> None:
    fixed = read_image_file(cohort.image_path("s6"))
    labels = read_image(cohort.label_path("s6")).data.astype(np.uint8)
    registrar = ScanRegistrar(checkpoint, CPU)
    shifted = fixed.affine + np.array([[0, 0, 0, 30.0], [0] * 4, [0] * 4, [0] * 4])
    for name, values, affine, message in (
        ("shifted", labels, shifted, r"shifted\.nii\.gz: by its header it covers 25 % of .*s6\.nii\.gz"),
        ("unknown", labels * 9, fixed.affine, "labels 9, 18 are not in the anatomy; expected 0 and 1 to 2"),
        ("empty", labels * 0, fixed.affine, "no voxel is labelled"),
    ):
        write_nifti(tmp_path / f"{name}.nii.gz", values, affine)
        with pytest.raises(InputError, match=message):
            registrar.register(fixed, fixed, "none", read_label_file(tmp_path / f"{name}.nii.gz"))


def test_a_label_map_numbered_in_another_way_is_refused_even_if_other_structures_are_background(
    cohort: Cohort, checkpoint: Path, tmp_path: Path
) -> None:
    fixed = read_image_file(cohort.image_path("s6"))
    labels = read_image(cohort.label_path("s6")).data.astype(np.uint8)
    registrar = ScanRegistrar(checkpoint, CPU)
    registrar.recipe = replace(registrar.recipe, other_labels="background", values=((41,), (1, 3)))
    for values, message in (
        (labels, r"map\.nii\.gz: \d\d % of its labelled voxels have numbers of no structure .* expected .* 1, 3, 41"),
        (np.array([0, 41, 3], np.uint8)[labels], None),
    ):
        write_nifti(tmp_path / "map.nii.gz", values, fixed.affine)
        with pytest.raises(InputError, match=message) if message else nullcontext():
            registrar.register(fixed, fixed, "none", read_label_file(tmp_path / "map.nii.gz"))


def test_a_checkpoint_that_was_moved_says_what_it_lacks(cohort: Cohort, checkpoint: Path, tmp_path: Path) -> None:
    shutil.copy(checkpoint, tmp_path / "moved.pt")
    with pytest.raises(InputError, match=r"moved\.pt: lies outside of the results that it was made with"):
        registered(tmp_path / "moved.pt", cohort)


def test_a_pretrained_segmentor_of_the_run_takes_the_fixed_image_as_it_is_stored(
    cohort: Cohort, checkpoint: Path, tmp_path: Path
) -> None:
    torch.manual_seed(1)
    results = tmp_path / "results"
    run, own = results / "tests/runs/scf", results / "cohorts/blobs/segmentations/ground_truth"
    taken = {"orientation": "RAS", "spacing": [1.5, 1.5, 2.0], "range": [0, 1]}
    settings = SEGMENTOR | {
        "source": "pretrained",
        "input": taken,
        "classes": ["right blob", "background", "left blob"],
    }
    write_yaml(own / "config.yaml", settings)
    save_state(own / "weights.pt", {"state_dict": build_segmentor(SEGMENTOR, 3).state_dict()})
    run.mkdir(parents=True)
    shutil.copy(checkpoint, run)
    found = registered(run / "checkpoint.pt", cohort)
    trained = load_checkpoint(checkpoint, CPU)
    recipe = Recipe.from_config(trained.cohort)
    weights = read_weights(own / "weights.pt", settings)
    segmentor = Segmentor(weights, "weights", settings, trained.cohort["anatomy"], CPU)
    regions = segmentor.regions(np.zeros(0), StoredImage.of_cohort(cohort.image_path("s6"), recipe))
    assert len(regions[0].unique()) == 3
    images = [torch.from_numpy(cohort.load_image(subject))[None, None] for subject in ("s6", "s7")]
    scans = Scan(images[0], images[0], *(part[None, None] for part in regions)), Scan(images[1], images[1], None, None)
    np.testing.assert_allclose(found, timed_prediction(trained.network, *scans)[0], atol=1e-4)


def test_scripts_register_and_evaluate(
    results: Path, cohort: Cohort, checkpoint: Path, tmp_path: Path, root: Path
) -> None:
    write_yaml(tmp_path / "config.yaml", SCF_RUN)
    common = ["--device", "cpu", "--out", tmp_path / "out"]
    images = ["--fixed", cohort.image_path("s6"), "--moving", cohort.image_path("s7")]
    labels = ["--fixed-labels", cohort.label_path("s6")]
    command = [python(), root / "src/register.py", "--checkpoint", checkpoint, *images, *labels, *common]
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    assert (tmp_path / "out" / "warp.nii.gz").is_file()
    command = [python(), root / "src/evaluate.py", "--config", tmp_path / "config.yaml", *common]
    command += ["--cohort", cohort.folder, "--checkpoint", checkpoint]
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    assert len(pd.read_csv(tmp_path / "out" / "pairs.csv")) == 6


def test_a_bad_scan_is_one_line_and_an_exit_code(checkpoint: Path, tmp_path: Path, root: Path) -> None:
    write_json(tmp_path / "scan.nii.gz", {})
    command = [python(), root / "src/register.py", "--checkpoint", checkpoint, "--out", tmp_path / "out"]
    command += ["--fixed", tmp_path / "scan.nii.gz", "--moving", tmp_path / "scan.nii.gz", "--device", "cpu"]
    finished = subprocess.run(command, capture_output=True, text=True)
    assert finished.returncode == 2
    assert finished.stderr.startswith(f"error: {tmp_path}/scan.nii.gz: cannot be read as NIfTI")
    assert finished.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()
