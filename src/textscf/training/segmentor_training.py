"""Training of a segmentor on the training split of a cohort."""

import hashlib
import json
import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from monai.losses import DiceCELoss
from monai.transforms import (
    Compose,
    RandAdjustContrastd,
    RandAffined,
    RandGaussianNoised,
    RandSpatialCropd,
    SpatialPadd,
)
from torch import nn

from textscf.data.cohort import Cohort
from textscf.errors import InputError, TrainingStopped
from textscf.files.io import write_csv
from textscf.files.state import SAVE_EVERY_SECONDS, StopSignal, load_newest, save_state
from textscf.job.devices import autocast
from textscf.job.progress import progress_bar
from textscf.metrics.overlap import confusion_counts, dice_scores
from textscf.segmentation.swin_unetr import build_segmentor, check_window, probabilities
from textscf.training.convergence import LIMIT, last_rise
from textscf.training.schedule import polynomial

logger = logging.getLogger(__name__)

_DECAY_POWER = 0.9


class SegmentorTraining:
    """Trains a segmentor: Adam on random windows, Dice plus cross entropy; keeps the state of best validation Dice.

    Args:
        cohort: prepared cohort; the segmentor learns only from the scans of its training split that have labels.
        settings: settings of the segmentor, see `config/schemas/segmentor.yaml`.
        folder: folder for `training.pt`, the state from which a killed training resumes, and for the state before it.
        device: device of the computation.

    Raises:
        InputError: no training scan has labels.
    """

    def __init__(self, cohort: Cohort, settings: Mapping[str, Any], folder: Path, device: torch.device) -> None:
        check_window(settings["window"], f"segmentor {folder.name}")
        torch.manual_seed(settings["seed"])
        self._cohort, self._settings, self._device = cohort, settings, device
        self._state_file = folder / "training.pt"
        self._previous_file = folder / "training.previous.pt"
        self._network: nn.Module = build_segmentor(settings, cohort.n_regions).to(device)
        self._optimizer = torch.optim.Adam(self._network.parameters(), lr=settings["learning_rate"], fused=True)
        self._loss = DiceCELoss(to_onehot_y=True, softmax=True, squared_pred=True, smooth_nr=1e-5)
        self._transform = _augmentation(settings["window"])
        if not cohort.labelled("train"):
            raise InputError(
                f"segmentor {folder.name}: none of the {len(cohort.subjects('train'))} training scans of cohort "
                f"{cohort.name} has labels; expected some to learn from, or a pretrained segmentor"
            )
        self._scans = {subject: self._load(subject) for subject in cohort.labelled("train")}
        key = json.dumps(dict(settings), sort_keys=True) + cohort.fingerprint()
        self._fingerprint = hashlib.sha256(key.encode()).hexdigest()
        self._autocast = autocast(device, settings["precision"])
        self._step, self._loss_sum = 0, 0.0
        self._history: list[dict[str, float]] = []
        self._best: dict[str, Any] = {"dice": -1.0, "network": {}}

    def fit(self) -> tuple[dict[str, Any], pd.DataFrame]:
        """Train to the end; return the best state dictionary and the history.

        Raises:
            TrainingStopped: after SIGTERM or Ctrl-C, with the state saved.
            InputError: a loss is not finite; the message names the scans.
        """
        self._resume()
        total, every = self._settings["steps"], self._settings["validate_every"]
        saved = time.monotonic()
        with StopSignal() as stop, progress_bar(total, "training segmentor", self._step) as bar:
            while self._step < total:
                self._train_step(polynomial(self._settings["learning_rate"], self._step, total, _DECAY_POWER))
                bar.update(1)
                validates = self._step % every == 0 or self._step == total
                if validates:
                    bar.set_postfix(self._validate())
                if validates or stop.requested or time.monotonic() - saved > SAVE_EVERY_SECONDS:
                    self._save()
                    saved = time.monotonic()
                if stop.requested and self._step < total:
                    raise TrainingStopped(f"stopped at step {self._step} of {total}; state saved")
        self._previous_file.unlink(missing_ok=True)
        return self._best["network"], pd.DataFrame(self._history)

    def _load(self, subject: str) -> dict[str, np.ndarray]:
        return {"image": self._cohort.load_image(subject)[None], "labels": self._cohort.load_labels(subject)[None]}

    def _train_step(self, rate: float) -> None:
        subjects, batch = self._batch()
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        with self._autocast:
            logits = self._network(batch["image"]).contiguous()  # channels first, as the loss reads them, for speed
            loss = self._loss(logits.float(), batch["labels"])
        if not torch.isfinite(loss):
            found = f"the segmentor's loss is {loss.item()} at step {self._step} (scans {', '.join(subjects)})"
            raise InputError(f"{found}; check these scans or lower learning_rate ({self._settings['learning_rate']})")
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self._optimizer.step()
        self._loss_sum += loss.item()
        self._step += 1

    def _batch(self) -> tuple[list[str], dict[str, torch.Tensor]]:
        """Random windows of random training scans; they depend only on seed and step."""
        generator = np.random.default_rng([self._settings["seed"], self._step])
        subjects = [str(s) for s in generator.choice(list(self._scans), self._settings["batch_size"])]
        self._transform.set_random_state(seed=int(generator.integers(2**31)))
        samples = [self._transform(dict(self._scans[subject])) for subject in subjects]
        stacked = {
            k: torch.stack([torch.as_tensor(s[k]).as_subclass(torch.Tensor) for s in samples])
            for k in ("image", "labels")
        }
        return subjects, {key: value.to(self._device) for key, value in stacked.items()}

    def _validate(self) -> dict[str, float]:
        self._network.eval()
        scores = []
        for subject in self._cohort.labelled("validation"):
            image, labels = self._cohort.load_image(subject), self._cohort.load_labels(subject)
            predicted = probabilities(self._network, image, self._settings, self._device).argmax(0).cpu().numpy()
            counts = confusion_counts(labels, predicted, self._cohort.n_regions)
            scores.append(dice_scores(counts)[1:][counts.sum(1)[1:] > 0].mean())
        self._network.train()
        last = self._history[-1]["step"] if self._history else 0
        row = {
            "step": self._step,
            "loss": self._loss_sum / (self._step - last),
            "validation_dice": float(np.mean(scores)) if scores else float("nan"),
        }
        self._history.append(row)
        self._loss_sum = 0.0
        logger.info("step %d: loss %.4f, validation Dice %.4f", *row.values())
        if not row["validation_dice"] <= self._best["dice"]:  # also where Dice is undefined, so that there is a best
            weights = {key: value.cpu().clone() for key, value in self._network.state_dict().items()}
            self._best = {"dice": row["validation_dice"], "network": weights}
        return row

    def _save(self) -> None:
        state = {
            "fingerprint": self._fingerprint,
            "step": self._step,
            "loss_sum": self._loss_sum,
            "history": self._history,
            "best": self._best,
            "network": self._network.state_dict(),
            "optimizer": self._optimizer.state_dict(),
        }
        if self._state_file.is_file():
            self._state_file.replace(self._previous_file)
        save_state(self._state_file, state)

    def _resume(self) -> None:
        state = load_newest((self._state_file, self._previous_file), self._device, self._fingerprint)
        if state is None:
            return
        self._network.load_state_dict(state["network"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._step, self._loss_sum = state["step"], state["loss_sum"]
        self._history, self._best = state["history"], state["best"]
        logger.info("resumed at step %d of %d", self._step, self._settings["steps"])


def train_segmentor(cohort: Cohort, settings: Mapping[str, Any], path: Path, device: torch.device) -> None:
    """Train a segmentor; write the best network to `path` and the history to `history.csv` beside it."""
    weights, history = SegmentorTraining(cohort, settings, path.parent, device).fit()
    write_csv(path.parent / "history.csv", history)
    save_state(path, {"network": weights})
    rise = last_rise(list(history["validation_dice"]))
    if rise is not None and rise >= LIMIT:
        logger.warning(
            "segmentor %s still learned at its end: validation Dice rose by %.1f points; more than %d steps would help",
            *(path.parent.name, 100 * rise, settings["steps"]),
        )


def _augmentation(window: list[int]) -> Compose:
    """Random windows with small rotations, scalings, shifts, contrast changes and noise.

    Windows are never mirrored, because left and right structures have different labels.
    """
    keys = ("image", "labels")
    return Compose(
        [
            SpatialPadd(keys, window),
            RandAffined(
                keys,
                prob=0.7,
                rotate_range=(0.15,) * 3,
                scale_range=(0.12,) * 3,
                translate_range=(3,) * 3,
                mode=("bilinear", "nearest"),
                padding_mode="zeros",
            ),
            RandSpatialCropd(keys, window, random_size=False),
            RandAdjustContrastd("image", prob=0.3, gamma=(0.8, 1.25)),
            RandGaussianNoised("image", prob=0.3, std=0.02),
        ]
    )
