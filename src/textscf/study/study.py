"""A study: its runs with all settings resolved, and its tables and figures."""

import contextlib
import copy
import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from textscf.data.cohort import expand_subjects
from textscf.errors import InputError
from textscf.files.io import read_yaml
from textscf.files.names import suggest
from textscf.files.schema import validate
from textscf.study.catalogue import Catalogue
from textscf.study.definitions import Definitions, Settings, define_runs, merge, refined_run
from textscf.study.item_checks import check_item, check_name, check_structure
from textscf.study.released_models import check_models
from textscf.study.rows import Rows, runs_in
from textscf.study.run_settings import Runs
from textscf.training.schedule import training_stages

_NOT_FINISHED = "not finished"
_PLAIN_SEED = 1
_RESERVED = ("cohorts", "complexity", "reference")
_HEAD_SETTINGS = {
    "scf": ("kind", "hidden_channels", "blend", "parametrisation"),
    "scp": ("kind", "hidden_channels", "coordinate_stride", "parametrisation"),
}


def load_study(
    config: Mapping[str, Any],
    folder: Path,
    sources: Sequence[str | Path] = (),
    own: Path | None = None,
    is_finished: Callable[[str], bool] = lambda run: True,
) -> "Study":
    """Resolve a study.

    Args:
        config: the study's content, merged by Snakemake from files and command line.
        folder: the `config/` folder with cohorts, experiments, schemas.
        sources: the files of `config`; they are read again to find keys that occur twice.
        own: a user's folder, whose cohorts, experiments and prompts come before those of `folder`.
        is_finished: tells by a run's id whether the run has its results. With `only_finished` in `config`, other runs
            are left out.

    Raises:
        InputError: the configuration is invalid; the message names file and key.
    """
    catalogue = Catalogue(folder, own)
    for path in sources:
        read_yaml(Path(path))
    config = {key: _typed(value) if key in ("defaults", "runs") else value for key, value in config.items()}
    source = ", ".join(map(str, sources)) or "configuration"
    validate(config, catalogue.schema("study"), source)
    accepted = [name.strip() for name in (config.get("accept") or "").split(",") if name.strip()]
    catalogue.check_data_sets(accepted, f"{source}: accept")
    if config["study"] in _RESERVED:
        raise InputError(f"{source}: study: found '{config['study']}', a folder of results/ that is not a study's")
    finished = is_finished if config.get("only_finished") else lambda run: True
    return _Resolver(catalogue, copy.deepcopy(dict(config)), source, finished).study()


