"""The segmentor: training that resumes, inference on any size, pretrained weights, accuracy."""

import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from tests.cohorts import SHAPE, SPLITS, make_cohort
from textscf.checkpoint import load_state, save_state
from textscf.data.cohort import Cohort
from textscf.errors import InputError
from textscf.io import read_json, write_json
from textscf.segmentation import load_segmentation
from textscf.segmentation import training as training_module
from textscf.segmentation.accuracy import accuracy, by_split
from textscf.segmentation.inference import segment_cohort
from textscf.segmentation.network import build_segmentor, check_window, load_segmentor, probabilities
from textscf.segmentation.training import SegmentorTraining, train_segmentor
from textscf.training.trainer import TrainingStopped

CPU = torch.device("cpu")
SETTINGS: dict[str, Any] = {
    "source": "train",
    "feature_size": 12,
    "depths": [1, 1, 1, 1],
    "attention_window": 4,
    "window": [32, 32, 64],
    "overlap": 0.25,
    "batch_size": 1,
    "steps": 3,
    "validate_every": 2,
    "learning_rate": 1e-3,
    "precision": "float32",
    "seed": 0,
}


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    return make_cohort(tmp_path_factory.mktemp("cohort"))


@pytest.fixture(scope="module")
def trained(cohort: Cohort) -> Path:
    folder = cohort.folder / "segmentations" / "tiny"
    train_segmentor(cohort, SETTINGS, folder / "network.pt", CPU)
    return folder


def test_training_writes_the_best_network_and_its_history(trained: Path) -> None:
    history = pd.read_csv(trained / "history.csv")
    assert history["step"].tolist() == [2, 3]
    best = history["validation_dice"].max()
    state = load_state(trained / "training.pt")
    assert state["best"]["dice"] == pytest.approx(best, abs=1e-12)
    exported = load_state(trained / "network.pt")["network"]
    assert all(torch.equal(exported[key], state["best"]["network"][key]) for key in exported)


def test_only_the_training_split_is_learned_from(cohort: Cohort, tmp_path: Path) -> None:
    training = SegmentorTraining(cohort, SETTINGS, tmp_path, CPU)
    drawn = set()
    for training._step in range(30):
        drawn |= set(training._batch()[0])
    assert drawn == set(SPLITS["train"])


