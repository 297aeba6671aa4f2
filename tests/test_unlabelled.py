"""Scans without labels: declared by the data set, trained on without Dice, and left out of means of Dice."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import yaml

from tests.cohorts import SEGMENTOR
from tests.scan_files import turned
from tests.small_study import STUDY
from tests.test_landmarks import CENTRE, POINTS, SHAPE, SPACING, write_subject
from tests.test_training import RUN
from textscf.data.cohort import Cohort
from textscf.data.preprocess import preprocess_cohort
from textscf.data.releases import source_files
from textscf.errors import InputError
from textscf.files.io import read_yaml, write_yaml
from textscf.metrics.aggregation import run_means
from textscf.plotting.draw_figure import draw
from textscf.prompts import Embedding
from textscf.registration.evaluation import evaluate_run
from textscf.registration.inference import Registrar
from textscf.registration.volumes import VolumeStore
from textscf.results.items import Results, make_item
from textscf.segmentation import load_segmentation
from textscf.segmentation.segment_cohort import segment_cohort
from textscf.segmentation.segmentor_accuracy import accuracy, by_split
from textscf.study import load_study
from textscf.tables.table_kinds import make
from textscf.tables.written import write_table
from textscf.training.objective import Objective
from textscf.training.run import train_run
from textscf.training.segmentor_training import SegmentorTraining, train_segmentor

CPU = torch.device("cpu")
SUBJECTS = "abcdefgh"
UNLABELLED = "bdeh"
SPLITS = {"train": list("abc"), "validation": list("de"), "test": list("fgh")}
STRUCTURES = [
    {"label": n, "name": name, "prompt": name, "side": None, "colour": "#0072B2"}
    for n, name in ((1, "odd"), (2, "even"))
]
RELEASE: dict[str, Any] = {
    **{"folder": "spots", "archive": None, "url": None, "checksum": None, "instructions": None},
    **{"images": "images/{subject}.nii.gz", "labels": "labels/{subject}.nii.gz", "unlabelled": True},
    "landmarks": "landmarks/{subject}.csv",
}
COHORT: dict[str, Any] = {
    **{"title": "Spots", "notice": "made for tests", "modality": "test image", "anatomy": "spots"},
    "source": {"kind": "archive", "data_set": "spots"},
    "preprocess": {
        **{"axes": "header", "orientation": "RAS", "source_spacing": None, "spacing": [2.3, 2.3, 2.3]},
        **{"shape": [24, 24, 24], "intensity": {"kind": "clip", "range": [0, 1]}},
    },
    **{"field": "full", "subject": "{}", "splits": SPLITS, "pairs": {"validation": "all", "test": "all"}},
    "segmentors": {"tiny": {key: SEGMENTOR[key] for key in SEGMENTOR if key not in ("layout", "compiled")}},
}
ANATOMY = {"title": "Spots", "body_part": "test", "structures": STRUCTURES}


def resolved(**release: Any) -> dict[str, Any]:
    """The cohort with its data set and anatomy inlined."""
    source = {**COHORT["source"], "releases": [{**RELEASE, **release}]}
    return {**COHORT, "name": "spots", "licence": "CC0", "citation": "Nobody", "anatomy": ANATOMY, "source": source}


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight subjects: four without labels, six with landmarks."""
    folder = tmp_path_factory.mktemp("raw")
    generator = np.random.default_rng(0)
    for subject in SUBJECTS:
        points = 0.8 * POINTS + CENTRE + generator.uniform(-2, 2, 3)
        affine = turned((0, 0, 0), SPACING, CENTRE, SHAPE)
        write_subject(folder, subject, points, affine, labels=subject not in UNLABELLED)
    for subject in "ab":
        (folder / "landmarks" / f"{subject}.csv").unlink()
    return folder


