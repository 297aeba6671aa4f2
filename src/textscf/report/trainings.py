"""Trainings of a study: history, time, memory and energy of each."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from textscf.errors import InputError
from textscf.files.io import read_json
from textscf.report.row_names import labelled_rows
from textscf.results.items import Item, Results, read_csv
from textscf.tables.display import NOT_CONVERGED, Cell, Column, Display
from textscf.training.convergence import RULE, is_converged

DICE = "validation_dice"
NOT_RECORDED = "not recorded"

_TIMING = ("steps", "seconds", "seconds_per_step", "best_validation_dice", "peak_memory_gib")


@dataclass(frozen=True)
class Training:
    """A trained run.

    Attributes:
        run: id of the run.
        label: label of the run's row, with the seed if the row has several runs.
        settings: resolved settings of the run.
        history: step, loss terms and validation Dice of each epoch.
        timing: content of `timing.json`.
        environment: content of `environment.json`.
    """

    run: str
    label: str
    settings: dict[str, Any] = field(repr=False)
    history: pd.DataFrame = field(repr=False)
    timing: dict[str, Any]
    environment: dict[str, Any] = field(repr=False)

    @property
    def device(self) -> str:
        """Name of the GPU, or of the processor for a run on the CPU."""
        device = self.environment["device"]
        return f"CPU: {self.environment['processor']}" if device == "cpu" else device

    @property
    def precision(self) -> str:
        """Precision that the device computed in, which is not that of the settings if it has no bfloat16."""
        return self.environment.get("precision", NOT_RECORDED)

    @property
    def memory_gib(self) -> float:
        """Peak memory of the GPU, or of the process for a run on the CPU."""
        return self.timing.get("peak_device_memory_gib", self.timing["peak_memory_gib"])

    @property
    def revision(self) -> str:
        """Git revision of the code, or `unknown`."""
        return self.environment["git_revision"] or "unknown"


def load_trainings(items: Iterable[Item], results: Results) -> dict[str, list[Training]]:
    """Load the trained runs, grouped by the heading of the first table or figure that shows them.

    The runs of several seeds are labelled by their seed.
    """
    groups: dict[str, list[Training]] = {}
    seen: set[str] = set()
    for item in items:
        rows = [labelled for labelled in labelled_rows(item) if not labelled[1].points]  # the points are rows, too
        for label, row, run in ((*labelled, run) for labelled in rows for run in labelled[1].runs):
            if run in seen:
                continue
            seen.add(run)
            settings = results.settings(run)
            if settings["method"] == "learned":
                told = f"{label}, seed {settings['seed']}" if len(row.runs) > 1 else label
                groups.setdefault(item.number, []).append(_load(run, told, settings, results))
    return groups


def _load(run: str, label: str, settings: dict[str, Any], results: Results) -> Training:
    folder = results.run_folder(run)
    history = read_csv(folder / "history.csv", ["step", DICE], "the history of a training, made by src/train.py")
    timing, environment = read_json(folder / "timing.json"), read_json(folder / "environment.json")
    for content, keys, name in (
        (timing, _TIMING, "timing.json"),
        (environment, ("git_revision", "python", "packages", "platform", "processor", "device"), "environment.json"),
    ):
        missing = [key for key in keys if key not in content]
        if missing:
            raise InputError(f"{folder / name}: key '{missing[0]}' is missing; expected a file made by src/train.py")
    return Training(run, label, settings, history, timing, environment)


def trainings_table(trainings: list[Training]) -> Display:
    """Table of steps, best Dice, time, memory and energy of each training, in the units of the headings."""
    columns = [
        Column("Run", "", [Cell(training.label) for training in trainings]),
        Column("Name", "", [Cell(training.run) for training in trainings]),
        _column("Steps", trainings, "steps", 1, 0),
        _column("Best Dice (%)", trainings, "best_validation_dice", 100, 2),
        _rises(trainings),
        _column("Time (s)", trainings, "seconds", 1, 1),
        _column("s per step", trainings, "seconds_per_step", 1, 4),
        _column("Memory (GiB)", trainings, "peak_memory_gib", 1, 2),
    ]
    if any(training.timing.get("restarts") for training in trainings):
        counts = [len(training.timing.get("restarts", [])) for training in trainings]
        columns.append(Column("Restarts", "", [Cell(str(count)) for count in counts]))
    for heading, key, scale in (
        ("GPU memory (GiB)", "peak_device_memory_gib", 1),
        ("Energy (kJ)", "energy_joules", 1e-3),
    ):
        if any(key in training.timing for training in trainings):
            columns.append(_column(heading, trainings, key, scale, 2))
    columns.append(Column("Device", "", [Cell(training.device) for training in trainings]))
    notes = [f"{NOT_CONVERGED} not converged. A training has converged if its rise is below 0.3: {RULE}."]
    if any(training.timing.get("restarts") for training in trainings):
        notes.append("Restarts: how often a training diverged and went on from its best state with half the rate.")
    if any(training.timing["best_validation_dice"] is None for training in trainings):
        notes.append("Without best Dice: no validation pair has labels; the network is that of the last epoch.")
    if any("energy_joules" in training.timing for training in trainings):
        notes.append("Energy: of the whole GPU from the start of training to its end, its idle power included.")
    caption = "What each training took; best Dice: the highest on the validation pairs."
    return Display("Trained runs", "trainings", caption, columns, notes)


def _rises(trainings: list[Training]) -> Column:
    """Column with the rise of validation Dice over the last tenth of each training, in points."""
    rises = [training.timing.get("last_rise") for training in trainings]
    unknown = [training.timing["best_validation_dice"] is None for training in trainings]
    marks = [
        "" if without_dice or is_converged(rise) else f" {NOT_CONVERGED}"
        for rise, without_dice in zip(rises, unknown, strict=True)
    ]
    cells = [
        Cell(f"{'-' if rise is None else f'{100 * rise:+.2f}'}{mark}") for rise, mark in zip(rises, marks, strict=True)
    ]
    return Column("Last rise (points)", "", cells)


def _column(heading: str, trainings: list[Training], key: str, scale: float, decimals: int) -> Column:
    values = [training.timing.get(key) for training in trainings]
    cells = [Cell("-" if value is None else f"{value * scale:.{decimals}f}") for value in values]
    return Column(heading, "", cells)
