"""Definitions of runs: the settings from the experiments and the study, without the defaults."""

import itertools
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from textscf.errors import InputError
from textscf.files.names import safe_name, suggest
from textscf.files.schema import validate

Settings = dict[str, Any]


@dataclass(frozen=True)
class Definitions:
    """Runs of a study by name.

    Attributes:
        runs: settings of each run that differ from the defaults; a sweep is replaced by its points.
        sweeps: name of a sweep -> name of each point -> the point's values by dotted setting.
        not_run: name of a run, sweep or point that the study leaves out -> reason. With a run, those that refine it are
            left out too.
    """

    runs: dict[str, Settings]
    sweeps: dict[str, dict[str, Settings]]
    not_run: dict[str, str]


def merge(base: Mapping[str, Any], override: Mapping[str, Any]) -> Settings:
    """Merge `override` into `base`: mappings merge key by key, other values replace those of `base`."""
    result = dict(base)
    for key, value in override.items():
        old = result.get(key)
        result[key] = merge(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return result


def define_runs(
    runs: Mapping[str, Settings],
    study: Mapping[str, Any],
    source: str,
    schema: Path,
    elsewhere: Callable[[], Collection[str]] = tuple,
) -> Definitions:
    """Define all runs, in their order.

    Args:
        runs: definitions from all experiments, by name.
        study: settings of the study; `runs` overrides the definitions and `not_run` leaves runs out, both by name or
            pattern, also single points of a sweep.
        source: the study's file, for messages.
        schema: schema of a run, which the points of a sweep must meet.
        elsewhere: gives the runs of experiments that are not part of the study; settings for these are left out.

    Raises:
        InputError: a name or pattern matches no run of any experiment, `like` names an unknown run or forms a cycle, or
            a sweep is over something that is not a setting, or a point of a sweep has `like` or `sweep`.
    """
    runs, overrides = dict(runs), study.get("runs", {})
    for pattern, override in overrides.items():
        for name in [each for each in runs if fnmatchcase(each, pattern)]:
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
            own = {p: each for p, each in overrides.items() if fnmatchcase(point, p) and not fnmatchcase(name, p)}
            defined[point] = merge(_overridden(definition, own, f"{source}: runs"), point_settings)
    for pattern in overrides:
        _matching(pattern, {**runs, **defined}, f"{source}: runs", elsewhere)
    not_run: dict[str, str] = {}
    for pattern, reason in study.get("not_run", {}).items():
        names = _matching(pattern, {**defined, **sweeps}, f"{source}: not_run", elsewhere)
        not_run |= {point: reason for name in names for point in (name, *sweeps.get(name, {}))}
    for name, settings in defined.items():
        if (base := refined_run(settings)) in not_run:
            not_run.setdefault(name, not_run[str(base)])
    return Definitions(defined, sweeps, not_run)


def refined_run(settings: Mapping[str, Any]) -> str | None:
    """Name of the run whose fields a run refines; None for a run that refines nothing."""
    return settings.get("method_options", {}).get("run") if settings.get("method") == "refined" else None


def _overridden(definition: Settings, overrides: Mapping[str, Settings], where: str) -> Settings:
    """Settings of the points of a sweep with the `overrides` that fit one of them but not the sweep."""
    for pattern, override in overrides.items():
        if wrong := [key for key in ("like", "sweep") if key in override]:
            raise InputError(f"{where}.{pattern}: {wrong[0]}: fits a point of a sweep; expected settings alone")
        definition = merge(definition, override)
    return definition


def _matching(
    pattern: str, known: Mapping[str, Any], where: str, elsewhere: Callable[[], Collection[str]]
) -> list[str]:
    names = [name for name in known if fnmatchcase(name, pattern)]
    outside = (name for name in elsewhere() if name not in known)
    if not names and not any(fnmatchcase(name, pattern) or pattern.startswith(f"{name}-") for name in outside):
        raise InputError(f"{where}: run '{pattern}' is not defined{suggest(pattern, known)}")
    return names


def _inherited(name: str, runs: Mapping[str, Settings], heirs: list[str], source: str) -> Settings:
    """Settings of a run merged into those of the run that `like` names; the sweep of that run is not inherited."""
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
    """Every combination of the sweep's values, by a point name made from the values."""
    points = {}
    for combination in itertools.product(*sweep.values()):
        values = dict(zip(sweep, combination, strict=True))
        tail = "-".join(f"{key.rpartition('.')[2]}{value}" for key, value in values.items())
        points[safe_name(f"{name}-{tail}", f"{source}: sweep of run '{name}'")] = values
    return points


def _nested(values: Mapping[str, Any]) -> Settings:
    """Nested settings from dotted keys, such as ``{"loss.smoothness": 0.1}``."""
    settings: Settings = {}
    for dotted, value in values.items():
        for key in reversed(dotted.split(".")):
            value = {key: value}
        settings = merge(settings, value)
    return settings
