"""Learning rate and stages of a training."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from textscf.errors import InputError


def polynomial(initial: float, step: int, total: int, power: float) -> float:
    """``initial * (1 - step / total) ** power`` (paper, section 4.2: power 0.9)."""
    return initial * max(0.0, 1 - step / total) ** power


@dataclass(frozen=True)
class Stage:
    """Steps from `first` up to `end` train stage `index` of a network, up to `thaw` without the stages before it."""

    index: int
    first: int
    end: int
    thaw: int


def learning_rate(settings: Mapping[str, Any], stage: Stage, step: int, steps_per_epoch: int) -> float:
    """The rate of a step, which decays over its stage from step to step or from epoch to epoch.

    Args:
        settings: ``{learning_rate, decay_power, decay: step or epoch}``. The released code of textSCF and TransMorph
            decays per epoch.
        stage: of the step.
        step: counted from 0 over the whole training.
    """
    done = step - stage.first
    if settings["decay"] == "epoch":
        done -= done % steps_per_epoch
    return polynomial(settings["learning_rate"], done, stage.end - stage.first, settings["decay_power"])


def training_stages(
    settings: Sequence[Mapping[str, float]] | None, n_stages: int, epochs: int, steps_per_epoch: int
) -> list[Stage]:
    """The stages of a training, whole epochs each.

    Args:
        settings: None to train everything in one go, or ``{share, frozen}`` for each stage: its share of the epochs,
            and the share of the stage in which what earlier stages have trained is kept as it is.
        n_stages: stages of the network.

    Raises:
        InputError: as many settings as stages are expected, with an epoch or more for each.
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
