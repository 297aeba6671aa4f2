"""Learning rate and training stages."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from textscf.errors import InputError


def polynomial(initial: float, step: int, total: int, power: float) -> float:
    """Polynomial decay ``initial * (1 - step / total) ** power`` (paper, section 4.2: power 0.9)."""
    return initial * max(0.0, 1 - step / total) ** power


@dataclass(frozen=True)
class Stage:
    """Training stage `index`, from step `first` up to `end`; earlier stages stay frozen up to step `thaw`."""

    index: int
    first: int
    end: int
    thaw: int


def learning_rate(settings: Mapping[str, Any], stage: Stage, step: int, steps_per_epoch: int) -> float:
    """Learning rate of a step; it decays over the training stage, per step or per epoch.

    Args:
        settings: ``{learning_rate, decay_power, decay: step or epoch}``. The released code of textSCF and TransMorph
            decays per epoch.
        stage: training stage of the step.
        step: number of the step, from 0 over the whole training.
        steps_per_epoch: number of steps in an epoch.
    """
    done = step - stage.first
    if settings["decay"] == "epoch":
        done -= done % steps_per_epoch
    return polynomial(settings["learning_rate"], done, stage.end - stage.first, settings["decay_power"])


def training_stages(
    settings: Sequence[Mapping[str, float]] | None, n_stages: int, epochs: int, steps_per_epoch: int
) -> list[Stage]:
    """Divide a training into training stages of whole epochs.

    Args:
        settings: None to train the whole network at once, or ``{share, frozen}`` for each training stage: its share of
            the epochs, and the share of its steps in which earlier stages stay frozen.
        n_stages: number of training stages of the network.
        epochs: number of epochs of the whole training.
        steps_per_epoch: number of steps in an epoch.

    Raises:
        InputError: the number of settings is not `n_stages`, or a training stage has no epoch.
    """
    if settings is None:
        return [Stage(n_stages - 1, 0, epochs * steps_per_epoch, 0)]
    if len(settings) != n_stages:
        raise InputError(f"training.stages: found {len(settings)} stages; expected {n_stages}, as the backbone has")
    total = sum(stage["share"] for stage in settings)
    bounds = [round(epochs * sum(s["share"] for s in settings[:k]) / total) for k in range(n_stages + 1)]
    stages = []
    for index, stage in enumerate(settings):
        first, end = bounds[index] * steps_per_epoch, bounds[index + 1] * steps_per_epoch
        if first == end:
            raise InputError(f"training.stages: stage {index + 1} of {n_stages} has no epoch of {epochs}; raise epochs")
        stages.append(Stage(index, first, end, first + round(stage["frozen"] * (end - first))))
    return stages
