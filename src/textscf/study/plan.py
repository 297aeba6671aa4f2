"""Number of trainings and steps of a study, and their time estimated from measured step times."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textscf.data.cohort import expand_subjects
from textscf.files.schema import read_validated

if TYPE_CHECKING:
    from textscf.study.study import Study

Settings = Mapping[str, Any]


@dataclass(frozen=True)
class Plan:
    """Size of a study's training.

    Attributes:
        trainings: number of trainings by cohort.
        steps: total number of steps of all trainings.
        seconds: total time of the trainings whose step time was measured.
        unmeasured: number of trainings whose step time was not measured.
        device: device on which the step times were measured.
    """

    trainings: dict[str, int]
    steps: int
    seconds: float
    unmeasured: int
    device: str

    def __str__(self) -> str:
        total = sum(self.trainings.values())
        if not total:
            return "no trainings"
        cohorts = ", ".join(f"{count} on {cohort}" for cohort, count in self.trainings.items())
        if self.unmeasured == total:
            return f"{total} trainings ({cohorts}), {self.steps:,} steps; step times not measured"
        hours = f"{self.seconds / 3600:,.1f} h on {self.device} by measured step times"
        missing = f", without {self.unmeasured} trainings whose step time was not measured" if self.unmeasured else ""
        return f"{total} trainings ({cohorts}), {self.steps:,} steps: {hours}{missing}"


def plan(study: "Study", step_times: Path) -> Plan:
    """Count the trainings of a study and estimate their time; `benchmarks.step_times` writes the file `step_times`."""
    measured = read_validated(step_times, step_times.parent / "schemas" / "step_times.yaml")
    known = {_key(entry): entry["seconds"] for entry in measured["steps"]}
    trained = [run for run in study.runs.values() if run["method"] == "learned"]
    steps, seconds, unmeasured = 0, 0.0, 0
    for run in trained:
        count = training_steps(study, run)
        steps += count
        each = known.get(_key(workload(study, run)))
        unmeasured += each is None
        seconds += count * (each or 0.0)
    cohorts = Counter(run["cohort"] for run in trained)
    return Plan(dict(cohorts), steps, seconds, unmeasured, measured["device"])


def training_steps(study: "Study", run: Settings) -> int:
    """Number of training steps of a run: epochs times steps per epoch, by default all ordered training pairs."""
    training = run["training"]
    cohorts = [run["cohort"], *([run["auxiliary"]["cohort"]] if run.get("auxiliary") else [])]
    subjects = [len(expand_subjects(study.cohort(cohort))["train"]) for cohort in cohorts]
    return training["epochs"] * (training["steps_per_epoch"] or sum(n * (n - 1) for n in subjects))


def workload(study: "Study", run: Settings) -> dict[str, Any]:
    """Settings that determine the time of a training step: network, similarity, precision, volume shape, regions."""
    cohort = study.cohort(run["cohort"])
    return {
        "network": run["network"],
        "similarity": run["loss"]["similarity"],
        "precision": run["training"]["precision"],
        "shape": cohort["preprocess"]["shape"],
        "regions": len(cohort["anatomy"]["structures"]) + 1,
    }


def _key(entry: Settings) -> str:
    return repr([entry[name] for name in ("network", "similarity", "precision", "shape", "regions")])
