"""A study: its runs with every setting resolved, and the tables and figures that name them."""

import contextlib
import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from textscf.config.catalogue import Catalogue
from textscf.config.validation import suggest, validate
from textscf.errors import InputError
from textscf.io import read_yaml

Settings = dict[str, Any]

_RESERVED = ("cohorts", "complexity", "reference")
_HEAD_SETTINGS = {
    "scf": ("kind", "hidden_channels", "blend"),
    "scp": ("kind", "hidden_channels", "coordinate_stride"),
}

_FURTHER_RUNS = ("with_head",)
"""Keys of a row, beside `run`, that name a run; resolved to a row of their own."""


def load_study(config: Mapping[str, Any], folder: Path, sources: Sequence[str | Path] = ()) -> "Study":
    """Resolve a study.

    Args:
        config: the study's content, as Snakemake merged it from files and command line.
        folder: the `config/` folder with cohorts, experiments, schemas.
        sources: the files that `config` came from; read again to refuse a key given twice.

    Raises:
        InputError: names file and key.
    """
    catalogue = Catalogue(folder)
    for path in sources:
        read_yaml(Path(path))
    config = {key: _typed(value) if key in ("defaults", "runs") else value for key, value in config.items()}
    source = ", ".join(map(str, sources)) or "configuration"
    validate(config, catalogue.schema("study"), source)
    if config["study"] in _RESERVED:
        raise InputError(f"{source}: study: found '{config['study']}', a folder of results/ that is not a study's")
    return _Resolver(catalogue, copy.deepcopy(dict(config)), source).study()


@dataclass(frozen=True)
class Study:
    """A resolved study.

    Attributes:
        name, title: of the study.
        runs: concrete runs (one per seed) by id, all settings resolved.
        groups: run name -> ids of its concrete runs.
        tables, figures: their specifications by name.
    """

    name: str
    title: str
    runs: dict[str, Settings]
    groups: dict[str, list[str]]
    tables: dict[str, Settings]
    figures: dict[str, Settings]
    cohorts: dict[str, str]
    _catalogue: Catalogue = field(repr=False)

    def settings(self, owner: str) -> Settings:
        """Content of ``results/<owner>/config.yaml``; everything that the stage that reads it may depend on."""
        match owner.split("/"):
            case ["cohorts", cohort]:
                return self._catalogue.cohort(cohort)
            case ["cohorts", cohort, "segmentations", segmentor]:
                return self._catalogue.segmentor(cohort, segmentor)
            case ["cohorts", cohort, "prompts", prompts]:
                return self._catalogue.prompts(cohort, prompts)
            case [self.name, "runs", run] if run in self.runs:
                return self.runs[run]
            case [self.name, "tables", table] if table in self.tables:
                return self.tables[table]
            case [self.name, "figures", figure] if figure in self.figures:
                return self.figures[figure]
        raise InputError(f"results/{owner}/config.yaml: nothing of this name in study '{self.name}'")

    def runs_of(self, item: str) -> list[str]:
        """Ids of the concrete runs that a table or figure shows."""
        spec = self.tables.get(item) or self.figures[item]
        return _runs_in(spec["rows"])


def _runs_in(rows: Sequence[Settings]) -> list[str]:
    further = [row[key] for row in rows for key in _FURTHER_RUNS if key in row]
    return [run for row in (*rows, *further) for run in row["runs"]]


