"""A training that diverges is noticed, goes back, and is resumed bit-identically; the host waits for nothing."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from tests.cohorts import make_cohort
from tests.fake_cuda import on_fake_cuda
from tests.test_cuda_without_a_gpu import Waits
from tests.test_training import CPU, assert_same_result, run_with
from textscf.data.cohort import Cohort
from textscf.errors import InputError
from textscf.files.state import load_state
from textscf.training import trainer as trainer_module
from textscf.training.divergence import FACTOR, FLOOR, WINDOW, DivergenceWatch, has_collapsed
from textscf.training.run import train_run
from textscf.training.step import TrainingStep

SETTINGS = run_with(epochs=3, steps_per_epoch=30)
FIRST, LAST = 32, 36
RATE = 1e4


def after(smoothness: list[float], watch: DivergenceWatch | None = None) -> tuple[DivergenceWatch, list[str | None]]:
    watch, signs = watch or DivergenceWatch(CPU), []
    for step, value in enumerate(smoothness):
        watch.note(step, torch.tensor([0.5, 0.1, 0.4, value]))
        if watch.is_due(step + 1):
            signs.append(watch.sign())
    return watch, signs


def test_a_smoothness_that_jumps_is_a_sign() -> None:
    assert after([0.02] * WINDOW + [2e10] * WINDOW)[1][0] is None
    sign = after([0.02] * WINDOW + [2e10] * WINDOW)[1][1]
    assert sign == "the smoothness term is 2e+10, and was 0.02 before"


def test_growth_from_the_identity_and_single_spikes_are_no_signs() -> None:
    growing = [1e-12 * 10 ** (step / 10) for step in range(120)]
    assert max(growing) < FACTOR * FLOOR
    spikes = [1e6 if step % WINDOW < WINDOW // 2 - 1 else 0.02 for step in range(5 * WINDOW)]
    for values in (growing, spikes):
        assert after(values)[1] == [None] * (len(values) // WINDOW)


def test_a_rough_field_is_none_if_it_has_always_been_rough() -> None:
    assert after([9.0] * WINDOW + [500.0] * WINDOW)[1] == [None, None]
    assert after([9.0] * WINDOW + [1000.0] * WINDOW)[1][1] is not None


def test_the_first_step_that_is_not_finite_is_remembered() -> None:
    watch, _ = after([0.1, 0.1, float("nan"), 0.1, float("inf")])
    assert watch.first_bad() == 2
    assert after([0.1] * 5)[0].first_bad() is None


def test_a_watch_goes_on_from_its_state() -> None:
    values = [0.02] * (WINDOW + 7)
    before, _ = after(values)
    resumed = DivergenceWatch(CPU)
    resumed.load(before.state())
    for watch in (before, resumed):
        for step in range(len(values), 2 * WINDOW):
            watch.note(step, torch.tensor([0.5, 0.1, 0.4, 1e4]))
    assert before.sign() == resumed.sign() is not None


def test_a_collapse_of_dice_is_a_sign() -> None:
    assert has_collapsed(0.0, 0.4)
    assert has_collapsed(0.19, 0.4)
    assert not has_collapsed(0.21, 0.4)
    assert not has_collapsed(0.0, -1.0)


def test_the_host_waits_for_nothing_when_a_step_is_noted_or_a_gradient_clipped() -> None:
    network = torch.nn.Linear(3, 3)
    with on_fake_cuda(network, (4, 4, 4)), Waits() as waits:
        watch = DivergenceWatch(torch.device("cuda"))
        watch.note(3, torch.empty(4, device="cuda"))
        for parameter in network.parameters():
            parameter.grad = torch.empty_like(parameter)
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
    assert not waits.found


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    return make_cohort(tmp_path_factory.mktemp("cohort"))


@pytest.fixture
def broken_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes the learning rate absurd from one step on, unless the training has gone back already."""
    rate = trainer_module.learning_rate

    def absurd(settings: Any, stage: Any, step: int, steps_per_epoch: int) -> float:
        return RATE if FIRST <= step < LAST and not _Seen.restarts else rate(settings, stage, step, steps_per_epoch)

    go_back, load = trainer_module.Trainer._go_back, trainer_module.Trainer._resume

    def watched(self: trainer_module.Trainer, sign: str) -> None:
        go_back(self, sign)
        _Seen.restarts = len(self._restarts)

    def resumed(self: trainer_module.Trainer) -> None:
        load(self)
        _Seen.restarts = len(self._restarts)

    monkeypatch.setattr(trainer_module, "learning_rate", absurd)
    monkeypatch.setattr(trainer_module.Trainer, "_go_back", watched)
    monkeypatch.setattr(trainer_module.Trainer, "_resume", resumed)