@pytest.fixture(scope="module")
def results(raw: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results folder with the prepared cohort."""
    folder = tmp_path_factory.mktemp("results")
    config = resolved()
    preprocess_cohort(config, raw, folder / "cohorts/spots", workers=1)
    write_yaml(folder / "cohorts/spots/config.yaml", config)
    return folder


@pytest.fixture(scope="module")
def cohort(results: Path) -> Cohort:
    return Cohort.load(results / "cohorts/spots")


def without_labels(cohort: Cohort, subjects: str) -> Cohort:
    """The same cohort with labels of these subjects taken away."""
    gone = {f"labels/{subject}.nii.gz" for subject in subjects}
    files = {name: digest for name, digest in cohort.files.items() if name not in gone}
    return Cohort(**{**vars(cohort), "files": files})


def run_of(cohort: str = "spots", **changes: Any) -> dict[str, Any]:
    return {**RUN, "cohort": cohort, "training": {**RUN["training"], "epochs": 2, "steps_per_epoch": 3}, **changes}


def test_scans_without_labels_must_be_asked_for(raw: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"4 of 8 subjects cannot be used: .*labels/b\.nii\.gz: no such file"):
        preprocess_cohort(resolved(unlabelled=False), raw, tmp_path / "out", workers=1)
    starred = {"images": "images/*.nii.gz", "labels": "labels/*.nii.gz", "count": 8}
    config = resolved(**starred, unlabelled=False)
    config["splits"] = {"train": ["1-8"]}
    with pytest.raises(
        InputError, match=r"has no partner; .*; `unlabelled: true` in the data set takes images without"
    ):
        source_files(config, raw)
    config["source"]["releases"][0]["unlabelled"] = True
    files = source_files(config, raw)
    assert [number for number, (_, labels) in files.items() if labels is None] == ["2", "4", "5", "8"]
    config["source"]["releases"][0]["labels"] = None
    assert all(labels is None for _, labels in source_files(config, raw).values())


def test_preparation_keeps_what_a_subject_has(cohort: Cohort, raw: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert cohort.labelled() == list("acfg")
    assert cohort.labelled_pairs("test") == [("f", "g"), ("g", "f")]
    assert [subject for subject in SUBJECTS if cohort.has_landmarks(subject)] == list("cdefgh")
    with pytest.raises(InputError, match="subject 'b' has no label map"):
        cohort.load_labels("b")
    with caplog.at_level("INFO"):
        preprocess_cohort(resolved(), raw, cohort.folder, workers=1)
    assert "4 of 8 subjects have labels" in caplog.text
    assert "6 of 8 subjects and 6 of 6 test pairs have landmarks" in caplog.text
    assert "8 kept as they were" in caplog.text


def test_a_pair_without_labels_has_no_dice_term(cohort: Cohort) -> None:
    class Still(torch.nn.Module):
        backbone = type("Backbone", (), {"strides": (1,), "stage": 0})()

        def velocity(self, moving: torch.Tensor, *_: Any) -> torch.Tensor:
            return torch.zeros((1, 3, *moving.shape[2:]), requires_grad=True)

        def integrated(self, velocity: torch.Tensor) -> torch.Tensor:
            return velocity

        def on_images_grid(self, field: torch.Tensor, _: Any) -> torch.Tensor:
            return field

    scans = VolumeStore(cohort, None, CPU)
    objective = Objective(RUN["loss"], cohort.n_regions)
    terms = {pair: objective(Still(), scans[pair[0]], scans[pair[1]]) for pair in ("ac", "ab", "ba", "bd")}  # type: ignore[arg-type]
    assert terms["ac"][2] > 0
    for pair in ("ab", "ba", "bd"):
        assert terms[pair][2] == 0
        assert terms[pair][0] == terms[pair][1] + RUN["loss"]["smoothness"] * terms[pair][3]
        terms[pair][0].backward()


def test_history_has_the_dice_loss_of_pairs_with_labels(cohort: Cohort, tmp_path: Path) -> None:
    """One pair in three of the training split a, b, c has labels: (a, c) and (c, a) of six."""
    settings = run_of(training={**RUN["training"], "epochs": 2, "steps_per_epoch": 6, "learning_rate": 1e-12})
    train_run(settings, cohort, None, None, tmp_path / "some", CPU)
    alone = Cohort(**{**vars(cohort), "splits": {**SPLITS, "train": ["a", "c"]}})
    labelled = run_of(training={**settings["training"], "steps_per_epoch": 2})
    train_run(labelled, alone, None, None, tmp_path / "labelled", CPU)
    some, all_ = (pd.read_csv(tmp_path / name / "history.csv") for name in ("some", "labelled"))
    np.testing.assert_allclose(some["dice_loss"], all_["dice_loss"], rtol=1e-4)
    parts = some["similarity"] + some["dice_loss"] / 3 + 0.1 * some["smoothness"]
    np.testing.assert_allclose(some["loss"], parts, rtol=1e-4)


def test_without_labelled_validation_pairs_the_last_epoch_is_kept(
    cohort: Cohort, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    train_run(run_of(), cohort, None, None, tmp_path, CPU)
    assert "no validation pair of cohort spots has labels: the checkpoint will be that of the last epoch" in caplog.text
    best, last = (torch.load(tmp_path / name, weights_only=False) for name in ("best.pt", "last.pt"))
    assert best["step"] == last["step"] == 6
    assert all(torch.equal(best["network"][key], last["network"][key]) for key in best["network"])
    timing = json.loads((tmp_path / "timing.json").read_text())
    assert [timing[key] for key in ("best_validation_dice", "last_rise", "converged")] == [None, None, None]
    assert pd.read_csv(tmp_path / "history.csv")["validation_dice"].isna().all()


def test_a_resumed_training_has_the_same_means(cohort: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = run_of(training={**RUN["training"], "epochs": 2, "steps_per_epoch": 6})
    train_run(settings, cohort, None, None, tmp_path / "whole", CPU)
    monkeypatch.setattr("textscf.training.trainer.SAVE_EVERY_SECONDS", 0.0)
    steps = iter(range(100))
    original = VolumeStore.__getitem__

    def die(self: VolumeStore, subject: str) -> Any:
        if next(steps) == 9:
            raise KeyboardInterrupt
        return original(self, subject)

    monkeypatch.setattr(VolumeStore, "__getitem__", die)
    with pytest.raises(KeyboardInterrupt):
        train_run(settings, cohort, None, None, tmp_path / "killed", CPU)
    monkeypatch.setattr(VolumeStore, "__getitem__", original)
    train_run(settings, cohort, None, None, tmp_path / "killed", CPU)
    assert (tmp_path / "killed/history.csv").read_bytes() == (tmp_path / "whole/history.csv").read_bytes()


def test_a_segmentor_learns_from_labelled_scans_only(cohort: Cohort, tmp_path: Path) -> None:
    training = SegmentorTraining(cohort, SEGMENTOR, tmp_path, CPU)
    assert list(training._scans) == ["a", "c"]
    with pytest.raises(InputError, match=r"none of the 3 training scans of cohort spots has labels; expected some"):
        SegmentorTraining(without_labels(cohort, "ac"), SEGMENTOR, tmp_path, CPU)
    with pytest.raises(InputError, match=r"cohort spots: 4 of 8 scans have no labels, the first is b; expected labels"):
        segment_cohort(cohort, {"source": "ground_truth"}, None, cohort.folder / "segmentations/ground_truth", CPU)


@pytest.fixture(scope="module")
def study(results: Path, cohort: Cohort) -> Path:
    """Runs of all kinds on the cohort: a segmentor, LKU-Net and textSCF, trained for a few steps, and their metrics."""
    segmentor = results / "cohorts/spots/segmentations/tiny"
    train_segmentor(cohort, SEGMENTOR, segmentor / "network.pt", CPU)
    segment_cohort(cohort, SEGMENTOR, segmentor / "network.pt", segmentor, CPU)
    segmentation = load_segmentation(segmentor / "segmentation.json", cohort)
    vectors = np.random.default_rng(0).normal(size=(3, 5)).astype(np.float32)
    embedding = Embedding(np.arange(3), ["background", "odd", "even"], [""] * 3, vectors)
    head = {**RUN["network"], "head": {"kind": "scf", "hidden_channels": 8, "blend": "convex"}}
    runs = {
        "lku_net": (run_of(run="lku_net"), None, None),
        "textscf": (run_of(run="textscf", network=head, segmentor="tiny", prompts="x"), segmentation, embedding),
    }
    for name, (settings, masks, texts) in runs.items():
        folder = results / "tests/runs" / name
        write_yaml(folder / "config.yaml", settings)
        train_run(settings, cohort, masks, texts, folder, CPU)
        evaluate_run(name, cohort, Registrar(folder / "checkpoint.pt", cohort, CPU), folder)
    write_yaml(results / "tests/runs/initial/config.yaml", {"run": "initial", "method": "initial", "cohort": "spots"})
    evaluate_run("initial", cohort, None, results / "tests/runs/initial")
    return results


def item_of(**changes: Any) -> Any:
    rows = [{"run": name, "label": name, "runs": [name], "segmentor": "tiny" if name == "textscf" else None}
            for name in ("initial", "lku_net", "textscf")]  # fmt: skip
    spec = {"name": "table3", "study": "tests", "study_title": "Tests", "cohorts": ["Spots"], "notices": [],
            "paper_cohort": False, "caption": "All.", "convention": "paper", "rows": rows}  # fmt: skip
    return make_item({**spec, "reference": "textscf", **changes}, "test")


def test_from_preparation_to_the_table(study: Path, cohort: Cohort, raw: Path) -> None:
    pairs = pd.read_csv(study / "tests/runs/initial/pairs.csv")
    metrics = pd.read_csv(study / "tests/runs/initial/metrics.csv")
    assert len(pairs) == 6
    assert pairs["dice"].notna().tolist() == [tuple(p) in [("f", "g"), ("g", "f")] for p in cohort.pairs["test"]]
    assert set(zip(metrics["fixed"], metrics["moving"], strict=True)) == {("f", "g"), ("g", "f")}
    stored, prepared = np.array(SHAPE), np.round(np.array(SHAPE) * SPACING / 2.3)
    stretch = (prepared - 1) * 2.3 / ((stored - 1) * SPACING)  # corners stay corners, and voxels are 2.3 mm apart
    for (fixed, moving), found in zip(cohort.pairs["test"], pairs["tre_mm"], strict=True):
        points = [pd.read_csv(raw / f"landmarks/{subject}.csv").to_numpy() for subject in (fixed, moving)]
        assert found == pytest.approx(np.linalg.norm((points[0] - points[1]) * stretch, axis=1).mean(), abs=1e-5)
    content = make(item_of(), Results(study, "tests"), Path("unused"))
    table = content.frame.set_index("run")
    assert table["pairs"].tolist() == [6, 6, 6]
    assert table["labelled_pairs"].tolist() == [2, 2, 2]
    assert table["landmark_pairs"].tolist() == [6, 6, 6]
    assert table.loc["initial", "tre_mm"] == pytest.approx(pairs["tre_mm"].mean())
    assert table.loc["initial", "dice_percent"] == pytest.approx(100 * run_means(metrics, "paper")["dice"].iloc[0])
    assert table["tre_mm"].notna().all()
    assert table["converged"].tolist() == [None, None, None]
    headings = [column.heading for column in content.readable.columns]
    assert headings[1:4] == ["Dice (%) ↑", "HD95 (mm) ↓", "TRE (mm) ↓"]
    assert "Means over 6 test pairs" in content.readable.caption
    assert "Dice and HD95: over 2 of these, with labels of both scans." in content.readable.caption
    assert "TRE: mean distance of landmarks, over 6 test pairs that have them." in content.readable.caption
    write_table(content, study / "tests/tables/table3.csv")
    named = make(item_of(metrics=["dice"]), Results(study, "tests"), Path("unused"))
    assert "tre_mm" not in named.frame
    boxes = draw(item_of(name="figure3", kind="dice_boxplot"), Results(study, "tests"))
    assert len(boxes.data) == 3 * 2 * 2


def test_segmentor_accuracy_is_that_of_labelled_scans(study: Path, cohort: Cohort) -> None:
    segmentation = load_segmentation(study / "cohorts/spots/segmentations/tiny/segmentation.json", cohort)
    rows = accuracy(cohort, segmentation, "tiny")
    assert set(rows["subject"]) == set("acfg")
    assert by_split(rows).set_index("split")["scans"].to_dict() == {"train": 2, "test": 2, "all": 4}
    nothing = by_split(accuracy(without_labels(cohort, "acfg"), segmentation, "tiny"))
    assert list(nothing) == ["segmentor", "split", "scans", "dice"]
    assert nothing.empty


def test_test_pairs_without_any_labels(study: Path, cohort: Cohort, tmp_path: Path) -> None:
    bare = without_labels(cohort, "acfg")
    for name in ("lku_net", "textscf"):
        folder = tmp_path / "tests/runs" / name
        folder.mkdir(parents=True)
        for file in ("config.yaml", "timing.json", "history.csv"):
            (folder / file).write_bytes((study / "tests/runs" / name / file).read_bytes())
        checkpoint = study / "tests/runs" / name / "checkpoint.pt"
        evaluate_run(name, bare, Registrar(checkpoint, cohort, CPU), folder)
    write_yaml(tmp_path / "tests/runs/initial/config.yaml", {"run": "initial", "method": "initial", "cohort": "spots"})
    evaluate_run("initial", bare, None, tmp_path / "tests/runs/initial")
    results = Results(tmp_path, "tests")
    content = make(item_of(), results, Path("unused"))
    assert content.frame["dice_percent"].isna().all()
    assert content.frame["tre_mm"].notna().all()
    assert content.tests is not None
    assert content.tests.empty
    assert "No test pair has labels of both scans: Dice and HD95 are not defined." in content.readable.caption
    for kind in ("dice_boxplot", "tradeoff", "forest"):
        drawing = draw(item_of(name="figure3", kind=kind), results)
        assert drawing.sentences == ["No test pair has labels of both scans: there is no Dice to show."]
    curves = draw(item_of(name="curves", kind="training_curves", rows=item_rows("lku_net"), reference=None), results)
    assert curves.sentences[-1] == "No validation pair has labels: there is no validation Dice."
    curves = draw(item_of(name="curves", kind="validation_curves", rows=item_rows("lku_net"), reference=None), results)
    assert curves.sentences[0] == "No validation pair has labels: there is no validation Dice to show."


def item_rows(*names: str) -> list[dict[str, Any]]:
    return [{"run": name, "label": name, "runs": [name]} for name in names]


def write_config(config: Path, root: Path, data_set: dict[str, Any], **cohort: Any) -> dict[str, Any]:
    """A copy of the settings with the cohort, and the content of a study on it."""
    shutil.copytree(root / "config", config)
    described = {"title": "Spots", "licence": "CC0", "citation": "Nobody", "agreement": None}
    write_yaml(config / "data_sets/spots.yaml", {**described, "releases": [data_set]})
    write_yaml(config / "anatomies/spots.yaml", ANATOMY)
    write_yaml(config / "cohorts/spots.yaml", {**COHORT, **cohort})
    study: dict[str, Any] = yaml.safe_load(yaml.safe_dump(STUDY))
    return {**study, "cohorts": {"primary": "spots"}, "experiments": ["table3"]}


def test_a_study_without_labels_says_that_no_segmentor_can_be_trained(tmp_path: Path, root: Path) -> None:
    release = {key: value for key, value in RELEASE.items() if key != "unlabelled"} | {"labels": None}
    study = write_config(tmp_path / "config", root, release, anatomy=None)
    with pytest.raises(InputError, match=r"run 'textscf': the scans of cohort 'spots' have no labels, so that segm"):
        load_study(study, tmp_path / "config")
    study["not_run"]["textscf"] = "no labels"
    loaded = load_study(study, tmp_path / "config")
    assert {"initial", "lku_net"} <= set(loaded.runs)
    assert loaded.cohort("spots")["anatomy"]["structures"] == []
    path = tmp_path / "config/data_sets/spots.yaml"
    write_yaml(path, {**read_yaml(path), "releases": [RELEASE]})
    with pytest.raises(InputError, match=r"spots\.yaml: anatomy is null; expected one, as its scans have label maps"):
        load_study(study, tmp_path / "config")


def test_a_cohort_without_any_labels_is_prepared_and_trained_on(raw: Path, tmp_path: Path) -> None:
    config = {**resolved(labels=None), "anatomy": {"title": "none", "body_part": "body", "structures": []}}
    preprocess_cohort(config, raw, tmp_path / "cohorts/spots", workers=1)
    cohort = Cohort.load(tmp_path / "cohorts/spots")
    assert not (tmp_path / "cohorts/spots/labels").exists()
    write_yaml(tmp_path / "cohorts/spots/config.yaml", config)
    folder = tmp_path / "tests/runs/lku_net"
    train_run(run_of(run="lku_net"), cohort, None, None, folder, CPU)
    assert pd.read_csv(folder / "history.csv")["dice_loss"].isna().all()
    evaluate_run("lku_net", cohort, Registrar(folder / "checkpoint.pt", cohort, CPU), folder)
    pairs = pd.read_csv(folder / "pairs.csv")
    assert pairs["dice"].isna().all()
    assert (pairs["tre_mm"] > 0).all()
    assert pd.read_csv(folder / "metrics.csv").empty
