"""What the experiments and the study say of each run, before the defaults are laid beneath it."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from textscf.errors import InputError
from textscf.files.schema import safe_name, suggest, validate

Settings = dict[str, Any]


@dataclass(frozen=True)
class Definitions:
    """Runs of a study by name.

    Attributes:
        runs: settings of each run that differ from the defaults; a sweep is here as its points.
        sweeps: name of a sweep -> name of each of its points -> the values that it stands for.
        not_run: name of a run, sweep or point that is left out -> why.
    """

    runs: dict[str, Settings]
    sweeps: dict[str, dict[str, Settings]]
    not_run: dict[str, str]


def merge(base: Mapping[str, Any], override: Mapping[str, Any]) -> Settings:
    """`base` with `override` laid over it: mappings merge key by key, anything else replaces."""
    result = dict(base)
    for key, value in override.items():
        old = result.get(key)
        result[key] = merge(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return result


def define_runs(runs: Mapping[str, Settings], study: Mapping[str, Any], source: str, schema: Path) -> Definitions:
    """Definitions of all runs, in their order.

    Args:
        runs: of all experiments, by name.
        study: its `runs` are laid over them and its `not_run` leaves some out; both by name or pattern.
        source: the study's file, for messages.
        schema: of a run, which the points of a sweep must meet.

    Raises:
        InputError: a name or pattern that fits no run, a run that is `like` none, a sweep over what is not a setting.
    """
    runs = dict(runs)
    for pattern, override in study.get("runs", {}).items():
        for name in _matching(pattern, runs, f"{source}: runs"):
            runs[name] = merge(runs[name], override)
    defined: dict[str, Settings] = {}
    sweeps: dict[str, dict[str, Settings]] = {}
    for name in runs:
        definition = _inherited(name, runs, [], source)
        sweep = definition.pop("sweep", None)
        if sweep is None:
            defined[name] = definition
            continue
        sweeps[name] = _points(name, sweep, source)
        for point, values in sweeps[name].items():
            point_settings = _nested(values)
            validate(point_settings, schema, f"{source}: sweep of run '{name}'")
            defined[point] = merge(definition, point_settings)
    not_run: dict[str, str] = {}
    for pattern, reason in study.get("not_run", {}).items():
        names = _matching(pattern, {**defined, **sweeps}, f"{source}: not_run")
        not_run |= {point: reason for name in names for point in (name, *sweeps.get(name, {}))}
    return Definitions(defined, sweeps, not_run)


def _matching(pattern: str, known: Mapping[str, Any], where: str) -> list[str]:
    names = [name for name in known if fnmatchcase(name, pattern)]
    if not names:
        raise InputError(f"{where}: run '{pattern}' is not defined{suggest(pattern, known)}")
    return names


def _inherited(name: str, runs: Mapping[str, Settings], heirs: list[str], source: str) -> Settings:
    """Settings of a run over those of the run that it is `like`, whose sweep is its own affair."""
    definition = dict(runs[name])
    base = definition.pop("like", None)
    if base is None:
        return definition
    if base not in runs or base in [*heirs, name]:
        reason = "it is like this one" if base in runs else f"it is not defined{suggest(base, runs)}"
        raise InputError(f"{source}: runs.{name}.like: '{base}': {reason}")
    inherited = _inherited(base, runs, [*heirs, name], source)
    inherited.pop("sweep", None)
    return merge(inherited, definition)


def _points(name: str, sweep: Mapping[str, list[Any]], source: str) -> dict[str, Settings]:
    """Every combination of the sweep's values, by a name made from them."""
    points = {}
    for combination in itertools.product(*sweep.values()):
        values = dict(zip(sweep, combination, strict=True))
        tail = "-".join(f"{key.rpartition('.')[2]}{value}" for key, value in values.items())
        points[safe_name(f"{name}-{tail}", f"{source}: sweep of run '{name}'")] = values
    return points


def _nested(values: Mapping[str, Any]) -> Settings:
    """Settings from dotted keys, such as ``{"loss.smoothness": 0.1}``."""
    settings: Settings = {}
    for dotted, value in values.items():
        for key in reversed(dotted.split(".")):
            value = {key: value}
        settings = merge(settings, value)
    return settings
