"""Training with an auxiliary cohort: its labels and regions, what the head learns of them, and what stays primary."""

import dataclasses
import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

from tests.cohorts import LUNG, SPLITS, make_cohort
from tests.test_training import RUN, assert_same_result
from textscf.data.cohort import Cohort
from textscf.errors import InputError
from textscf.files.image_file import read_image_file, read_label_file
from textscf.files.io import write_yaml
from textscf.files.state import load_state, save_state
from textscf.models import RegistrationNetwork, build_network
from textscf.models.heads import SCFHead
from textscf.prompts import Embedding
from textscf.prompts.embedding import save_embedding
from textscf.registration.evaluation import evaluate_run
from textscf.registration.inference import Registrar
from textscf.registration.scan_pair import ScanRegistrar
from textscf.registration.trained_run import load_checkpoint
from textscf.registration.volumes import Scan, VolumeStore
from textscf.segmentation import Segmentation, load_segmentation
from textscf.segmentation.segment_cohort import segment_cohort
from textscf.training import trainer as trainer_module
from textscf.training.auxiliary import open_volumes
from textscf.training.objective import Objective
from textscf.training.run import fingerprint, train_run

CPU = torch.device("cpu")
HEAD = {"kind": "scf", "hidden_channels": 8, "blend": "convex"}


def run_of(encode: bool | None) -> dict[str, Any]:
    """A text-driven run of 2 epochs of 4 steps, without an auxiliary cohort for None."""
    network = {**RUN["network"], "head": HEAD}
    training = {**RUN["training"], "epochs": 2, "learning_rate": 1e-2}
    run = {**RUN, "network": network, "segmentor": "ground_truth", "prompts": "random", "training": training}
    return run if encode is None else {**run, "auxiliary": {"cohort": "lung_ct", "encode": encode}}


