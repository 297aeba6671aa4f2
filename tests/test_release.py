"""A model in one file does what its run did, and its card says what it is."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from tests.cohorts import SEGMENTOR, make_cohort
from tests.test_inference import SCF_RUN
from textscf.data.cohort import Cohort
from textscf.errors import InputError
from textscf.files.image_file import read_image_file, read_label_file
from textscf.files.io import read_json, sha256_of, write_csv, write_yaml
from textscf.files.state import load_state, save_state
from textscf.prompts import Embedding
from textscf.registration.coverage import covered_share
from textscf.registration.evaluation import evaluate_run
from textscf.registration.inference import Registrar
from textscf.registration.scan_pair import ScanRegistrar
from textscf.registration.trained_run import load_checkpoint
from textscf.release import model as release_model
from textscf.release import release
from textscf.release.model import write_model
from textscf.segmentation import load_segmentation
from textscf.segmentation.segment_cohort import segment_cohort
from textscf.segmentation.segmentor_accuracy import accuracy, by_split
from textscf.segmentation.swin_unetr import build_segmentor
from textscf.training.run import train_run

CPU = torch.device("cpu")
SETTINGS: dict[str, Any] = {
    **{"model": "blobs", "study": "tests", "run": "scf", "initial": "initial", "cohort": "blobs", "segmentor": "net"},
    **{"title": "Blobs", "purpose": "Registers two blobs.", "unfit": ["Three blobs.", "Any clinical decision."]},
    **{"data": "Simulated blobs", "notice": "simulated", "licence": "CC0", "citation": "Nobody", "convention": "paper"},
}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results folder with a run that takes regions of a segmentor with weights, and a run without registration."""
    folder = tmp_path_factory.mktemp("results")
    cohort = make_cohort(folder / "cohorts/blobs")
    own = cohort.folder / "segmentations/net"
    settings = SEGMENTOR | {"source": "train"}
    write_yaml(own / "config.yaml", settings)
    torch.manual_seed(0)
    save_state(own / "network.pt", {"network": build_segmentor(settings, 3).state_dict()})
    segment_cohort(cohort, settings, own / "network.pt", own, CPU)
    opened = load_segmentation(own / "segmentation.json", cohort)
    scores = accuracy(cohort, opened, "net")
    write_csv(own / "accuracy.csv", scores)
    write_csv(own / "accuracy_by_split.csv", by_split(scores))
    vectors = np.random.default_rng(0).normal(size=(3, 5)).astype(np.float32)
    embedding = Embedding(np.arange(3), ["background", "left", "right"], [""] * 3, vectors)
    run, initial = folder / "tests/runs/scf", folder / "tests/runs/initial"
    backbone = {"name": "lku_net", "start_channels": 4}
    settings_of_run = {**SCF_RUN, "segmentor": "net", "network": {**SCF_RUN["network"], "backbone": backbone}}
    write_yaml(run / "config.yaml", settings_of_run)
    train_run(settings_of_run, cohort, opened, embedding, run, CPU)
    evaluate_run("scf", cohort, Registrar(run / "checkpoint.pt", cohort, CPU), run)
    evaluate_run("initial", cohort, None, initial)
    return folder


