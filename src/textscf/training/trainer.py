"""The training loop: steps, epochs, validation, checkpoints, resumption."""

import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from textscf.checkpoint import StopSignal, load_newest, save_state
from textscf.energy import EnergyMeter
from textscf.errors import InputError, TrainingStopped
from textscf.models import RegistrationNetwork
from textscf.progress import progress_bar
from textscf.training.history import History
from textscf.training.objective import TERMS, Objective
from textscf.training.pairs import PairSchedule
from textscf.training.schedule import Stage, polynomial, training_stages
from textscf.training.step import TrainingStep
from textscf.training.volumes import Scan, VolumeStore

logger = logging.getLogger(__name__)

_SAVE_EVERY_SECONDS = 120.0
_CHECK_EVERY_STEPS = 20
_COMPILE_FROM_STEPS = 10_000


class Trainer:
    """Trains one network; killed at any moment, it goes on from its last saved state as if never interrupted.

    Where `last.pt` is broken, it goes on from `best.pt`, which is a whole state too.

    Args:
        network: on its device.
        objective: the loss.
        scans: training and validation volumes on the same device.
        pairs: the pair of each step.
        validate: mean validation Dice of the network.
        settings: ``{epochs, learning_rate, decay_power, precision, ...}`` of the run.
        folder: where `last.pt`, `best.pt`, `history.csv` and `tensorboard/` go.
        fingerprint: digest of everything that determines the result; a saved state of another one is not used.
    """

    def __init__(
        self,
        network: RegistrationNetwork,
        objective: Objective,
        scans: VolumeStore,
        pairs: PairSchedule,
        validate: Callable[[RegistrationNetwork], float],
        settings: Mapping[str, Any],
        folder: Path,
        fingerprint: str,
    ) -> None:
        self._network, self._scans, self._pairs = network, scans, pairs
        self._validate, self._settings, self._fingerprint = validate, settings, fingerprint
        self._last, self._best = folder / "last.pt", folder / "best.pt"
        self._device = next(network.parameters()).device
        self._stages = training_stages(
            settings["stages"], len(network.backbone.strides), settings["epochs"], pairs.steps_per_epoch
        )
        self._total = self._stages[-1].end
        self._advance = TrainingStep(network, objective, settings["precision"])
        self._history = History(folder)
        self._sums = torch.zeros(len(TERMS), device=self._device)
        self._first_bad = torch.full((), -1, device=self._device, dtype=torch.int64)
        self._step, self._best_dice, self._seconds = 0, -1.0, 0.0
        self._energy = EnergyMeter(self._device)

    def fit(self) -> dict[str, Any]:
        """Train to the end; returns ``{steps, seconds, seconds_per_step, best_validation_dice}``.

        Where the device tells it, `energy_joules` too, of all parts of an interrupted training; on a GPU also
        `computed`, the form that was chosen for its steps.

        Raises:
            TrainingStopped: after SIGTERM, with the state saved.
            InputError: the loss is no longer finite; names the pair.
        """
        self._resume()
        self._network.train()
        self._choose_form()
        saved = started = time.monotonic()
        before = self._seconds
        with StopSignal() as stop, progress_bar(self._total, "training", self._step) as bar:
            while self._step < self._total:
                self._train_step()
                self._seconds = before + time.monotonic() - started
                bar.update(1)
                if self._step % self._pairs.steps_per_epoch == 0:
                    bar.set_postfix(self._end_epoch())
                    saved = time.monotonic()
                elif stop.requested or time.monotonic() - saved > _SAVE_EVERY_SECONDS:
                    self._save()
                    saved = time.monotonic()
                elif self._step % _CHECK_EVERY_STEPS == 0:
                    self._check_finite()
                    bar.set_postfix(self._means())
                if stop.requested and self._step < self._total:
                    raise TrainingStopped(f"stopped at step {self._step} of {self._total}; state saved")
        self._history.write_csv()
        optional = {"energy_joules": self._energy.joules(), "computed": self._advance.form}
        return {
            "steps": self._step,
            "seconds": self._seconds,
            "seconds_per_step": self._seconds / max(self._step, 1),
            "best_validation_dice": self._best_dice,
            **{name: value for name, value in optional.items() if value is not None},
        }

    def _choose_form(self) -> None:
        """On a GPU, measure how a step is computed fastest, if steps are to come; compiled only if there are many."""
        remaining = self._total - self._step
        if self._device.type == "cuda" and self._settings["precision"] != "float32" and remaining:
            self._enter_stage()
            self._advance.choose_form(*self._scans_of(self._step), compiled=remaining >= _COMPILE_FROM_STEPS)

    def _enter_stage(self) -> Stage:
        """The stage of the coming step; what it trains is what has gradients."""
        stage = next(stage for stage in self._stages if self._step < stage.end)
        self._network.train_stage(stage.index, alone=self._step < stage.thaw)
        return stage

    def _scans_of(self, step: int) -> tuple[Scan, Scan]:
        fixed, moving = self._pairs[step]
        return self._scans[fixed], self._scans[moving]

    def _train_step(self) -> None:
        settings, stage = self._settings, self._enter_stage()
        if self._step == stage.first:
            self._advance.restart()
            self._best_dice = -1.0
        length = stage.end - stage.first
        rate = polynomial(settings["learning_rate"], self._step - stage.first, length, settings["decay_power"])
        self._note(self._advance(*self._scans_of(self._step), rate))
        self._step += 1

    def _note(self, values: Tensor) -> None:
        """Add to the epoch's sums and remember the first non-finite step, without waiting for the device."""
        self._sums += values
        bad = ~values.isfinite().all() & (self._first_bad < 0)
        self._first_bad = torch.where(bad, self._step, self._first_bad)

    def _check_finite(self) -> None:
        step = int(self._first_bad)
        if step >= 0:
            fixed, moving = self._pairs[step]
            raise InputError(
                f"the loss is not finite from step {step} on (fixed {fixed}, moving {moving}); check these scans, "
                f"lower training.learning_rate (now {self._settings['learning_rate']}) or use precision: float32"
            )

    def _means(self) -> dict[str, float]:
        seen = (self._step - 1) % self._pairs.steps_per_epoch + 1
        return dict(zip(TERMS, (self._sums / seen).tolist(), strict=True))

    def _end_epoch(self) -> dict[str, float]:
        self._check_finite()
        row = {**self._means(), "validation_dice": self._validate(self._network)}
        self._sums.zero_()
        improved = row["validation_dice"] > self._best_dice
        self._best_dice = max(self._best_dice, row["validation_dice"])
        epoch = self._step // self._pairs.steps_per_epoch
        self._history.add({"epoch": epoch, "step": self._step, **row})
        logger.info("epoch %d: %s", epoch, ", ".join(f"{key} {value:.5f}" for key, value in row.items()))
        if improved:
            save_state(self._best, self._state())
        self._save()
        return row

    def _save(self) -> None:
        self._check_finite()
        save_state(self._last, self._state())

    def _state(self) -> dict[str, Any]:
        return {
            "fingerprint": self._fingerprint,
            "step": self._step,
            "network": self._network.state_dict(),
            "optimizer": self._advance.optimizer.state_dict(),
            "random": torch.get_rng_state(),
            "sums": self._sums,
            "history": self._history.rows,
            "best_dice": self._best_dice,
            "seconds": self._seconds,
            "energy_joules": self._energy.joules(),
        }

    def _resume(self) -> None:
        state = load_newest((self._last, self._best), self._device, self._fingerprint)
        if state is None:
            return
        self._network.load_state_dict(state["network"])
        self._advance.optimizer.load_state_dict(state["optimizer"])
        torch.set_rng_state(state["random"].cpu())
        self._step, self._best_dice, self._seconds = state["step"], state["best_dice"], state["seconds"]
        self._sums = state["sums"]
        self._energy = EnergyMeter(self._device, before=state.get("energy_joules"))
        self._history.rows = state["history"]
        logger.info("resumed at step %d of %d", self._step, self._total)