def embedding_of(n_regions: int) -> Embedding:
    vectors = np.random.default_rng(0).normal(size=(n_regions, 5)).astype(np.float32)
    return Embedding(np.arange(n_regions), [f"region {n}" for n in range(n_regions)], [""] * n_regions, vectors)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results folder with a primary cohort of 2 structures, its segmentation, and a cohort of lungs."""
    folder = tmp_path_factory.mktemp("results")
    cohort = make_cohort(folder / "cohorts/blobs")
    make_cohort(folder / "cohorts/lung_ct", "lung_ct", LUNG, first_seed=50)
    segment_cohort(cohort, {"source": "ground_truth"}, None, cohort.folder / "segmentations/ground_truth", CPU)
    return folder


@pytest.fixture(scope="module")
def cohort(results: Path) -> Cohort:
    return Cohort.load(results / "cohorts/blobs")


@pytest.fixture(scope="module")
def lung(results: Path) -> Cohort:
    return Cohort.load(results / "cohorts/lung_ct")


@pytest.fixture(scope="module")
def segmentation(cohort: Cohort) -> Segmentation:
    return load_segmentation(cohort.folder / "segmentations/ground_truth/segmentation.json", cohort)


@pytest.fixture(scope="module")
def volumes(cohort: Cohort, lung: Cohort, segmentation: Segmentation) -> Callable[[bool], VolumeStore]:
    return lambda encode: open_volumes(run_of(encode), cohort, segmentation, lung, CPU)


@pytest.fixture(scope="module")
def trained(results: Path, cohort: Cohort, lung: Cohort, segmentation: Segmentation) -> dict[bool, Path]:
    """Folders of a run trained with and without encoding."""
    folders = {encode: results / f"tests/runs/encode_{encode}" for encode in (False, True)}
    for encode, folder in folders.items():
        train_run(run_of(encode), cohort, segmentation, embedding_of(4 if encode else 3), folder, CPU, lung)
    return folders


def same(one: Scan, other: Scan) -> bool:
    parts = [(getattr(one, field.name), getattr(other, field.name)) for field in dataclasses.fields(Scan)]
    return all(torch.equal(a, b) for a, b in parts)


@pytest.mark.parametrize("encode", [False, True])
def test_auxiliary_labels_follow_the_primary_ones_and_are_regions_where_encoded(
    volumes: Callable[[bool], VolumeStore], lung: Cohort, encode: bool
) -> None:
    store = volumes(encode)
    assert store.auxiliary_subjects == ["lung_ct/s1", "lung_ct/s2", "lung_ct/s3"]
    assert (store.n_labels, store.n_regions) == (4, 4 if encode else 3)
    scan, mask = store["lung_ct/s2"], lung.load_labels("s2") == 1
    assert mask.any()
    np.testing.assert_array_equal(scan.image[0, 0], lung.load_image("s2"))
    np.testing.assert_array_equal(scan.labels[0, 0], np.where(mask, 3, 0))
    assert scan.regions is not None
    assert scan.confidence is not None
    np.testing.assert_array_equal(scan.regions[0, 0], np.where(mask, 3, 0) if encode else 0)
    assert scan.confidence.shape == scan.image.shape
    assert (scan.confidence == 1).all()


def test_primary_scans_are_what_they_are_without_an_auxiliary_cohort(
    volumes: Callable[[bool], VolumeStore], cohort: Cohort, segmentation: Segmentation
) -> None:
    alone = open_volumes(run_of(None), cohort, segmentation, None, CPU)
    assert (alone.n_labels, alone.n_regions, alone.auxiliary_subjects) == (3, 3, [])
    for encode in (False, True):
        assert same(volumes(encode)["s2"], alone["s2"])


def test_without_a_text_driven_head_there_are_labels_and_no_regions(cohort: Cohort, lung: Cohort) -> None:
    scan = open_volumes(run_of(False), cohort, None, lung, CPU)["lung_ct/s1"]
    assert scan.labels.max() == 3
    assert (scan.regions, scan.confidence) == (None, None)


def test_more_labels_than_a_byte_holds(cohort: Cohort, lung: Cohort, segmentation: Segmentation) -> None:
    many = dataclasses.replace(cohort, anatomy={"structures": [{"label": n} for n in range(1, 256)]})
    scan = open_volumes(run_of(True), many, segmentation, lung, CPU)["lung_ct/s1"]
    assert scan.labels.unique().tolist() == [0, 256]


def test_labels_that_a_pair_has_not_add_a_constant(volumes: Callable[[bool], VolumeStore]) -> None:
    store, loss = (
        volumes(False),
        {"similarity": "mse", "dice": 1.0, "smoothness": 0.1, "regularise": "displacement", "padding": "zeros"},
    )
    network = build_network(RUN["network"])
    alone, joint = (Objective(loss, n)(network, store["s1"], store["s2"])[2].item() for n in (3, 4))
    assert 1 - joint == pytest.approx((1 - alone) * 3 / 4, rel=1e-5)


def filter_gradients(network: RegistrationNetwork, fixed: Scan, moving: Scan, n_labels: int) -> Tensor:
    """Magnitude of the loss's gradient with respect to each region's filter."""
    head = network.heads[0]
    assert isinstance(head, SCFHead)
    filters = head.region_filters().detach().requires_grad_()
    head.region_filters = lambda: filters  # type: ignore[method-assign]
    Objective(RUN["loss"], n_labels)(network, fixed, moving)[0].backward()
    assert filters.grad is not None
    return filters.grad.abs().sum((1, 2))


def test_a_lungs_filter_learns_from_lung_pairs_and_only_where_encoded(volumes: Callable[[bool], VolumeStore]) -> None:
    found = {}
    for encode in (False, True):
        store = volumes(encode)
        for pair in (("s1", "s2"), ("lung_ct/s1", "lung_ct/s2")):
            torch.manual_seed(0)
            vectors = torch.from_numpy(embedding_of(store.n_regions).vectors)
            network = build_network(run_of(encode)["network"], vectors)
            gradients = filter_gradients(network, *(store[subject] for subject in pair), store.n_labels)
            found[encode, pair[0]] = (gradients > 0).tolist()
    assert found == {
        (False, "s1"): [True, True, True],
        (False, "lung_ct/s1"): [True, False, False],
        (True, "s1"): [True, True, True, False],
        (True, "lung_ct/s1"): [True, False, False, True],
    }


def test_an_epoch_of_all_pairs_sees_both_cohorts(
    tmp_path: Path, cohort: Cohort, lung: Cohort, segmentation: Segmentation
) -> None:
    run = run_of(True)
    run["training"] = {**run["training"], "epochs": 1, "steps_per_epoch": None}
    train_run(run, cohort, segmentation, embedding_of(4), tmp_path, CPU, lung)
    assert pd.read_csv(tmp_path / "history.csv")["step"].tolist() == [3 * 2 + 3 * 2]


def test_only_the_training_split_of_the_auxiliary_cohort_is_read_and_validation_is_primary(
    tmp_path: Path, cohort: Cohort, lung: Cohort, segmentation: Segmentation, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, validated = set(), []
    load = Cohort.load_image

    def watched(self: Cohort, subject: str) -> np.ndarray:
        read.add((self.name, subject))
        return load(self, subject)

    def score(network: RegistrationNetwork, pairs: list[tuple[str, str]], n_regions: int, **_: Any) -> float:
        validated.append((pairs, n_regions))
        return 0.5

    monkeypatch.setattr(Cohort, "load_image", watched)
    monkeypatch.setattr("textscf.training.run.mean_dice", score)
    train_run(run_of(True), cohort, segmentation, embedding_of(4), tmp_path, CPU, lung)
    assert {subject for name, subject in read if name == "lung_ct"} == set(SPLITS["train"])
    assert {subject for name, subject in read if name == "blobs"} == {*SPLITS["train"], *SPLITS["validation"]}
    assert validated == [(cohort.pairs["validation"], 3)] * 2


def test_the_lungs_scans_change_what_is_learnt_and_their_encoding_does_again(
    trained: dict[bool, Path], tmp_path: Path, cohort: Cohort, segmentation: Segmentation
) -> None:
    train_run(run_of(None), cohort, segmentation, embedding_of(3), tmp_path, CPU)
    folders = [tmp_path, trained[False], trained[True]]
    losses = [tuple(pd.read_csv(folder / "history.csv")["loss"]) for folder in folders]
    assert len(set(losses)) == 3


@pytest.mark.parametrize("encode", [False, True])
def test_a_trained_run_is_used_on_the_primary_cohort(
    trained: dict[bool, Path], cohort: Cohort, tmp_path: Path, encode: bool
) -> None:
    checkpoint = trained[encode] / "checkpoint.pt"
    assert load_state(checkpoint)["network"]["heads.0.stored"].shape == (4 if encode else 3, 3, 4)
    registrar = Registrar(checkpoint, cohort, CPU)
    evaluate_run("joint", cohort, registrar, tmp_path)
    metrics = pd.read_csv(tmp_path / "metrics.csv")
    assert (sorted(metrics["label"].unique()), len(metrics)) == ([1, 2], 2 * len(cohort.pairs["test"]))
    fixed, moving = (read_image_file(cohort.image_path(subject)) for subject in ("s6", "s7"))
    labels = read_label_file(cohort.label_path("s6"))
    field = ScanRegistrar(checkpoint, CPU).register(fixed, moving, "none", labels).transform.field
    np.testing.assert_allclose(field, registrar.displacement("s6", "s7")[0], atol=1e-5)


def test_a_checkpoint_with_fewer_filters_than_the_cohort_has_regions_is_refused(
    trained: dict[bool, Path], tmp_path: Path
) -> None:
    state = load_state(trained[True] / "checkpoint.pt")
    state["network"]["heads.0.stored"] = state["network"]["heads.0.stored"][:2]
    save_state(tmp_path / "checkpoint.pt", state)
    with pytest.raises(InputError, match="weights do not fit the network"):
        load_checkpoint(tmp_path / "checkpoint.pt", CPU)


def test_a_killed_training_ends_as_if_never_interrupted(
    trained: dict[bool, Path],
    cohort: Cohort,
    lung: Cohort,
    segmentation: Segmentation,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(trainer_module, "SAVE_EVERY_SECONDS", -1.0)
    save = trainer_module.Trainer._save

    def save_and_die(self: trainer_module.Trainer) -> None:
        save(self)
        raise KeyboardInterrupt

    monkeypatch.setattr(trainer_module.Trainer, "_save", save_and_die)
    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            train_run(run_of(True), cohort, segmentation, embedding_of(4), tmp_path, CPU, lung)
    monkeypatch.undo()
    train_run(run_of(True), cohort, segmentation, embedding_of(4), tmp_path, CPU, lung)
    assert_same_result(tmp_path, trained[True])


def test_the_script_takes_the_folder_of_the_auxiliary_cohort(
    trained: dict[bool, Path], cohort: Cohort, lung: Cohort, tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_yaml(tmp_path / "config.yaml", run_of(True))
    save_embedding(tmp_path / "embedding.npz", embedding_of(4), {})
    options = {"config": tmp_path / "config.yaml", "cohort": cohort.folder, "auxiliary": lung.folder, "out": tmp_path}
    options |= {"segmentation": cohort.folder / "segmentations/ground_truth/segmentation.json"}
    options |= {"embedding": tmp_path / "embedding.npz", "device": "cpu"}
    arguments = [text for key, value in options.items() for text in (f"--{key}", str(value))]
    monkeypatch.setattr(sys, "argv", ["train.py", *arguments])
    monkeypatch.setattr("textscf.job.cli.setup_logging", lambda log_file: None)
    with pytest.raises(SystemExit) as stopped:
        runpy.run_path(str(root / "src/train.py"), run_name="__main__")
    assert not stopped.value.code
    assert_same_result(tmp_path, trained[True])


def test_the_auxiliary_cohorts_files_are_in_the_fingerprint(
    cohort: Cohort, lung: Cohort, segmentation: Segmentation
) -> None:
    alone = fingerprint(run_of(True), cohort, segmentation, None)
    assert len({alone, *(fingerprint(run_of(True), cohort, segmentation, None, c) for c in (cohort, lung))}) == 3


AFFINE = np.diag([-2.0, 2.0, 2.0, 1.0])


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"shape": (20, 24, 32)}, "20x24x32 voxels of 2x2x2 mm, axes RAS"),
        ({"spacing": (2.0, 2.0, 1.5)}, "20x24x16 voxels of 2x2x1.5 mm, axes RAS"),
        ({"affine": AFFINE}, "20x24x16 voxels of 2x2x2 mm, axes LAS"),
    ],
)
def test_a_cohort_on_another_grid_is_refused(cohort: Cohort, lung: Cohort, changes: dict[str, Any], found: str) -> None:
    other = dataclasses.replace(lung, **changes)
    with pytest.raises(InputError, match=r"lung_ct/cohort\.json: grid of") as error:
        open_volumes(run_of(True), cohort, None, other, CPU)
    assert str(error.value).endswith(
        f"grid of {found}; expected 20x24x16 voxels of 2x2x2 mm, axes RAS, as cohort blobs has"
    )


def test_another_auxiliary_cohort_than_the_runs_is_refused(cohort: Cohort, lung: Cohort) -> None:
    for encode, given, message in (
        (True, None, "found none; expected lung_ct"),
        (True, cohort, "found blobs; expected lung_ct"),
        (None, lung, "found lung_ct; expected none"),
    ):
        with pytest.raises(InputError, match=f"run small: auxiliary cohort: {message}"):
            open_volumes(run_of(encode), cohort, None, given, CPU)


@pytest.mark.parametrize(("encode", "given", "expected"), [(True, 3, 4), (False, 4, 3)])
def test_an_embedding_without_or_with_the_auxiliary_regions_is_refused(
    cohort: Cohort, lung: Cohort, tmp_path: Path, encode: bool, given: int, expected: int
) -> None:
    with pytest.raises(InputError, match=f"the embedding has {given} regions; expected {expected}"):
        train_run(run_of(encode), cohort, None, embedding_of(given), tmp_path, CPU, lung)