@pytest.fixture(scope="module")
def model(results: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("models") / "blobs.pt"
    release(SETTINGS, results, out, CPU)
    return out


def test_a_model_alone_registers_scans_as_its_run_did(results: Path, model: Path) -> None:
    cohort, run = Cohort.load(results / "cohorts/blobs"), results / "tests/runs/scf/checkpoint.pt"
    images = [read_image_file(cohort.image_path(subject)) for subject in ("s6", "s7")]
    weights = cohort.folder / "segmentations/net/network.pt"
    registrars = ScanRegistrar(model, CPU), ScanRegistrar(run, CPU, weights)
    fields = [registrar.register(images[0], images[1], "none").transform.field for registrar in registrars]
    np.testing.assert_allclose(*fields, atol=2e-2)
    assert np.abs(fields[0]).max() > 0.1


def test_weights_are_in_half_precision_and_filters_frozen(model: Path) -> None:
    content = load_state(model)
    tensors = [*content["network"].values(), *content["segmentor"]["weights"].values()]
    assert {tensor.dtype for tensor in tensors if tensor.is_floating_point()} == {torch.float16}
    assert not any("filters" in name for name in content["network"])


def test_a_scan_that_shows_far_more_than_the_training_scans_gets_a_remark(results: Path, model: Path) -> None:
    cohort, registrar = Cohort.load(results / "cohorts/blobs"), ScanRegistrar(model, CPU)
    low, high = load_checkpoint(model, CPU).covered or (0, 0)
    shares = [covered_share(cohort.load_image(s), cohort.load_labels(s)) for s in cohort.splits["train"]]
    assert (low, high) == (min(shares), max(shares))
    fixed, labels = read_image_file(cohort.image_path("s6")), read_label_file(cohort.label_path("s6"))
    small = replace(labels, data=np.where(np.indices(labels.data.shape)[0] < 8, labels.data, 0))
    remarks = [registrar.register(fixed, fixed, "none", given).remarks for given in (labels, small)]
    assert remarks[0] == []
    assert re.search(
        rf"s6\.nii\.gz: structures cover \d+ % .* but {100 * low:.0f} to {100 * high:.0f} %", remarks[1][0]
    )


@pytest.mark.parametrize("covered", [[0.5], [0.6, 0.5], "some", [0, 2]])
def test_a_model_with_a_damaged_range_of_shares_is_refused(model: Path, tmp_path: Path, covered: object) -> None:
    save_state(tmp_path / "model.pt", {**load_state(model), "covered": covered})
    with pytest.raises(InputError, match=r"model\.pt: covered: expected two shares in order"):
        load_checkpoint(tmp_path / "model.pt", CPU)


def test_half_precision_is_not_used_where_it_costs_dice(
    results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rounding that moves every field by voxels stands for one that costs Dice."""
    cohort, run = Cohort.load(results / "cohorts/blobs"), results / "tests/runs/scf"
    rounded = release_model._halved

    def coarse(content: Any) -> Any:
        if isinstance(content, dict) and "format" in content:
            content = {**content, "network": {name: 3 * value for name, value in content["network"].items()}}
        return rounded(content)

    monkeypatch.setattr(release_model, "_halved", coarse)
    written = write_model(run, cohort, cohort.folder / "segmentations/net", tmp_path / "model.pt", CPU)
    assert (written.precision, abs(written.difference) < 0.05) == ("single", True)
    stored, own = (load_state(path)["network"] for path in (tmp_path / "model.pt", run / "checkpoint.pt"))
    assert all(torch.equal(stored[name], own[name]) for name in own)


def test_metrics_of_another_run_are_refused(results: Path, tmp_path: Path) -> None:
    cohort, run = Cohort.load(results / "cohorts/blobs"), tmp_path / "runs/scf"
    save_state(run / "checkpoint.pt", load_state(results / "tests/runs/scf/checkpoint.pt"))
    metrics = pd.read_csv(results / "tests/runs/scf/metrics.csv")
    write_csv(run / "metrics.csv", metrics.assign(dice=metrics["dice"] / 2))
    with pytest.raises(InputError, match=r"metrics\.csv: mean test Dice .* they are not of the same run"):
        write_model(run, cohort, cohort.folder / "segmentations/net", tmp_path / "model.pt", CPU)
    assert not (tmp_path / "model.pt").exists()


def test_half_precision_is_not_used_where_it_cannot_hold_a_weight(results: Path, tmp_path: Path) -> None:
    cohort, run = Cohort.load(results / "cohorts/blobs"), tmp_path / "runs/scf"
    content = load_state(results / "tests/runs/scf/checkpoint.pt")
    content["network"]["heads.0.stored"].view(-1)[0] = 1e5
    save_state(run / "checkpoint.pt", content)
    evaluate_run("scf", cohort, Registrar(run / "checkpoint.pt", cohort, CPU), run)
    written = write_model(run, cohort, cohort.folder / "segmentations/net", tmp_path / "model.pt", CPU)
    assert written.precision == "single"


def test_the_card_says_what_the_model_is(results: Path, model: Path) -> None:
    card = model.with_suffix(".md").read_text()
    timing = read_json(results / "tests/runs/scf/timing.json")
    metrics = pd.read_csv(results / "tests/runs/initial/metrics.csv")
    before = 100 * metrics.groupby("structure")["dice"].mean()
    assert card.startswith("# Blobs\n\nRegisters two blobs.\n")
    for text in (
        "- Three blobs.",
        "Licence, of the weights too: CC0.",
        "**simulated**",
        f"{timing['steps']} steps",
        sha256_of(model),
        f"| left blob | {before['left blob']:.1f} |",
        "half precision",
    ):
        assert text in card, text
    scores = pd.read_csv(results / "cohorts/blobs/segmentations/net/accuracy.csv").query("split == 'test'")
    lost = [name for name, dice in scores.groupby("structure", sort=False)["dice"] if dice.max() == 0]
    assert lost, "this untrained segmentor should miss a structure"
    assert f"% Dice on the test scans. It finds no voxel of {', '.join(lost)} in any of them." in card


def test_a_segmentor_of_others_is_not_passed_on(results: Path, tmp_path: Path) -> None:
    cohort = Cohort.load(results / "cohorts/blobs")
    write_yaml(tmp_path / "given/config.yaml", SEGMENTOR | {"source": "pretrained"})
    with pytest.raises(InputError, match="source is pretrained; expected a segmentor that was trained here"):
        write_model(results / "tests/runs/scf", cohort, tmp_path / "given", tmp_path / "model.pt", CPU)
    assert not (tmp_path / "model.pt").exists()


@pytest.mark.parametrize("segmentor", [{"settings": {}}, {"weights": {}, "settings": []}, "tiny"])
def test_a_model_with_a_damaged_segmentor_is_refused(model: Path, tmp_path: Path, segmentor: object) -> None:
    save_state(tmp_path / "model.pt", {**load_state(model), "segmentor": segmentor})
    with pytest.raises(InputError, match=r"model\.pt: segmentor: expected its settings and weights"):
        load_checkpoint(tmp_path / "model.pt", CPU)