@dataclass(frozen=True)
class Study:
    """A resolved study.

    Run names with equal settings share their concrete runs, so that no training is repeated. The first name in the
    order of the experiments gives a shared run its id; an experiment added at the end therefore renames no run. Run
    names whose settings differ only in their seeds are one method. Each of these names gets the runs of all their
    seeds, so that every table and figure shows the same value for the method.

    Attributes:
        name, title: name and title of the study.
        runs: settings of the concrete runs (one per seed) by id, fully resolved.
        groups: run name -> ids of its concrete runs in the order of their seeds; empty for an omitted run.
        tables, figures: specifications of tables and figures by name.
        left_out: names of omitted tables and figures, which would be empty because none of their rows is run.
        cohorts: role -> name of the cohort.
        paper_cohort: whether the cohorts are the paper's own.
        stands_for: the paper's cohort in whose place the primary cohort is, "abdomen" or "brain".
        convention: how missing and lost structures count, "paper" or "learn2reg".
        models: settings of the released models by name, from the study's file.
    """

    name: str
    title: str
    runs: dict[str, Settings]
    groups: dict[str, list[str]]
    tables: dict[str, Settings]
    figures: dict[str, Settings]
    left_out: list[str]
    cohorts: dict[str, str]
    paper_cohort: bool
    stands_for: str
    convention: str
    models: dict[str, Settings]
    _catalogue: Catalogue = field(repr=False)
    _rows: "Rows" = field(repr=False)

    @property
    def step_times(self) -> Path:
        """File of the measured step times, used by `plan`."""
        return self._catalogue.folder / "step_times.yaml"

    @property
    def claims_file(self) -> Settings:
        """Content of `config/claims.yaml`."""
        return self._catalogue.claims

    @property
    def reported(self) -> Settings:
        """Content of `config/reported.yaml`."""
        return self._catalogue.reported

    def row(self, run: str, label: str) -> Settings | None:
        """Resolved row for a run or sweep, as in tables and figures; None for an undefined name."""
        defined = run in self.groups or run in self._rows.defined.sweeps
        return self._rows.resolve(run, {"run": run, "label": label}) if defined else None

    def cohort(self, cohort: str) -> Settings:
        """A cohort's settings; InputError for an unknown one."""
        return self._catalogue.cohort(cohort)

    def segmentor(self, cohort: str, segmentor: str) -> Settings:
        """Settings of a segmentor of a cohort; InputError for an unknown one."""
        return self._catalogue.segmentor(cohort, segmentor)

    def prompts(self, cohort: str, prompts: str) -> Settings:
        """Settings of a cohort's prompts; InputError for unknown ones."""
        return self._catalogue.prompts(cohort, prompts)

    def runs_of(self, item: str) -> list[str]:
        """Ids of the concrete runs shown in a table or figure; InputError for one that is not drawn."""
        items = self.tables | self.figures
        if item not in items:
            reason = "none of its rows is run" if item in self.left_out else "it is not defined" + suggest(item, items)
            raise InputError(f"study {self.name}: no table or figure '{item}': {reason}")
        return runs_in(items[item]["rows"])


def _run_id(name: str, seed: int) -> str:
    """Id of a run's training with one seed. It depends on no other seed, so that adding one trains nothing again."""
    return name if seed == _PLAIN_SEED else f"{name}_seed{seed}"


def _but_for_the_seed(settings: Settings) -> str:
    """Settings without their seed as text; equal for settings that differ only in the seed."""
    return json.dumps({key: value for key, value in settings.items() if key != "seed"}, sort_keys=True)


def _shows_anything(item: Settings, runs: Mapping[str, Settings]) -> bool:
    """Whether a table or figure has anything to show.

    At least one row must have a run, in a complexity table and in validation curves a trained one, in a forest plot one
    beside the reference. Accuracy tables are never empty, because they list 'not run' rows.
    """
    kind = item.get("kind", "accuracy")
    if kind == "forest":
        present = {row["run"] for row in item["rows"] if row["runs"]}
        return item["reference"] in present and len(present) > 1
    shown = [runs[run] for run in runs_in(item["rows"])]
    if kind in ("complexity", "validation_curves"):
        shown = [run for run in shown if run["method"] == "learned"]
    return bool(shown) or kind == "accuracy"