def test_a_training_killed_after_a_save_ends_as_if_never_interrupted(
    cohort: Cohort, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def save_then_die(path: Path, state: dict[str, Any]) -> None:
        save_state(path, state)
        raise KeyboardInterrupt

    monkeypatch.setattr(training_module, "save_state", save_then_die)
    with pytest.raises(KeyboardInterrupt):
        train_segmentor(cohort, SETTINGS, tmp_path / "network.pt", CPU)
    monkeypatch.undo()
    train_segmentor(cohort, SETTINGS, tmp_path / "network.pt", CPU)
    resumed, straight = (load_state(folder / "network.pt")["network"] for folder in (tmp_path, trained))
    assert all(torch.equal(resumed[key], straight[key]) for key in straight)
    assert (tmp_path / "history.csv").read_bytes() == (trained / "history.csv").read_bytes()


def test_sigterm_saves_the_state(cohort: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    step = SegmentorTraining._train_step

    def step_with_signal(self: SegmentorTraining, rate: float) -> None:
        step(self, rate)
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(SegmentorTraining, "_train_step", step_with_signal)
    with pytest.raises(TrainingStopped, match="stopped at step 1 of 3"):
        train_segmentor(cohort, SETTINGS, tmp_path / "network.pt", CPU)
    assert load_state(tmp_path / "training.pt")["step"] == 1


def test_other_settings_start_anew(cohort: Cohort, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    for rate in (1e-3, 2e-3):
        train_segmentor(cohort, {**SETTINGS, "steps": 1, "learning_rate": rate}, tmp_path / "network.pt", CPU)
    assert "belongs to other settings or data" in caplog.text


def test_a_loss_that_is_not_finite_names_the_scans(
    cohort: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load = Cohort.load_image
    monkeypatch.setattr(Cohort, "load_image", lambda self, subject: load(self, subject) * np.float32(np.nan))
    with pytest.raises(InputError, match=r"loss is nan at step 0 \(scans s\d\)"):
        train_segmentor(cohort, SETTINGS, tmp_path / "network.pt", CPU)


def test_probabilities_of_a_volume_smaller_than_the_window_sum_to_one() -> None:
    network = build_segmentor(SETTINGS, 3).eval()
    result = probabilities(network, np.random.default_rng(0).random(SHAPE, dtype=np.float32), SETTINGS, CPU)
    assert result.shape == (3, *SHAPE)
    torch.testing.assert_close(result.sum(0), torch.ones(SHAPE), atol=1e-5, rtol=0)


def test_a_cohort_is_segmented_and_read_back(cohort: Cohort, trained: Path) -> None:
    segment_cohort(cohort, SETTINGS, trained / "network.pt", trained, CPU)
    segmentation = load_segmentation(trained / "segmentation.json", cohort)
    network = load_segmentor(trained / "network.pt", SETTINGS, 3, CPU)
    confidence, labels = probabilities(network, cohort.load_image("s6"), SETTINGS, CPU).max(0)
    np.testing.assert_array_equal(segmentation.labels("s6"), labels.numpy())
    np.testing.assert_allclose(segmentation.confidence("s6"), confidence.numpy(), atol=0.5 / 255 + 1e-6)
    files = read_json(trained / "segmentation.json")["files"]
    assert len(files) == 2 * 8
    assert segmentation.fingerprint() == load_segmentation(trained / "segmentation.json", cohort).fingerprint()


def test_ground_truth_is_the_cohorts_own_labels_with_certainty(cohort: Cohort) -> None:
    folder = cohort.folder / "segmentations" / "ground_truth"
    segment_cohort(cohort, {"source": "ground_truth"}, None, folder, CPU)
    segmentation = load_segmentation(folder / "segmentation.json", cohort)
    np.testing.assert_array_equal(segmentation.labels("s1"), cohort.load_labels("s1"))
    assert (segmentation.confidence("s1") == 1).all()
    frame = accuracy(cohort, segmentation, "ground_truth")
    assert (frame["dice"] == 1).all()
    assert by_split(frame)["dice"].tolist() == [1, 1, 1, 1]


def test_accuracy_per_split_leaves_absent_structures_out(cohort: Cohort) -> None:
    class Shifted:
        def labels(self, subject: str) -> np.ndarray:
            labels = cohort.load_labels(subject)
            return np.where(labels == 2, 0, labels) if subject == "s8" else labels

    frame = accuracy(cohort, Shifted(), "shifted")  # type: ignore[arg-type]
    assert len(frame) == 8 * 2
    summary = by_split(frame).set_index("split")
    assert summary["scans"].to_dict() == {"train": 3, "validation": 2, "test": 3, "all": 8}
    assert summary.loc["test", "dice"] == pytest.approx((1 + 1 + 0.5) / 3)
    assert summary.loc["all", "dice"] == pytest.approx(7.5 / 8)


def test_a_segmentation_of_another_cohort_is_refused(cohort: Cohort, tmp_path: Path) -> None:
    write_json(tmp_path / "segmentation.json", {"cohort": "other", "labels": "labels", "confidence": None})
    with pytest.raises(InputError, match="is a segmentation of cohort other; expected blobs"):
        load_segmentation(tmp_path / "segmentation.json", cohort)


def test_published_weights_load_under_their_own_key(tmp_path: Path) -> None:
    network = build_segmentor(SETTINGS, 3)
    torch.save({"state_dict": network.state_dict()}, tmp_path / "weights.pt")
    loaded = load_segmentor(tmp_path / "weights.pt", SETTINGS, 3, CPU)
    assert not loaded.training
    assert all(torch.equal(a, b) for a, b in zip(loaded.parameters(), network.parameters(), strict=True))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such file; expected weights of a SwinUNETR with feature size 12"),
        ({"weights": {}}, "holds neither 'network' nor 'state_dict'"),
        ({"network": {"extra": torch.zeros(1)}}, r"missing, such as .*; 1 unexpected, such as extra"),
        ({"network": build_segmentor(SETTINGS, 4).state_dict()}, "2 of another shape, such as out"),
    ],
)
def test_weights_that_do_not_fit_are_reported(tmp_path: Path, content: Any, message: str) -> None:
    path = tmp_path / "weights.pt"
    if content is not None:
        torch.save(content, path)
    with pytest.raises(InputError, match=message):
        load_segmentor(path, SETTINGS, 3, CPU)


@pytest.mark.parametrize("window", [[32, 32, 32], [48, 64, 64], [0, 64, 64]])
def test_windows_that_the_network_cannot_take(window: list[int]) -> None:
    with pytest.raises(InputError, match=r"segmentor x: window is .*; expected multiples of 32"):
        check_window(window, "segmentor x")


def test_windows_that_it_can_take() -> None:
    check_window([32, 32, 64], "x")
