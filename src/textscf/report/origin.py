"""Provenance of a study's results: code, packages, machines, time, energy, settings."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from textscf.files.io import read_yaml
from textscf.files.layout import Layout
from textscf.job.usage import Usage, read_usage
from textscf.report.shown import Shown
from textscf.report.trainings import NOT_RECORDED, Training
from textscf.tables.display import Cell, Column, Display

_NAMES = {
    "git_revision": "Code revision",
    "python": "Python",
    "device": "Device",
    "processor": "Processor",
    "precision": "Precision",
}


def warnings(trainings: list[Training]) -> list[str]:
    """Warnings about runs that differ in code, device, precision or packages, or whose code had uncommitted changes."""
    found = []
    for noun, values in (
        ("code revisions", [training.revision for training in trainings]),
        ("devices", [training.device for training in trainings]),
        ("precisions", [training.precision for training in trainings]),
        ("sets of packages", [_packages(training) for training in trainings]),
    ):
        counts = Counter(values)
        if len(counts) > 1:
            listed = "" if noun == "sets of packages" else f": {_counted(counts)}"
            found.append(f"The runs come from {len(counts)} different {noun}{listed}.")
    dirty = sum(training.revision.endswith("-dirty") for training in trainings)
    if dirty:
        found.append(f"{dirty} of {len(trainings)} trained runs come from code with uncommitted changes.")
    return found


def origin(trainings: list[Training]) -> Display:
    """Code, machine and packages of the trained runs; where values differ, each with its number of runs."""
    environments = [training.environment for training in trainings]
    lines = {name: [str(e.get(key, NOT_RECORDED)) for e in environments] for key, name in _NAMES.items()}
    lines["Platform"] = [e["platform"] for e in environments]
    for package in dict.fromkeys(package for e in environments for package in e["packages"]):
        lines[package] = [e["packages"].get(package) or "not installed" for e in environments]
    counted = [_counted(Counter(values)) for values in lines.values()]
    columns = [Column("What", "", [Cell(name) for name in lines]), Column("Version", "", [Cell(c) for c in counted])]
    return Display("Origin", "origin", "Code, machine and packages of the trained runs.", columns, [])


def energy_sentence(trainings: list[Training]) -> str:
    """Sentence on the total energy of all trainings whose device reports it."""
    joules = [t.timing["energy_joules"] for t in trainings if "energy_joules" in t.timing]
    if not joules:
        return "Energy: no device told what the trainings took."
    return f"Energy: {sum(joules) / 3.6e6:.3g} kWh on the GPUs in {len(joules)} of {len(trainings)} trainings."


def stage_times(shown: Shown, results: Path) -> Display | None:
    """Time and memory of the stages of cohorts and runs, by rule, from their logs; None if no log has them."""
    stages: dict[str, list[Usage]] = {}
    for log in _logs(shown, results):
        if taken := read_usage(log):
            stages.setdefault(_rule(log), []).append(taken)
    if not stages:
        return None
    jobs = list(stages.values())
    columns = [
        Column("Rule", "", [Cell(rule) for rule in stages]),
        Column("Jobs", "", [Cell(str(len(taken))) for taken in jobs]),
        _stage_column("Time (min)", [sum(t.seconds for t in taken) / 60 for taken in jobs]),
        _stage_column("Longest job (min)", [max(t.seconds for t in taken) / 60 for taken in jobs]),
        _stage_column("CPU time (min)", [sum(t.cpu_seconds for t in taken) / 60 for taken in jobs]),
        _stage_column("Most memory (GiB)", [max(t.memory_gib for t in taken) for taken in jobs]),
    ]
    total = sum(t.seconds for taken in jobs for t in taken)
    notes = [f"Sum of all: {total / 3600:.2f} h. Jobs that ran side by side count each."]
    return Display("Stages", "stages", "Wall time of the stages of cohorts and runs.", columns, notes)


def common_settings(trainings: list[Training]) -> tuple[dict[str, str], dict[str, dict[str, str]]]:
    """Settings shared by all trained runs, by dotted key, and the other settings of each run, by run."""
    flat = {training.run: _flat(training.settings) for training in trainings}
    first = next(iter(flat.values()), {})
    common = {key: value for key, value in first.items() if all(run.get(key) == value for run in flat.values())}
    own = {run: {key: value for key, value in each.items() if key not in common} for run, each in flat.items()}
    return common, own


def cohort_settings(name: str, results: Path) -> str:
    """Settings of a cohort as YAML, without its anatomy and phantoms, which are long."""
    settings = _without(read_yaml(Layout(results).cohort(name) / "config.yaml"), ("anatomy", "phantom"))
    return yaml.safe_dump(settings, sort_keys=False, allow_unicode=True, width=90)


def _without(content: Any, keys: Sequence[str]) -> Any:
    if not isinstance(content, Mapping):
        return content
    return {key: _without(value, keys) for key, value in content.items() if key not in keys}


def _flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for key, value in settings.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}.")
        elif f"{prefix}{key}" != "run":
            flat[f"{prefix}{key}"] = json.dumps(value, ensure_ascii=False)
    return flat


def _packages(training: Training) -> str:
    return json.dumps([training.environment["python"], training.environment["packages"]], sort_keys=True)


def _counted(counts: Counter[str]) -> str:
    if len(counts) == 1:
        return next(iter(counts))
    return ", ".join(f"{value} ({count} run{'' if count == 1 else 's'})" for value, count in counts.items())


def _logs(shown: Shown, results: Path) -> Iterable[Path]:
    layout = Layout(results)
    folders = [layout.cohort(cohort["name"]) for cohort in shown.cohorts]
    folders += [layout.run(shown.study, run) for run in shown.runs]
    return [log for folder in folders for log in sorted(folder.glob("**/logs/*.log"))]


def _rule(log: Path) -> str:
    """Name of the rule that wrote a log, such as train_segmentor for ``.../segmentations/tiny/logs/train.log``."""
    return "train_segmentor" if log.stem == "train" and log.parts[-4] == "segmentations" else log.stem


def _stage_column(heading: str, values: list[float]) -> Column:
    return Column(heading, "", [Cell(f"{value:.2f}") for value in values])
