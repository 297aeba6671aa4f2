"""Training loop: steps, epochs, validation, checkpoints, resumption."""

import logging
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from textscf.errors import InputError, TrainingStopped
from textscf.files.state import SAVE_EVERY_SECONDS, StopSignal, load_newest, random_state, save_state, set_random_state
from textscf.job.energy import EnergyMeter
from textscf.job.progress import progress_bar
from textscf.models import RegistrationNetwork
from textscf.registration.volumes import Scan, VolumeStore
from textscf.training.convergence import is_converged, last_rise
from textscf.training.divergence import DivergenceWatch, has_collapsed
from textscf.training.history import History
from textscf.training.objective import TERMS, Objective
from textscf.training.pairs import PairSchedule
from textscf.training.schedule import Stage, learning_rate, training_stages
from textscf.training.step import TrainingStep

logger = logging.getLogger(__name__)

_MOST_RESTARTS = 3
_RATE_AFTER_RESTART = 0.5


class Trainer:
    """Trains one network; a training killed at any moment resumes from its last saved state as if never interrupted.

    If `last.pt` is broken, the training resumes from `best.pt`, which is a full state, too; without `best.pt` it starts
    anew. Until the first epoch has ended, `best.pt` holds the untrained network. A training that diverges (see
    `textscf.training.divergence`) goes back to `best.pt` and continues with half the learning rate. It fails after too
    many such restarts.

    Args:
        network: network on its device.
        objective: loss.
        scans: training and validation volumes on the same device.
        pairs: pair of each step.
        validate: computes the mean validation Dice of the network; NaN without labels, then every epoch is the best
            so far, so that the last one is kept.
        settings: `training` of the run, see its schema.
        folder: folder for `last.pt`, `best.pt`, `history.csv` and `tensorboard/`.
        fingerprint: digest of everything that determines the result; a saved state with another digest is not used.
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
        self._advance = TrainingStep(
            network,
            objective,
            settings["precision"],
            settings["optimizer"] == "amsgrad",
            settings["clip_gradient"],
            settings["layout"],
            settings["compiled"],
        )
        self._history = History(folder)
        self._sums = torch.zeros(len(TERMS), device=self._device)
        self._watch = DivergenceWatch(self._device)
        self._restarts: list[dict[str, Any]] = []
        self._step, self._with_dice, self._best_dice, self._seconds = 0, 0, -1.0, 0.0
        self._energy = EnergyMeter(self._device)

    def fit(self) -> dict[str, Any]:
        """Train to the end; return ``{steps, seconds, seconds_per_step, best_validation_dice, ...}``.

        The result also has `last_rise` and `converged` (see `textscf.training.convergence`), and `restarts`. Each
        restart has the `step` of the divergence, the step `back_to` which the training returned, and the `sign`.
        Without validation Dice, `best_validation_dice`, `last_rise` and `converged` are None. If the
        device reports its energy, the result has `energy_joules`, summed over all parts of an interrupted training.

        Raises:
            TrainingStopped: after SIGTERM or Ctrl-C, with the state saved.
            InputError: a scan has values that are not finite, or the training still diverges after the last restart.
        """
        self._resume()
        self._network.train()
        saved = started = time.monotonic()
        before = self._seconds
        with StopSignal() as stop, progress_bar(self._total, "training", self._step) as bar:
            while self._step < self._total:
                self._train_step()
                self._seconds = before + time.monotonic() - started
                epoch_ends = self._step % self._pairs.steps_per_epoch == 0
                checked = epoch_ends or self._watch.is_due(self._step)
                sign = self._sign(epoch_ends) if checked else None
                if sign:
                    self._go_back(sign)
                elif checked:
                    bar.set_postfix(self._history.rows[-1] if epoch_ends else self._means())
                bar.update(self._step - bar.n)
                if sign or epoch_ends or stop.requested or time.monotonic() - saved > SAVE_EVERY_SECONDS:
                    self._save()
                    saved = time.monotonic()
                if stop.requested and self._step < self._total:
                    raise TrainingStopped(f"stopped at step {self._step} of {self._total}; state saved")
        self._history.write_csv()
        return self._report()

    def _report(self) -> dict[str, Any]:
        first = self._stages[-1].first
        dice = [row["validation_dice"] for row in self._history.rows if row["step"] > first]
        known = not any(map(math.isnan, dice))
        rise = last_rise(dice) if known else None
        done = "has converged" if is_converged(rise) else "has not converged" if known else "no labels to tell by"
        logger.info("validation Dice rose by %s over the last tenth: %s", "?" if rise is None else f"{rise:.5f}", done)
        repeated = sum(restart["step"] - restart["back_to"] for restart in self._restarts)
        joules = self._energy.joules()
        return {
            "steps": self._step,
            "seconds": self._seconds,
            "seconds_per_step": self._seconds / max(self._step + repeated, 1),
            "best_validation_dice": self._best_dice if known else None,
            "last_rise": rise,
            "converged": is_converged(rise) if known else None,
            "restarts": self._restarts,
            **({} if joules is None else {"energy_joules": joules}),
        }

    def _enter_stage(self) -> Stage:
        """Return the training stage of the next step; only the parameters that it trains get gradients."""
        stage = next(stage for stage in self._stages if self._step < stage.end)
        self._network.train_stage(stage.index, alone=self._step < stage.thaw)
        return stage

    def _scans_of(self, step: int) -> tuple[Scan, Scan]:
        fixed, moving = self._pairs[step]
        return self._scans[fixed], self._scans[moving]

    def _train_step(self) -> None:
        stage = self._enter_stage()
        if self._step == stage.first:
            self._advance.restart()
            self._watch = DivergenceWatch(self._device)
            self._best_dice = -1.0
        rate = learning_rate(self._settings, stage, self._step, self._pairs.steps_per_epoch)
        values = self._advance(*self._scans_of(self._step), rate * _RATE_AFTER_RESTART ** len(self._restarts))
        self._sums += values
        self._with_dice += self._has_dice(self._step)
        self._watch.note(self._step, values)
        self._step += 1

    def _sign(self, epoch_ends: bool) -> str | None:
        """Text that describes the sign of divergence, or None; without a sign, record an epoch that has ended."""
        sign = self._not_finite() or (self._watch.sign() if self._watch.is_due(self._step) else None)
        return self._end_epoch() if epoch_ends and not sign else sign

    def _not_finite(self) -> str | None:
        step = self._watch.first_bad()
        if step is None:
            return None
        pair = self._pairs[step]
        sign = "the loss is not finite from step {} on (fixed {}, moving {})".format(step, *pair)
        for name in pair:
            if not self._scans[name].image.isfinite().all():
                raise InputError(f"{sign}: scan {name} has values that are not finite; check it")
        return sign

    def _means(self) -> dict[str, float]:
        """Means of the loss terms over the steps of the epoch; of the Dice loss over the steps that have one."""
        seen = (self._step - 1) % self._pairs.steps_per_epoch + 1
        means = dict(zip(TERMS, (self._sums / seen).tolist(), strict=True))
        means["dice_loss"] *= seen / self._with_dice if self._with_dice else math.nan
        return means

    def _has_dice(self, step: int) -> bool:
        """Whether both scans of a step have labels."""
        return all(map(self._scans.has_labels, self._pairs[step]))

    def _end_epoch(self) -> str | None:
        row = {**self._means(), "validation_dice": self._validate(self._network), "restarts": len(self._restarts)}
        dice, best = row["validation_dice"], self._best_dice
        if has_collapsed(dice, best):
            return f"validation Dice is {dice:.4f} after a best of {best:.4f}"
        self._sums.zero_()
        self._with_dice = 0
        self._best_dice = max(best, dice)
        epoch = self._step // self._pairs.steps_per_epoch
        self._history.add({"epoch": epoch, "step": self._step, **row})
        logger.info("epoch %d: %s", epoch, ", ".join(f"{key} {value:.5f}" for key, value in row.items()))
        if dice > best or math.isnan(dice):
            save_state(self._best, self._state())
        return None

    def _go_back(self, sign: str) -> None:
        """Return to the best state with half the learning rate; InputError after `_MOST_RESTARTS` restarts."""
        found = f"the training has diverged by step {self._step}: {sign}"
        rate = self._settings["learning_rate"] * _RATE_AFTER_RESTART ** len(self._restarts)
        state = load_newest([self._best], self._device, self._fingerprint)
        if state is None or len(self._restarts) == _MOST_RESTARTS:
            raise InputError(f"{found}; training.learning_rate is {rate:g} by now; lower it, or training.clip_gradient")
        self._restarts.append({"step": self._step, "back_to": state["step"], "sign": sign})
        logger.warning("%s; back to step %d with a rate of %g", found, state["step"], rate * _RATE_AFTER_RESTART)
        self._load(state)

    def _save(self) -> None:
        save_state(self._last, self._state())

    def _state(self) -> dict[str, Any]:
        return {
            "fingerprint": self._fingerprint,
            "step": self._step,
            "network": self._network.state_dict(),
            "optimizer": self._advance.optimizer.state_dict(),
            "random": random_state(self._device),
            "sums": self._sums,
            "watch": self._watch.state(),
            "restarts": self._restarts,
            "history": self._history.rows,
            "best_dice": self._best_dice,
            "seconds": self._seconds,
            "energy_joules": self._energy.joules(),
        }

    def _resume(self) -> None:
        """Load the last saved state; without one of these settings, or without its `best.pt`, start anew.

        A `last.pt` of other settings goes before their `best.pt` does, so that no later training finds it alone.
        """
        best = load_newest([self._best], self._device, self._fingerprint)
        if best is None:
            self._last.unlink(missing_ok=True)
            save_state(self._best, self._state())
            return
        state = load_newest([self._last], self._device, self._fingerprint) or best
        self._load(state)
        self._restarts, self._seconds = state["restarts"], state["seconds"]
        self._energy = EnergyMeter(self._device, before=state.get("energy_joules"))
        logger.info("resumed at step %d of %d", self._step, self._total)

    def _load(self, state: dict[str, Any]) -> None:
        """Load the part of a state that determines the next steps; do not load time, energy and restarts."""
        self._network.load_state_dict(state["network"])
        self._advance.load(state["optimizer"])
        self._watch.load(state["watch"])
        set_random_state(state["random"], self._device)
        self._step, self._best_dice = state["step"], state["best_dice"]
        self._sums, self._history.rows = state["sums"], state["history"]
        started = self._step - self._step % self._pairs.steps_per_epoch
        self._with_dice = sum(map(self._has_dice, range(started, self._step)))
