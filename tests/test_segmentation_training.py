"""Training of a segmentor: it learns, resumes bit-identically after a kill, stops on SIGTERM and on a broken loss."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from tests.cohorts import SHAPE, SPLITS, make_cohort
from textscf.data.cohort import Cohort
from textscf.errors import InputError, TrainingStopped
from textscf.files.io import write_nifti, write_yaml
from textscf.files.state import load_state
from textscf.training import segmentor_training as training
from textscf.training.segmentor_training import SegmentorTraining, train_segmentor

CPU = torch.device("cpu")
SETTINGS: dict[str, Any] = {
    "source": "train",
    "feature_size": 12,
    "depths": [1, 1, 1, 1],
    "attention_window": 2,
    "window": [64, 32, 32],
    "overlap": 0.0,
    "batch_size": 1,
    "steps": 5,
    "validate_every": 2,
    "learning_rate": 2.0e-3,
    "precision": "float32",
    "seed": 1,
}


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    return make_cohort(tmp_path_factory.mktemp("cohort"))


@pytest.fixture(scope="module")
def uninterrupted(cohort: Cohort, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("uninterrupted")
    train_segmentor(cohort, SETTINGS, folder / "network.pt", CPU)
    return folder


def test_history_has_each_validation_and_the_last_step(uninterrupted: Path) -> None:
    history = pd.read_csv(uninterrupted / "history.csv")
    assert history["step"].tolist() == [2, 4, 5]
    assert np.isfinite(history[["loss", "validation_dice"]].to_numpy()).all()


def test_the_best_validation_is_kept(cohort: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scores = iter([0.3, 0.6, 0.5])
    monkeypatch.setattr(training, "dice_scores", lambda counts: np.full(3, next(scores)))
    one_scan = make_cohort(tmp_path / "cohort")
    object.__setattr__(one_scan, "splits", {**SPLITS, "validation": ["s4"]})
    trained = SegmentorTraining(one_scan, SETTINGS, tmp_path, CPU)
    weights, history = trained.fit()
    assert history["validation_dice"].tolist() == [0.3, 0.6, 0.5]
    last = trained._network.state_dict()
    assert any(not torch.equal(last[name], weights[name]) for name in weights)


@pytest.mark.parametrize(("scores", "told"), [([0.3, 0.5, 0.512], True), ([0.3, 0.6, 0.602], False)])
def test_a_segmentor_that_still_learns_is_told(
    cohort: Cohort,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    scores: list[float],
    told: bool,
) -> None:
    history = pd.DataFrame({"step": [2, 4, 5], "loss": 1.0, "validation_dice": scores})
    monkeypatch.setattr(SegmentorTraining, "fit", lambda self: ({}, history))
    train_segmentor(cohort, SETTINGS, tmp_path / "tiny/network.pt", CPU)
    message = "segmentor tiny still learned at its end: validation Dice rose by 1.2 points; more than 5 steps would"
    assert (message in caplog.text) == told


def test_it_learns(cohort: Cohort, tmp_path: Path) -> None:
    settings = {**SETTINGS, "steps": 30, "validate_every": 10}
    train_segmentor(cohort, settings, tmp_path / "network.pt", CPU)
    history = pd.read_csv(tmp_path / "history.csv")
    assert history["loss"].iloc[-1] < 0.85 * history["loss"].iloc[0]
    assert history["validation_dice"].iloc[-1] > history["validation_dice"].iloc[0] + 0.03


class _Killed(Exception):
    pass


@pytest.mark.parametrize(("seconds", "saved"), [(120.0, 2), (-1.0, 3)])
def test_killed_training_ends_as_if_uninterrupted(
    cohort: Cohort, uninterrupted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: float, saved: int
) -> None:
    """It saves at each validation, the second step, and on time."""

    def train_step(self: SegmentorTraining, rate: float) -> None:
        if self._step == 3:
            raise _Killed
        original(self, rate)

    original = SegmentorTraining._train_step
    with monkeypatch.context() as patch:
        patch.setattr(SegmentorTraining, "_train_step", train_step)
        patch.setattr(training, "SAVE_EVERY_SECONDS", seconds)
        with pytest.raises(_Killed):
            train_segmentor(cohort, SETTINGS, tmp_path / "network.pt", CPU)
    assert load_state(tmp_path / "training.pt")["step"] == saved
    assert not (tmp_path / "network.pt").exists()
    train_segmentor(cohort, SETTINGS, tmp_path / "network.pt", CPU)
    for name in ("network.pt", "history.csv"):
        assert (tmp_path / name).read_bytes() == (uninterrupted / name).read_bytes()


def test_stop_signal_saves_between_validations(
    cohort: Cohort, uninterrupted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def train_step(self: SegmentorTraining, rate: float) -> None:
        original(self, rate)
        if self._step == 3:
            os.kill(os.getpid(), signal.SIGTERM)

    original = SegmentorTraining._train_step
    with monkeypatch.context() as patch:
        patch.setattr(SegmentorTraining, "_train_step", train_step)
        with pytest.raises(TrainingStopped, match="stopped at step 3 of 5"):
            train_segmentor(cohort, SETTINGS, tmp_path / "network.pt", CPU)
    assert load_state(tmp_path / "training.pt")["step"] == 3
    train_segmentor(cohort, SETTINGS, tmp_path / "network.pt", CPU)
    assert (tmp_path / "network.pt").read_bytes() == (uninterrupted / "network.pt").read_bytes()


def test_state_of_other_settings_is_not_used(cohort: Cohort, uninterrupted: Path, tmp_path: Path) -> None:
    (tmp_path / "training.pt").write_bytes((uninterrupted / "training.pt").read_bytes())
    train_segmentor(cohort, {**SETTINGS, "steps": 1}, tmp_path / "network.pt", CPU)
    assert pd.read_csv(tmp_path / "history.csv")["step"].tolist() == [1]


def test_non_finite_loss_names_the_scan(cohort: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Cohort, "load_image", lambda self, subject: np.full(SHAPE, np.nan, np.float32))
    with pytest.raises(InputError, match=r"loss is nan at step 0 \(scans s[123]\)"):
        train_segmentor(cohort, SETTINGS, tmp_path / "network.pt", CPU)
    assert not (tmp_path / "network.pt").exists()


def test_only_the_training_split_is_learned_from(cohort: Cohort, tmp_path: Path) -> None:
    trained = SegmentorTraining(cohort, {**SETTINGS, "batch_size": 2}, tmp_path, CPU)
    seen = set()
    for trained._step in range(30):
        seen |= set(trained._batch()[0])
    assert seen == set(SPLITS["train"])


def test_windows_are_never_mirrored_and_image_and_labels_stay_together(tmp_path: Path) -> None:
    """The image is the label map itself, which has no mirror symmetry along any axis."""
    ramp = make_cohort(tmp_path)
    labels = np.zeros(SHAPE, np.uint8)
    labels[4:16, 5:9, 3:7], labels[4:8, 5:19, 3:13] = 1, 2
    for subject in SPLITS["train"]:
        write_nifti(ramp.label_path(subject), labels, ramp.affine)
        write_nifti(ramp.image_path(subject), (labels / 2).astype(np.float32), ramp.affine)
    trained = SegmentorTraining(ramp, {**SETTINGS, "batch_size": 2}, tmp_path / "s", CPU)
    for trained._step in range(10):
        batch = trained._batch()[1]
        for image, regions in zip(batch["image"], batch["labels"], strict=True):
            one, two = (torch.nonzero(regions[0] == k).double().mean(0) for k in (1, 2))
            assert one[0] > two[0]
            assert one[1] < two[1]
            assert one[2] < two[2]
            assert np.corrcoef(image.flatten(), regions.flatten())[0, 1] > 0.7


def test_a_bad_window_stops_before_anything_is_read(cohort: Cohort, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"window is \[32, 32, 32\]"):
        train_segmentor(cohort, {**SETTINGS, "window": [32, 32, 32]}, tmp_path / "network.pt", CPU)


def test_script_stops_with_a_code_of_its_own_and_goes_on(cohort: Cohort, root: Path, tmp_path: Path) -> None:
    write_yaml(tmp_path / "config.yaml", {**SETTINGS, "steps": 200, "validate_every": 100})
    command = [sys.executable, str(root / "src/train_segmentor.py"), "--config", str(tmp_path / "config.yaml")]
    command += ["--cohort", str(cohort.folder), "--out", str(tmp_path / "network.pt"), "--device", "cpu"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        seen = ""
        while "training segmentor" not in seen:
            seen += process.stderr.read(1)
        process.send_signal(signal.SIGTERM)
        rest = process.communicate(timeout=60)[1]
    assert process.returncode == 75, rest
    assert "state saved" in rest
    assert load_state(tmp_path / "training.pt")["step"] < 200
    assert not (tmp_path / "network.pt").exists()