def merge(base: Mapping[str, Any], override: Mapping[str, Any]) -> Settings:
    """`base` with `override` laid over it: mappings merge key by key, anything else replaces."""
    result = dict(base)
    for key, value in override.items():
        old = result.get(key)
        result[key] = merge(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return result


def _typed(value: Any) -> Any:
    """`value` with texts that are numbers, booleans or null made such: Snakemake's --config gives texts only."""
    if isinstance(value, Mapping):
        return {key: _typed(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_typed(part) for part in value]
    if not isinstance(value, str):
        return value
    for convert in (int, float):
        with contextlib.suppress(ValueError):
            return convert(value)
    return {"true": True, "false": False, "null": None}.get(value, value)


class _Resolver:
    """Builds a `Study` from a validated configuration."""

    def __init__(self, catalogue: Catalogue, config: Settings, source: str) -> None:
        self.catalogue, self.config, self.source = catalogue, config, source
        self.experiments = {name: catalogue.experiment(name) for name in config["experiments"]}

    def study(self) -> Study:
        runs: dict[str, Settings] = {}
        groups: dict[str, list[str]] = {}
        for name, override in self._definitions().items():
            concrete = self._resolve(name, override)
            clash = next((run for run in concrete if run in runs), None)
            if clash:
                raise InputError(
                    f"{self.source}: run name '{clash}' is used twice (by '{name}' and another run's seed)"
                )
            runs |= concrete
            groups[name] = list(concrete)
        tables, figures = (
            {k: self._item(kind, k, v, groups, runs) for k, v in self._collect(kind).items()}
            for kind in ("tables", "figures")
        )
        return Study(
            self.config["study"],
            self.config["title"],
            runs,
            groups,
            tables,
            figures,
            self.config["cohorts"],
            self.catalogue,
        )

    def _collect(self, kind: str) -> Settings:
        """All runs, tables or figures of the experiments by name; InputError for a name used twice."""
        found: Settings = {}
        for experiment, content in self.experiments.items():
            for name, value in content.get(kind, {}).items():
                if name in found:
                    path = self.catalogue.folder / "experiments" / f"{experiment}.yaml"
                    raise InputError(f"{path}: {kind}: name '{name}' is used twice, also by another experiment")
                found[name] = value
        return found

    def _definitions(self) -> Settings:
        runs = self._collect("runs")
        for name, override in self.config.get("runs", {}).items():
            if name not in runs:
                raise InputError(f"{self.source}: runs: run '{name}' is not defined{suggest(name, runs)}")
            runs[name] = merge(runs[name], override)
        return {name: self._inherited(name, runs, []) for name in runs}

    def _inherited(self, name: str, runs: Settings, heirs: list[str]) -> Settings:
        """Settings of a run over those of the run that it is `like`."""
        definition = dict(runs[name])
        base = definition.pop("like", None)
        if base is None:
            return definition
        if base not in runs or base in [*heirs, name]:
            reason = "it is like this one" if base in runs else f"it is not defined{suggest(base, runs)}"
            raise InputError(f"{self.catalogue.folder}/experiments: runs.{name}.like: '{base}': {reason}")
        return merge(self._inherited(base, runs, [*heirs, name]), definition)

    def _resolve(self, name: str, override: Settings) -> dict[str, Settings]:
        defaults = merge(self.catalogue.run_defaults, self.config.get("defaults", {}))
        run = merge(defaults, override)
        run["cohort"] = self._cohort(name, run["cohort"])
        common = {
            "study": self.config["study"],
            "method": run["method"],
            "cohort": run["cohort"],
        }
        if run["method"] != "learned":
            return {name: {"run": name, **common}}
        seeds = run["seeds"]
        settings = {**common, **self._network(name, run), "loss": run["loss"], "training": run["training"]}
        ids = [name] if len(seeds) == 1 else [f"{name}_seed{seed}" for seed in seeds]
        return {run_id: {"run": run_id, "seed": seed, **settings} for run_id, seed in zip(ids, seeds, strict=True)}

    def _network(self, name: str, run: Settings) -> Settings:
        backbone = run["backbone"]
        if backbone not in run["backbones"]:
            raise InputError(
                f"{self.source}: run '{name}': unknown backbone '{backbone}'" + suggest(backbone, run["backbones"])
            )
        options = {**run["backbones"][backbone], **run["backbone_options"]}
        head, segmentor, prompts = None, None, None
        if run["head"]:
            head = {key: run["head"][key] for key in _HEAD_SETTINGS[run["head"]["kind"]]}
            if head["kind"] == "scf":
                segmentor, prompts = run["head"]["segmentor"], run["head"]["prompts"]
                self.catalogue.segmentor(run["cohort"], segmentor)
                self.catalogue.prompts(run["cohort"], prompts)
        network = {
            "backbone": {"name": backbone, **options},
            "head": head,
            "integration_steps": run["integration_steps"],
        }
        return {"network": network, "segmentor": segmentor, "prompts": prompts}

    def _cohort(self, name: str, role: str) -> str:
        cohorts = self.config["cohorts"]
        if role not in cohorts:
            raise InputError(
                f"{self.source}: cohorts: run '{name}' needs cohort '{role}', which is not defined"
                + suggest(role, cohorts)
            )
        self.catalogue.cohort(cohorts[role])
        return cohorts[role]

    def _item(
        self, kind: str, name: str, spec: Settings, groups: dict[str, list[str]], runs: dict[str, Settings]
    ) -> Settings:
        rows = [self._row(f"{kind}.{name}", row, groups, runs) for row in spec["rows"]]
        cohorts = sorted({runs[run]["cohort"] for run in _runs_in(rows)})
        described = [self.catalogue.cohort(cohort) for cohort in cohorts]
        notices = [c["notice"] for c in described if c["notice"]]
        return {
            **spec,
            "name": name,
            "study": self.config["study"],
            "study_title": self.config["title"],
            "cohorts": [c["title"] for c in described],
            "notices": notices,
            "paper_cohort": self.config.get("paper_cohorts", False),
            "rows": rows,
        }

    def _row(self, item: str, row: Settings, groups: dict[str, list[str]], runs: dict[str, Settings]) -> Settings:
        run = row["run"]
        if run not in groups:
            raise InputError(
                f"{self.catalogue.folder}/experiments: {item}: run '{run}' is not defined{suggest(run, groups)}"
            )
        further = {
            key: self._row(item, {"run": row[key], "label": row["label"]}, groups, runs)
            for key in _FURTHER_RUNS
            if key in row
        }
        return {**row, "runs": groups[run], "segmentor": runs[groups[run][0]].get("segmentor"), **further}
