"""The trainer: it learns, resumes bit-identically after a kill, stops on SIGTERM and on a broken loss."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from tests.cohorts import make_cohort
from tests.python_server import python
from textscf.data.cohort import Cohort
from textscf.errors import InputError
from textscf.files.io import read_json, write_json, write_nifti, write_yaml
from textscf.files.state import load_state, save_state
from textscf.losses.similarities import mse
from textscf.registration.trained_run import load_checkpoint
from textscf.training import trainer as trainer_module
from textscf.training.pairs import PairSchedule
from textscf.training.run import train_run
from textscf.training.schedule import Stage, learning_rate, polynomial, training_stages

CPU = torch.device("cpu")
RUN: dict[str, Any] = {
    "run": "small",
    "seed": 3,
    "study": "tests",
    "method": "learned",
    "cohort": "blobs",
    "network": {
        "backbone": {"name": "voxelmorph", "encoder": [4, 8], "decoder": [8, 4, 4]},
        "head": None,
        "integration_steps": 0,
    },
    "segmentor": None,
    "prompts": None,
    "loss": {"similarity": "mse", "dice": 1.0, "smoothness": 0.1, "regularise": "displacement", "padding": "zeros"},
    "training": {
        "epochs": 3,
        "steps_per_epoch": 4,
        "learning_rate": 1e-3,
        "decay": "step",
        "decay_power": 0.9,
        "optimizer": "adam",
        "clip_gradient": 1.0,
        "precision": "float32",
        "layout": None,
        "compiled": False,
        "stages": None,
    },
}


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    return make_cohort(tmp_path_factory.mktemp("cohort"))


def run_with(**training: Any) -> dict[str, Any]:
    return {**RUN, "training": {**RUN["training"], **training}}


@pytest.fixture(scope="module")
def uninterrupted(cohort: Cohort, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("uninterrupted")
    train_run(RUN, cohort, None, None, folder, CPU)
    return folder


def assert_same_result(folder: Path, expected: Path) -> None:
    for name in ("checkpoint.pt", "best.pt"):
        states = [load_state(f / name)["network"] for f in (folder, expected)]
        assert states[0].keys() == states[1].keys()
        assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
    assert (folder / "history.csv").read_bytes() == (expected / "history.csv").read_bytes()


def test_outputs_of_a_training(uninterrupted: Path) -> None:
    history = pd.read_csv(uninterrupted / "history.csv")
    assert history["epoch"].tolist() == [1, 2, 3]
    assert history["step"].tolist() == [4, 8, 12]
    np.testing.assert_allclose(
        history["loss"], history["similarity"] + history["dice_loss"] + 0.1 * history["smoothness"], rtol=1e-5
    )
    timing = json.loads((uninterrupted / "timing.json").read_text())
    assert timing["steps"] == 12
    assert timing["best_validation_dice"] == pytest.approx(history["validation_dice"].max(), abs=1e-12)
    assert timing["last_rise"] == pytest.approx(history["validation_dice"].diff().iloc[-1], abs=1e-8)
    assert timing["converged"] == (timing["last_rise"] < 0.003)
    assert timing["restarts"] == []
    environment = json.loads((uninterrupted / "environment.json").read_text())
    assert environment["packages"]["torch"] == torch.__version__.split("+")[0]
    assert environment["precision"] == "float32"
    assert list((uninterrupted / "tensorboard").glob("events*"))
    assert load_checkpoint(uninterrupted / "checkpoint.pt", CPU).run == RUN


def test_the_rule_for_done_looks_at_the_last_stage_alone(
    cohort: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = iter([0.3, 0.3, 0.4, 0.5])
    monkeypatch.setattr("textscf.training.run.mean_dice", lambda network, **_: next(scores))
    train_run(STAGED, cohort, None, None, tmp_path, CPU)
    timing = json.loads((tmp_path / "timing.json").read_text())
    assert (timing["last_rise"], timing["converged"]) == (pytest.approx(0.1), False)


def test_it_learns_to_register(cohort: Cohort, tmp_path: Path) -> None:
    train_run(run_with(epochs=5, steps_per_epoch=30, learning_rate=4e-3), cohort, None, None, tmp_path, CPU)
    dice = pd.read_csv(tmp_path / "history.csv")["validation_dice"]
    assert dice.max() > dice.iloc[0] + 0.05


def test_bfloat16_follows_float32(cohort: Cohort, uninterrupted: Path, tmp_path: Path, caplog: Any) -> None:
    train_run(run_with(precision="bfloat16"), cohort, None, None, tmp_path, CPU)
    losses, expected = (pd.read_csv(folder / "history.csv")["loss"] for folder in (tmp_path, uninterrupted))
    np.testing.assert_allclose(losses, expected, rtol=0.02)
    if "computing in float32" in caplog.text:
        np.testing.assert_allclose(losses, expected, rtol=1e-3)
    else:
        assert not np.array_equal(losses, expected)


def test_the_best_epoch_is_exported(cohort: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scores = iter([0.2, 0.9, 0.6])
    monkeypatch.setattr("textscf.training.run.mean_dice", lambda network, **_: next(scores))
    train_run(RUN, cohort, None, None, tmp_path, CPU)
    best, last = (load_state(tmp_path / name) for name in ("best.pt", "last.pt"))
    assert (best["step"], last["step"]) == (8, 12)
    exported = load_state(tmp_path / "checkpoint.pt")["network"]
    assert all(torch.equal(exported[key], best["network"][key]) for key in exported)


class _KilledError(Exception):
    pass


@pytest.mark.parametrize("moment", [1, 2, 3, 4, 5, 7])
def test_a_training_killed_at_any_save_ends_as_if_never_interrupted(
    cohort: Cohort, uninterrupted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: int
) -> None:
    """Mid-epoch saves at every step; the process dies after the `moment`-th, between best.pt and last.pt included."""
    monkeypatch.setattr(trainer_module, "SAVE_EVERY_SECONDS", -1.0)
    save, calls = trainer_module.save_state, iter(range(1, 1000))

    def save_then_die(path: Path, state: dict[str, Any]) -> None:
        save(path, state)
        if next(calls) == moment:
            raise _KilledError

    monkeypatch.setattr(trainer_module, "save_state", save_then_die)
    with pytest.raises(_KilledError):
        train_run(RUN, cohort, None, None, tmp_path, CPU)
    monkeypatch.undo()
    train_run(RUN, cohort, None, None, tmp_path, CPU)
    assert_same_result(tmp_path, uninterrupted)


def test_a_training_that_draws_at_random_draws_the_same_after_a_stop(
    cohort: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A random weight of the similarity stands for blocks that a network leaves out at random."""
    plain = mse.dissimilarity
    monkeypatch.setattr(mse, "dissimilarity", lambda *images: plain(*images) * torch.rand(()))
    train_run(RUN, cohort, None, None, tmp_path / "whole", CPU)
    save, calls = trainer_module.save_state, iter(range(1, 1000))

    def save_then_die(path: Path, state: dict[str, Any]) -> None:
        save(path, state)
        if next(calls) == 2:
            raise _KilledError

    with monkeypatch.context() as killed:
        killed.setattr(trainer_module, "save_state", save_then_die)
        with pytest.raises(_KilledError):
            train_run(RUN, cohort, None, None, tmp_path / "stopped", CPU)
    torch.manual_seed(99)
    train_run(RUN, cohort, None, None, tmp_path / "stopped", CPU)
    assert_same_result(tmp_path / "stopped", tmp_path / "whole")