class _Seen:
    restarts = 0


@pytest.mark.usefixtures("broken_rate")
def test_a_training_that_explodes_goes_back_with_half_the_rate_and_ends(
    cohort: Cohort, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    rates: dict[int, float] = {}
    advance = TrainingStep.__call__

    def watched(self: TrainingStep, fixed: Any, moving: Any, learning_rate: float) -> Any:
        rates[len(rates)] = learning_rate
        return advance(self, fixed, moving, learning_rate)

    monkeypatch.setattr(TrainingStep, "__call__", watched)
    train_run(SETTINGS, cohort, None, None, tmp_path, CPU)
    timing = json.loads((tmp_path / "timing.json").read_text())
    (restart,) = timing["restarts"]
    assert restart["back_to"] == 30
    assert FIRST < restart["step"] <= 60
    assert f"diverged by step {restart['step']}: {restart['sign']}; back to step 30" in caplog.text
    history = pd.read_csv(tmp_path / "history.csv")
    assert history["step"].tolist() == [30, 60, 90]
    assert history["restarts"].tolist() == [0, 1, 1]
    assert history["smoothness"].max() < 10
    assert rates[restart["step"]] == pytest.approx(rates[30] / 2)
    assert load_state(tmp_path / "last.pt")["step"] == timing["steps"] == 90


@pytest.mark.usefixtures("broken_rate")
def test_a_training_killed_while_it_explodes_and_goes_back_ends_as_if_never_interrupted(
    cohort: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train_run(SETTINGS, cohort, None, None, tmp_path / "whole", CPU)
    monkeypatch.setattr(trainer_module, "SAVE_EVERY_SECONDS", -1.0)
    save = trainer_module.save_state
    deaths = {FIRST + 1, FIRST + 5, 41, 61}
    saved: list[int] = []

    def save_then_die(path: Path, state: dict[str, Any]) -> None:
        save(path, state)
        saved.append(state["step"])
        if state["step"] in deaths or (len(saved) > 1 and saved[-1] < saved[-2]):
            deaths.discard(state["step"])
            raise KeyboardInterrupt

    monkeypatch.setattr(trainer_module, "save_state", save_then_die)
    killed = 0
    while True:
        _Seen.restarts = 0
        try:
            train_run(SETTINGS, cohort, None, None, tmp_path / "killed", CPU)
            break
        except KeyboardInterrupt:
            killed += 1
            saved.clear()
    assert killed >= 4
    assert_same_result(tmp_path / "killed", tmp_path / "whole")
    signs = [json.loads((tmp_path / name / "timing.json").read_text())["restarts"] for name in ("killed", "whole")]
    assert signs[0] == signs[1] != []


def test_a_training_that_always_explodes_stops_with_one_line(cohort: Cohort, tmp_path: Path) -> None:
    settings = run_with(epochs=2, steps_per_epoch=30, learning_rate=1e4, clip_gradient=None)
    with pytest.raises(
        InputError, match=r"has diverged by step \d+: .*training.learning_rate is 1250 by now"
    ) as caught:
        train_run(settings, cohort, None, None, tmp_path, CPU)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "checkpoint.pt").exists()


def test_a_collapse_of_validation_dice_goes_back(
    cohort: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = iter([0.6, 0.2, 0.61, 0.62])
    monkeypatch.setattr("textscf.training.run.mean_dice", lambda network, **_: next(scores))
    train_run(run_with(epochs=3, steps_per_epoch=2), cohort, None, None, tmp_path, CPU)
    history = pd.read_csv(tmp_path / "history.csv")
    assert history["validation_dice"].tolist() == [0.6, 0.61, 0.62]
    (restart,) = json.loads((tmp_path / "timing.json").read_text())["restarts"]
    assert restart == {"step": 4, "back_to": 2, "sign": "validation Dice is 0.2000 after a best of 0.6000"}