def _typed(value: Any) -> Any:
    """Convert texts in `value` to numbers, booleans or None; Snakemake's --config gives only texts."""
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

    def __init__(self, catalogue: Catalogue, config: Settings, source: str, is_finished: Callable[[str], bool]) -> None:
        self.catalogue, self.config, self.source, self.is_finished = catalogue, config, source, is_finished
        self.experiments = {name: catalogue.experiment(name) for name in config["experiments"]}

    def study(self) -> Study:
        schema = self.catalogue.schema("run")
        defined = define_runs(self._collect("runs"), self.config, self.source, schema, self.catalogue.all_runs)
        runs, groups = self._concrete(defined)
        check_models(self.config.get("models", {}), runs, groups, self.catalogue, self.source)
        defined, runs, groups = self._finished(defined, runs, groups)
        rows = Rows(defined, groups, runs, f"{self.catalogue.folder}/experiments")
        tables, figures = (
            {name: self._item(f"{kind}.{name}", self._with_blocks(name, spec), rows) for name, spec in found.items()}
            for kind, found in ((kind, self._collect(kind)) for kind in ("tables", "figures"))
        )
        if both := sorted(tables.keys() & figures.keys()):
            raise InputError(
                f"{self.catalogue.folder}/experiments: '{both[0]}' names a table and a figure; expected two names, as "
                "each is a target of the workflow"
            )
        empty = [name for name, item in (tables | figures).items() if not _shows_anything(item, runs)]
        return Study(
            self.config["study"],
            self.config["title"],
            Runs(self.config["study"], runs, groups),
            groups,
            {name: table for name, table in tables.items() if name not in empty},
            {name: figure for name, figure in figures.items() if name not in empty},
            empty,
            self.config["cohorts"],
            self._paper_cohort,
            self.config.get("stands_for", "abdomen"),
            self._convention,
            self.config.get("models", {}),
            self.catalogue,
            rows,
        )

    def _concrete(self, defined: Definitions) -> tuple[dict[str, Settings], dict[str, list[str]]]:
        """Concrete runs by id, and their ids by run name; names that differ only in their seeds share the runs."""
        runs: dict[str, Settings] = {}
        alike: dict[str, dict[int, str]] = {}
        settled: dict[str, dict[int, str]] = {}
        for name, override in defined.runs.items():
            if name in defined.not_run or refined_run(override):
                continue
            for run_id, settings in self._resolve(name, override).items():
                seed = settings.get("seed", 0)
                seeds = settled[name] = alike.setdefault(_but_for_the_seed(settings), {})
                if seeds.setdefault(seed, run_id) != run_id:
                    continue
                if run_id in runs:
                    raise InputError(
                        f"{self.source}: run name '{run_id}' is used twice (by '{name}' and another run's seed)"
                    )
                runs[run_id] = {"run": run_id, **settings}
        ids = {name: [seeds[seed] for seed in sorted(seeds)] for name, seeds in settled.items()}
        for name, override in defined.runs.items():
            if name not in defined.not_run and (base := refined_run(override)):
                refined = self._refined(name, override["method_options"], {run: runs[run] for run in ids.get(base, [])})
                runs |= refined
                ids[name] = list(refined)
        return runs, {name: ids.get(name, []) for name in defined.runs}

    def _finished(
        self, defined: Definitions, runs: dict[str, Settings], groups: dict[str, list[str]]
    ) -> tuple[Definitions, dict[str, Settings], dict[str, list[str]]]:
        """Leave out the concrete runs that are not finished; a name without any finished run is under `not_run`."""
        runs = {run: settings for run, settings in runs.items() if self.is_finished(run)}
        finished = {name: [run for run in ids if run in runs] for name, ids in groups.items()}
        waiting = {name: _NOT_FINISHED for name, ids in groups.items() if ids and not finished[name]}
        return dataclasses.replace(defined, not_run=waiting | defined.not_run), runs, finished

    def _refined(self, name: str, options: Settings, refined: dict[str, Settings]) -> dict[str, Settings]:
        """Settings of the concrete runs that refine the `refined` ones, one for each seed, by id.

        They are those of the refined run, but for the method and its options.
        """
        where = f"{self.source}: run '{name}': method_options"
        options = self.catalogue.method_options("refined", options, where)
        if not refined or any(run["method"] != "learned" for run in refined.values()):
            raise InputError(f"{where}.run: '{options['run']}'; expected a run that is trained, and not a sweep")
        ids = [_run_id(name, run["seed"]) for run in refined.values()]
        return {
            run_id: {**run, "run": run_id, "method": "refined", "method_options": {**options, "run": base}}
            for run_id, (base, run) in zip(ids, refined.items(), strict=True)
        }

    def _collect(self, kind: str) -> Settings:
        """All runs, tables or figures of the experiments by name; InputError for a name used twice.

        They keep the order of the experiments. Within an experiment, single runs come before sweeps: a sweep point with
        equal settings then shares the single run and its id.
        """
        found: Settings = {}
        for experiment, content in self.experiments.items():
            path = self.catalogue.path("experiments", experiment)
            for name, value in sorted(content.get(kind, {}).items(), key=lambda entry: "sweep" in entry[1]):
                if kind != "runs":
                    check_name(name, f"{path}: {kind}")
                if name in found:
                    raise InputError(f"{path}: {kind}: name '{name}' is used twice, also by another experiment")
                found[name] = value
        return found

    def _resolve(self, name: str, override: Settings) -> dict[str, Settings]:
        """Settings of the concrete runs of a run name, one per seed, by id."""
        defaults = merge(self.catalogue.run_defaults, self.config.get("defaults", {}))
        run = merge(defaults, override)
        run["cohort"] = self._own_cohort(name, run["cohort"])
        common = {
            "study": self.config["study"],
            "method": run["method"],
            "cohort": run["cohort"],
        }
        where = f"{self.source}: run '{name}': method_options"
        if options := self.catalogue.method_options(run["method"], run["method_options"], where):
            common |= {"method_options": options, **self._compared(name, run, options)}
        if run["method"] != "learned":
            return {name: common}
        seeds = run["seeds"]
        auxiliary = self._auxiliary(name, run)
        network = self._network(name, run, auxiliary)
        self._check_stages(name, run["backbone"], run["training"])
        for cohort in (run["cohort"], *([auxiliary["cohort"]] if auxiliary else [])):
            self._check_training_pairs(name, cohort)
        settings = {**common, **network, "loss": run["loss"], "training": run["training"]}
        if auxiliary:
            settings["auxiliary"] = auxiliary
        return {_run_id(name, seed): {"seed": seed, **settings} for seed in seeds}

    def _compared(self, name: str, run: Settings, options: Settings) -> Settings:
        """Options and segmentor of a method that can compare the regions of both scans; nothing for other methods."""
        if "segmentor" not in options:
            return {}
        segmentor = None
        if options.get("features", "segmentation") == "segmentation":
            segmentor = options["segmentor"] or (run["head"] or {}).get("segmentor")
            if segmentor is None:
                raise InputError(f"{self.source}: run '{name}': method_options.segmentor: found none; expected a name")
            self.catalogue.check_segmentor(run["cohort"], segmentor, f"{self.source}: run '{name}'")
        return {"method_options": {**options, "segmentor": segmentor}, "segmentor": segmentor}

    def _check_stages(self, name: str, backbone: str, training: Settings) -> None:
        """Check that the network has these training stages, and that each gets an epoch; InputError otherwise.

        Without this check, the error would come only when the run is trained.
        """
        try:
            training_stages(training["stages"], self.catalogue.stages(backbone), training["epochs"], 1)
        except InputError as error:
            raise InputError(f"{self.source}: run '{name}': {error}") from None

    def _check_training_pairs(self, name: str, cohort: str) -> None:
        """Raise InputError for a cohort with less than two training subjects, for the same reason."""
        subjects = expand_subjects(self.catalogue.cohort(cohort))["train"]
        if len(subjects) < 2:
            raise InputError(
                f"{self.source}: run '{name}': cohort '{cohort}' has {len(subjects)} training subject; expected 2 or "
                "more, as training takes pairs"
            )

    def _auxiliary(self, name: str, run: Settings) -> Settings | None:
        """Settings of a run's auxiliary cohort, with the role replaced by the cohort's name; None without one."""
        if run["auxiliary"] is None:
            return None
        cohort = self._cohort(name, run["auxiliary"]["cohort"])
        if cohort == run["cohort"]:
            raise InputError(f"{self.source}: run '{name}': auxiliary.cohort: '{cohort}' is the run's own cohort")
        return {**run["auxiliary"], "cohort": cohort}

    def _network(self, name: str, run: Settings, auxiliary: Settings | None) -> Settings:
        backbone = run["backbone"]
        if backbone not in run["backbones"]:
            raise InputError(
                f"{self.source}: run '{name}': unknown backbone '{backbone}'" + suggest(backbone, run["backbones"])
            )
        self.catalogue.check_backbone(
            backbone, run["backbone_options"], f"{self.source}: run '{name}': backbone_options of {backbone}"
        )
        options = {**run["backbones"][backbone], **run["backbone_options"]}
        if options.get("full_resolution", False) is None:
            options["full_resolution"] = self.catalogue.field(run["cohort"]) == "full"
        encoded = auxiliary["cohort"] if auxiliary and auxiliary["encode"] else None
        head, segmentor, prompts = None, None, None
        if run["head"]:
            head = {key: run["head"][key] for key in _HEAD_SETTINGS[run["head"]["kind"]]}
            if head["kind"] == "scf":
                segmentor, prompts = run["head"]["segmentor"], run["head"]["prompts"]
                prompts = f"{prompts}.{encoded}" if encoded else prompts
                self.catalogue.check_segmentor(run["cohort"], segmentor, f"{self.source}: run '{name}'")
                self.catalogue.prompts(run["cohort"], prompts)
        if encoded and not prompts:
            raise InputError(f"{self.source}: run '{name}': auxiliary.encode: found true; expected a text-driven head")
        network = {
            "backbone": {"name": backbone, **options},
            "head": head,
            "integration_steps": run["integration_steps"],
            "placement": run["placement"],
        }
        return {"network": network, "segmentor": segmentor, "prompts": prompts}

    def _own_cohort(self, name: str, role: str) -> str:
        """Cohort on which a run is trained and evaluated; InputError if it lacks validation or test pairs."""
        cohort = self._cohort(name, role)
        pairs = self.catalogue.cohort(cohort)["pairs"]
        missing = [split for split in ("validation", "test") if split not in pairs]
        if missing:
            raise InputError(
                f"{self.source}: run '{name}': cohort '{cohort}' has no {missing[0]} pairs; it can only be auxiliary "
                "data of another"
            )
        return cohort

    def _cohort(self, name: str, role: str) -> str:
        cohorts = self.config["cohorts"]
        if role not in cohorts:
            raise InputError(
                f"{self.source}: cohorts: run '{name}' needs cohort '{role}', which is not defined"
                + suggest(role, cohorts)
            )
        self.catalogue.cohort(cohorts[role])
        return cohorts[role]

    def _with_blocks(self, item: str, spec: Settings) -> Settings:
        """A table or figure with the rows that other experiments add to it, each with the heading of its block."""
        blocks = [content["blocks"][item] for content in self.experiments.values() if item in content.get("blocks", {})]
        added = [{**row, "block": block["heading"]} for block in blocks for row in block["rows"]]
        remarks = [block["remark"] for block in blocks if "remark" in block]
        return {**spec, "rows": [*spec["rows"], *added], **({"remarks": remarks} if remarks else {})}

    def _item(self, item: str, spec: Settings, rows: "Rows") -> Settings:
        resolved = [rows.resolve(item, row) for row in spec["rows"]]
        check_item(item, spec, self.catalogue.reported, f"{rows.folder}: {item}")
        described = [self.catalogue.cohort(cohort) for cohort in rows.cohorts(resolved)]
        for cohort in described:
            check_structure(spec.get("structure"), cohort, f"{rows.folder}: {item}")
        auxiliary = [self.catalogue.cohort(cohort) for cohort in rows.auxiliary_cohorts(resolved)]
        notices = [c["notice"] for c in described if c["notice"]]
        notices += [f"auxiliary {c['title']}: {c['notice']}" for c in auxiliary if c["notice"]]
        return {
            "convention": self._convention,
            **spec,
            "name": item.partition(".")[2],
            "study": self.config["study"],
            "study_title": self.config["title"],
            "cohorts": [c["title"] for c in described],
            "notices": notices,
            "paper_cohort": self._paper_cohort,
            "rows": resolved,
        }

    @property
    def _paper_cohort(self) -> bool:
        return bool(self.config.get("paper_cohorts", False))

    @property
    def _convention(self) -> str:
        return str(self.config.get("convention", "paper" if self._paper_cohort else "learn2reg"))