def test_a_finished_training_is_not_repeated_and_other_settings_start_anew(
    cohort: Cohort, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    train_run(run_with(epochs=1), cohort, None, None, tmp_path, CPU)
    train_run(run_with(epochs=1), cohort, None, None, tmp_path, CPU)
    assert "resumed at step 4 of 4" in caplog.text
    train_run(run_with(epochs=1, learning_rate=2e-3), cohort, None, None, tmp_path, CPU)
    assert "belongs to other settings or data" in caplog.text


def test_settings_that_come_back_do_not_end_with_the_untrained_network_of_a_training_killed_in_between(
    cohort: Cohort, uninterrupted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(self: trainer_module.Trainer) -> None:
        raise _KilledError

    train_run(RUN, cohort, None, None, tmp_path, CPU)
    with monkeypatch.context() as killed:
        killed.setattr(trainer_module.Trainer, "_train_step", die)
        with pytest.raises(_KilledError):
            train_run(run_with(learning_rate=2e-3), cohort, None, None, tmp_path, CPU)
    train_run(RUN, cohort, None, None, tmp_path, CPU)
    assert_same_result(tmp_path, uninterrupted)


def test_a_new_title_and_new_test_scans_do_not_make_a_training_begin_again(
    cohort: Cohort, uninterrupted: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    own = Cohort.load(Path(shutil.copytree(cohort.folder, tmp_path / "cohort")))
    train_run(RUN, own, None, None, tmp_path / "run", CPU)
    content = read_json(own.folder / "cohort.json")
    content |= {"title": "Other", "splits": {**content["splits"], "test": ["s6", "s7"]}}
    content["pairs"]["test"] = [["s6", "s7"]]
    write_json(own.folder / "cohort.json", content)
    train_run(RUN, Cohort.load(own.folder), None, None, tmp_path / "run", CPU)
    assert "resumed at step 12 of 12" in caplog.text
    assert_same_result(tmp_path / "run", uninterrupted)
    assert load_checkpoint(tmp_path / "run/checkpoint.pt", CPU).cohort["title"] == "Other"


def test_a_last_state_without_its_best_one_is_not_resumed(cohort: Cohort, uninterrupted: Path, tmp_path: Path) -> None:
    shutil.copy(uninterrupted / "last.pt", tmp_path)
    train_run(run_with(epochs=1), cohort, None, None, tmp_path / "other", CPU)
    shutil.copy(tmp_path / "other/best.pt", tmp_path)
    train_run(RUN, cohort, None, None, tmp_path, CPU)
    assert_same_result(tmp_path, uninterrupted)


def test_a_best_state_that_another_training_has_overwritten_is_not_exported(
    cohort: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit = trainer_module.Trainer.fit

    def overwritten(self: trainer_module.Trainer) -> dict[str, Any]:
        timing = fit(self)
        save_state(tmp_path / "best.pt", {**load_state(tmp_path / "best.pt"), "fingerprint": "another"})
        return timing

    monkeypatch.setattr(trainer_module.Trainer, "fit", overwritten)
    with pytest.raises(InputError, match=r"best\.pt: is not the best state of this training"):
        train_run(run_with(epochs=1), cohort, None, None, tmp_path, CPU)
    assert not (tmp_path / "checkpoint.pt").exists()


def test_a_loss_that_is_not_finite_names_the_pair(
    cohort: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pairs = PairSchedule(cohort.subjects("train"), RUN["seed"], 4)
    fixed, _moving = pairs[2]
    load = Cohort.load_image

    def load_broken(self: Cohort, subject: str) -> np.ndarray:
        return load(self, subject) * (np.nan if subject == fixed else 1)

    monkeypatch.setattr(Cohort, "load_image", load_broken)
    first = next(step for step in range(4) if fixed in pairs[step])
    expected = "fixed {}, moving {}".format(*pairs[first])
    with pytest.raises(InputError, match=f"not finite from step {first} on \\({expected}\\)"):
        train_run(RUN, cohort, None, None, tmp_path, CPU)
    assert not (tmp_path / "last.pt").exists()
    assert not (tmp_path / "checkpoint.pt").exists()


def test_sigterm_saves_and_exits_with_its_own_code(cohort: Cohort, tmp_path: Path, root: Path) -> None:
    run, straight = tmp_path / "run", tmp_path / "straight"
    settings = run_with(epochs=2, steps_per_epoch=40)
    write_yaml(run / "config.yaml", settings)
    command = [sys.executable, root / "src/train.py", "--config", run / "config.yaml", "--cohort", cohort.folder]
    command += ["--out", run, "--device", "cpu", "--log", run / "train.log"]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while "parameters on cpu" not in (run / "train.log").read_text() if (run / "train.log").exists() else True:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    time.sleep(0.5)
    os.kill(process.pid, signal.SIGTERM)
    assert process.wait(timeout=60) == 75
    assert 0 < load_state(run / "last.pt")["step"] < 80
    assert not (run / "checkpoint.pt").exists()
    subprocess.run([python(), *command[1:]], check=True, stderr=subprocess.DEVNULL)
    torch.set_num_threads(1)
    train_run(settings, cohort, None, None, straight, CPU)
    assert_same_result(run, straight)


def test_a_volume_too_small_for_the_backbone_stops_before_training(tmp_path: Path) -> None:
    cohort = make_cohort(tmp_path / "cohort")
    object.__setattr__(cohort, "shape", (20, 8, 16))
    with pytest.raises(InputError, match="cannot take volumes of 20x8x16"):
        train_run(RUN, cohort, None, None, tmp_path, CPU)


def test_an_unreadable_training_scan_stops_before_training(tmp_path: Path) -> None:
    cohort = make_cohort(tmp_path / "cohort")
    write_nifti(cohort.image_path("s2"), np.zeros((3, 3, 3), np.float32), np.eye(4))
    with pytest.raises(InputError, match=r"s2\.nii\.gz: shape \(3, 3, 3\); expected"):
        train_run(RUN, cohort, None, None, tmp_path, CPU)


def test_pair_schedule() -> None:
    subjects = [f"s{i}" for i in range(5)]
    every = PairSchedule(subjects, seed=1)
    assert every.steps_per_epoch == 20
    epoch = [every[step] for step in range(20)]
    assert len(set(epoch)) == 20
    assert all(fixed != moving for fixed, moving in epoch)
    assert [every[step] for step in range(20, 40)] != epoch
    assert [PairSchedule(subjects, seed=1)[step] for step in range(20)] == epoch
    assert [PairSchedule(subjects, seed=2)[step] for step in range(20)] != epoch
    long = PairSchedule(subjects, seed=1, steps_per_epoch=50)
    assert {long[step] for step in range(40, 50)} < set(epoch)
    assert sorted(long[step] for step in range(20)) == sorted(epoch)
    with pytest.raises(ValueError, match="a pair needs 2"):
        PairSchedule(["a"], 1)


def test_pairs_of_one_cohort_stay_as_they_were() -> None:
    every, some = PairSchedule(["a", "b", "c"], 7), PairSchedule(["a", "b", "c"], 7, 8)
    pairs = ["ac", "ca", "ba", "bc", "cb", "ab", "ba", "bc", "ab", "cb", "ac", "ca"]
    assert ["".join(every[step]) for step in range(12)] == pairs
    assert ["".join(some[step]) for step in range(12)] == [*pairs[:6], "ac", "cb", "ba", "bc", "ab", "cb"]


def test_pairs_with_an_auxiliary_cohort_are_of_one_cohort_each_and_all_drawn_alike() -> None:
    primary, auxiliary = ["a", "b", "c"], ["x/a", "x/b", "x/c", "x/d"]
    every = PairSchedule(primary, 1, auxiliary=auxiliary)
    assert every.steps_per_epoch == 3 * 2 + 4 * 3
    for epoch in range(2):
        pairs = [every[step] for step in range(18 * epoch, 18 * (epoch + 1))]
        assert len(set(pairs)) == 18
        assert all(fixed != moving and ("x/" in fixed) == ("x/" in moving) for fixed, moving in pairs)
    some = PairSchedule(primary, 1, 1, auxiliary)
    share = sum("x/" in some[step][0] for step in range(3000)) / 3000
    assert share == pytest.approx(12 / 18, abs=0.03)
    with pytest.raises(ValueError, match="a pair needs 2"):
        PairSchedule(primary, 1, auxiliary=["x/a"])


def test_polynomial_decay() -> None:
    assert polynomial(1e-4, 0, 100, 0.9) == 1e-4
    assert polynomial(1e-4, 50, 100, 0.9) == pytest.approx(1e-4 * 0.5**0.9)
    assert polynomial(1e-4, 100, 100, 0.9) == 0


def test_the_rate_decays_by_step_or_by_epoch_within_its_stage() -> None:
    settings = {"learning_rate": 1e-3, "decay_power": 0.9, "decay": "step"}
    by_epoch = {**settings, "decay": "epoch"}
    stage = Stage(1, 20, 60, 20)
    for step in range(20, 60):
        assert learning_rate(settings, stage, step, 10) == pytest.approx(1e-3 * (1 - (step - 20) / 40) ** 0.9)
        assert learning_rate(by_epoch, stage, step, 10) == learning_rate(settings, stage, step // 10 * 10, 10)


STAGES = [{"share": 1, "frozen": 0.0}, {"share": 1, "frozen": 0.5}, {"share": 2, "frozen": 0.25}]
STAGED: dict[str, Any] = {
    **RUN,
    "network": {"backbone": {"name": "lapirn", "start_channels": 1}, "head": None, "integration_steps": 0},
    "loss": {
        "similarity": "multi_window_ncc",
        "dice": 1.0,
        "smoothness": 0.1,
        "regularise": "displacement",
        "padding": "zeros",
    },
    "training": {**RUN["training"], "epochs": 4, "stages": STAGES},
}


def test_stages_divide_the_epochs() -> None:
    expected = [Stage(0, 0, 40, 0), Stage(1, 40, 80, 60), Stage(2, 80, 160, 100)]
    assert training_stages(STAGES, 3, 4, 40) == expected
    assert training_stages(None, 3, 4, 40) == [Stage(2, 0, 160, 0)]
    with pytest.raises(InputError, match="found 3 stages; expected 1, as the backbone has"):
        training_stages(STAGES, 1, 4, 40)
    with pytest.raises(InputError, match="stage 1 of 3 has no epoch of 2; raise epochs"):
        training_stages(STAGES, 3, 2, 40)


def test_a_staged_training_keeps_and_thaws_and_starts_each_stage_anew(
    cohort: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    step = trainer_module.Trainer._train_step

    def watched(self: trainer_module.Trainer) -> None:
        before = {name: p.clone() for name, p in self._network.named_parameters()}
        step(self)
        moved = {
            name.split(".")[2]
            for name, p in self._network.backbone.named_parameters(prefix="backbone")
            if not torch.equal(p, before[name])
        }
        seen.append((self._network.backbone.stage, moved, self._advance.optimizer.param_groups[0]["lr"]))

    monkeypatch.setattr(trainer_module.Trainer, "_train_step", watched)
    train_run(STAGED, cohort, None, None, tmp_path, CPU)
    stages = [stage for stage, _, _ in seen]
    assert stages == [0] * 4 + [1] * 4 + [2] * 8
    levels = [sorted(moved) for _, moved, _ in seen]
    assert levels == [["0"]] * 4 + [["1"]] * 2 + [["0", "1"]] * 2 + [["2"]] * 2 + [["0", "1", "2"]] * 6
    rates = [rate for _, _, rate in seen]
    assert rates[0] == rates[4] == rates[8] == max(rates)


def test_a_staged_training_killed_in_any_stage_ends_as_if_never_interrupted(
    cohort: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train_run(STAGED, cohort, None, None, tmp_path / "whole", CPU)
    save = trainer_module.Trainer._save

    def save_and_die(self: trainer_module.Trainer) -> None:
        save(self)
        raise KeyboardInterrupt

    monkeypatch.setattr(trainer_module.Trainer, "_save", save_and_die)
    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            train_run(STAGED, cohort, None, None, tmp_path / "killed", CPU)
    monkeypatch.setattr(trainer_module.Trainer, "_save", save)
    train_run(STAGED, cohort, None, None, tmp_path / "killed", CPU)
    assert_same_result(tmp_path / "killed", tmp_path / "whole")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "other"}, "is no checkpoint of a run"),
        ({"network": {}}, "weights do not fit the network"),
    ],
)
def test_a_checkpoint_of_another_kind_is_refused(
    uninterrupted: Path, tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    path = tmp_path / "checkpoint.pt"
    torch.save({**load_state(uninterrupted / "checkpoint.pt"), **change}, path)
    with pytest.raises(InputError, match=message):
        load_checkpoint(path, CPU)
