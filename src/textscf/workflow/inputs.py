"""Paths of a study's files below `results/`, and the input files of each rule."""

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from textscf.data.changed_scans import changed_scans, other_source
from textscf.data.recipe import FIRST
from textscf.data.releases import is_simulated
from textscf.files.layout import COST_FILE, NETWORK_FILES, Layout, trained_run
from textscf.files.registry import MEASURES, entries_with
from textscf.study.study import Study
from textscf.workflow.claims_settings import claims_settings, rows_counted, rows_segmented, runs_read
from textscf.workflow.model_settings import model_settings
from textscf.workflow.report_settings import CLAIM, PARTS, pairs_used, report_settings, viewed_table


class StudyFiles:
    """Input paths for the rules of the workflow, relative to the working directory."""

    def __init__(self, study: Study) -> None:
        self._study = study
        self._layout = Layout()
        self._on_request = entries_with(MEASURES, "on_request")

    def source(self, cohort: str) -> list[str]:
        """Input of a cohort's simulation: the completed download (`source.json`) for a real anatomy, else nothing."""
        real = self._study.cohort(cohort)["source"]["kind"] == "archive"
        return [f"{self._layout.cohort(cohort)}/source.json"] if real else []

    def raw(self, cohort: str) -> str:
        """Input of preprocessing: the file that marks the downloaded or simulated scans as complete."""
        simulated = is_simulated(self._study.cohort(cohort))
        return f"{self._layout.cohort(cohort)}/{'raw/simulation.json' if simulated else 'source.json'}"

    def changes(self, data_root: Path | None, moved: Callable[[str], str]) -> list[str]:
        """Warnings of scans in `data_root` that differ from those that the study's cohorts were made from.

        `moved` gives the place of a path of results, which a module's `prefix` moves.
        """
        found = []
        for cohort in sorted({run["cohort"] for run in self._study.runs.values()}):
            if not self.source(cohort):
                continue
            settings, folder = self._study.cohort(cohort), moved(str(self._layout.cohort(cohort)))
            record = f"{folder}/source.json"
            made = f"{folder}/{'raw/simulation.json' if is_simulated(settings) else 'cohort.json'}"
            other = other_source(settings, Path(record), data_root) if data_root else None
            if other:
                found.append(
                    f"Cohort {cohort} was made from {other[0]}, and {other[1]} is not read: add -R {record} to take it."
                )
            elif changed := changed_scans(settings, Path(folder, "source"), Path(made)):
                more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
                found.append(
                    f"Cohort {cohort} was made before {changed[0].resolve()}{more} changed, and is not made again by "
                    f"itself: add -R {made} to take in the changes."
                )
        return found

    def template(self, cohort: str) -> list[str]:
        """File of the template with which a cohort's scans are aligned, if any."""
        align = self._study.cohort(cohort)["preprocess"].get("align")
        return [align["to"]] if align and align["to"] != FIRST else []

    def encoder_files(self, cohort: str, prompts: str) -> list[str]:
        """File of vectors or weights that a prompt set names, if any; `pretrained` may also be a tag."""
        settings = self._study.prompts(cohort, prompts)
        match settings["encoder"]:
            case "file":
                return [settings["file"]] if "file" in settings else []
            case "open_clip":
                return [path] if Path(path := settings.get("pretrained", "")).is_file() else []
        return []

    def raw_folder(self, cohort: str) -> str:
        """Folder of the downloaded or simulated scans."""
        return f"{self._layout.cohort(cohort)}/{'raw' if is_simulated(self._study.cohort(cohort)) else 'source'}"

    def segmentor_network(self, cohort: str, segmentor: str) -> list[str]:
        """Weights of a segmentor, trained here or pretrained; empty for a segmentor without weights."""
        name = NETWORK_FILES.get(self._study.segmentor(cohort, segmentor)["source"])
        return [f"{self._layout.segmentation(cohort, segmentor)}/{name}"] if name else []

    def segmenting(self, cohort: str, segmentor: str) -> dict[str, str]:
        """Weights of a segmentor, if any, and the raw scans for a pretrained one, which reads no preprocessed scans."""
        known = dict(zip(["network"], self.segmentor_network(cohort, segmentor), strict=False))
        pretrained = self._study.segmentor(cohort, segmentor)["source"] == "pretrained"
        return known | ({"raw": self.raw_folder(cohort)} if pretrained else {})

    def head(self, run: str) -> dict[str, str]:
        """Segmentation and embedding of a run with a text-driven head; empty for other runs."""
        settings = self._study.runs[run]
        if not settings.get("prompts"):
            return {}
        embedding = f"{self._layout.prompts(settings['cohort'], settings['prompts'])}/embedding.npz"
        return {"segmentation": self.segmentation([run])[0], "embedding": embedding}

    def segmentation(self, runs: Iterable[str]) -> list[str]:
        """Segmentations of those runs that use regions: by a text-driven head, or by a method that compares them."""
        settings = [self._study.runs[run] for run in runs]
        folders = {self._layout.segmentation(s["cohort"], s["segmentor"]) for s in settings if s.get("segmentor")}
        return sorted(f"{folder}/segmentation.json" for folder in folders)

    def segmentation_costs(self, runs: Iterable[str]) -> list[str]:
        """Files with the costs of the segmentations that runs use."""
        return [str(Path(path).with_name(COST_FILE)) for path in self.segmentation(runs)]

    def segmentor_histories(self, runs: Iterable[str]) -> list[str]:
        """Histories of the segmentors trained here that runs use."""
        settings = [self._study.runs[run] for run in runs]
        used = {(s["cohort"], s["segmentor"]) for s in settings if s.get("segmentor")}
        trained = [pair for pair in sorted(used) if self._study.segmentor(*pair)["source"] == "train"]
        return [f"{self._layout.segmentation(*pair)}/history.csv" for pair in trained]

    def auxiliary(self, run: str) -> list[str]:
        """The preprocessed auxiliary cohort of a run; empty for a run without one."""
        auxiliary = self._study.runs[run].get("auxiliary")
        return [f"{self._layout.cohort(auxiliary['cohort'])}/cohort.json"] if auxiliary else []

    def checkpoints(self, runs: Iterable[str]) -> list[str]:
        """Checkpoints of the trained runs among `runs`, and of those that they refine."""
        return [self._run(run, "checkpoint.pt") for run in self._trained(runs)]

    def registering(self, runs: Iterable[str]) -> list[str]:
        """Checkpoints, segmentations and fields with which runs register pairs, and their cohorts."""
        runs = list(runs)
        fields = (path for run in runs for path in self.fields(run))
        return [*self.checkpoints(runs), *self.segmentation(runs), *fields]

    def fields(self, run: str) -> list[str]:
        """Displacement fields from elsewhere that a run names, as far as they are there; the evaluation checks them."""
        options = self._study.runs[run].get("method_options", {})
        if "fields" not in options:
            return []
        names = options["pattern"].replace("{fixed}", "*").replace("{moving}", "*")
        return sorted(map(str, Path(options["fields"]).glob(names)))

    def metrics(self, item: str) -> list[str]:
        """Metrics files of all runs in a table or figure."""
        runs = self._study.runs_of(item)
        return [self._run(run, name) for run in runs for name in ("metrics.csv", "pairs.csv")]

    def requested_metrics(self, run: str) -> list[str]:
        """Metrics that are measured only on request, and that a table of the study shows for a run."""
        tables = [spec for name, spec in self._study.tables.items() if run in self._study.runs_of(name)]
        shown = {name for spec in tables for name in spec.get("metrics") or ()}
        return sorted(shown.intersection(self._on_request))

    def timings(self, item: str) -> list[str]:
        """Timing files of all trainings behind a table or figure."""
        return [self._run(run, "timing.json") for run in self._trained(self._study.runs_of(item))]

    def segmentor_accuracy(self, table: str) -> list[str]:
        """Accuracy files of the segmentors of a table's rows; empty if the table does not show segmentor accuracy."""
        tells = self._study.tables[table].get("segmentor_accuracy")
        return self._accuracies(self._study.runs_of(table)) if tells else []

    def complexity(self, item: str) -> list[str]:
        """Complexity files of the networks in a table or figure, for the first seed of each run (seeds are alike)."""
        rows = (self._study.tables.get(item) or self._study.figures[item])["rows"]
        return self._counts([point for row in rows for point in row.get("points") or [row]])

    def claims(self) -> list[str]:
        """Input of the claims page: settings, metrics and timing of runs, segmentor accuracies, complexity files."""
        settings = claims_settings(self._study)
        runs = runs_read(settings)
        segmented = [run for row in rows_segmented(settings) for run in row["runs"]]
        return [
            *(self._run(run, name) for run in runs for name in ("config.yaml", "metrics.csv", "pairs.csv")),
            *(self._run(run, "timing.json") for run in self._trained(runs)),
            *self._accuracies(segmented),
            *self._counts_of_claims(),
            f"{self._layout.root}/{CLAIM}.csv",
        ]

    def complexity_counts(self) -> list[str]:
        """All complexity files that the study needs. One job makes them all: counting is faster than starting a job."""
        items = [*self.tables("complexity"), *self.figures("cost")]
        return sorted({path for item in items for path in self.complexity(item)} | set(self._counts_of_claims()))

    def complexity_settings(self) -> list[str]:
        """Settings files of the runs of `complexity_counts`, in the same order."""
        return [path.replace("complexity.json", "config.yaml") for path in self.complexity_counts()]

    def complexity_shapes(self) -> list[str]:
        """Files that give volumes, text vectors and segmentors of the networks of `complexity_counts`."""
        runs = [Path(path).parent.name for path in self.complexity_counts()]
        segmentors = {str(Path(path).with_name("config.yaml")) for path in self.segmentation(runs)}
        cohorts = {f"{self._layout.cohort(self._study.runs[run]['cohort'])}/cohort.json" for run in runs}
        return sorted(cohorts | segmentors | {path for run in runs if (path := self.head(run).get("embedding"))})

    def tables(self, kind: str) -> list[str]:
        """Names of the tables of a kind."""
        return [name for name, spec in self._study.tables.items() if spec.get("kind", "accuracy") == kind]

    def figures(self, kind: str) -> list[str]:
        """Names of the figures of a kind."""
        return [name for name, spec in self._study.figures.items() if spec["kind"] == kind]

    def of_table(self, table: str) -> list[str]:
        """Files of runs and segmentors that a table of any kind is made from."""
        match self._study.tables[table].get("kind", "accuracy"):
            case "complexity":
                return self.complexity(table)
            case "learning_rate":
                return self.timings(table)
            case "structures":
                return self.metrics(table)
        return [*self.metrics(table), *self.timings(table), *self.segmentor_accuracy(table)]

    def of_figure(self, figure: str) -> list[str]:
        """Files of runs that a figure is made from."""
        return [*self.metrics(figure), *self.figure(figure)]

    def figure(self, figure: str) -> list[str]:
        """Input of a figure beside metrics: checkpoints and segmentations, complexity files, histories, accuracies."""
        match self._study.figures[figure]["kind"]:
            case "example" | "field":
                return self.registering(self._study.runs_of(figure))
            case "cost":
                return self.complexity(figure)
            case "training_curves" | "validation_curves":
                runs = self._trained(self._study.runs_of(figure))
                return [*(self._run(run, "history.csv") for run in runs), *self.timings(figure)]
            case "region_gain":
                return self._accuracies(self._study.runs_of(figure), "accuracy.csv")
        return []

    def model(self, model: str) -> dict[str, str]:
        """Input files of a released model, by role."""
        settings = model_settings(self._study, model)
        run, cohort = settings["run"], self._layout.cohort(settings["cohort"])
        segmentor = self._layout.segmentation(settings["cohort"], str(settings["segmentor"]))
        of_segmentor = {"network": f"{segmentor}/network.pt", "accuracy": f"{segmentor}/accuracy.csv"}
        return {
            "checkpoint": self._run(run, "checkpoint.pt"),
            "metrics": self._run(run, "metrics.csv"),
            "timing": self._run(run, "timing.json"),
            "environment": self._run(run, "environment.json"),
            "initial": self._run(settings["initial"], "metrics.csv"),
            "cohort": f"{cohort}/cohort.json",
            **(of_segmentor if settings["segmentor"] else {}),
        }

    def main_result(self, since: float) -> str:
        """Main result in words, and the report it is from; empty if no report was made since that time in s."""
        pages = [self._layout.study(self._study.name) / f"{part}.html" for part in PARTS]
        made = [page for page in pages if page.is_file() and page.stat().st_mtime >= since]
        return f"{made[0].with_suffix('.txt').read_text(encoding='utf-8')}See {made[0]}\n" if made else ""

    def report(self, part: str) -> list[str]:
        """Input files of the report of the study, or of its first part."""
        settings, root = report_settings(self._study, part), self._layout.root
        shown = [*settings["figures"], *(example["figure"] for example in settings["examples"])]
        own = [*(table for table in settings["tables"] if table != CLAIM), *shown]
        tested = [table for table in own if Path(table).name in self.tables("accuracy")]
        trained = [run for run in settings["runs"] if self._study.runs[run]["method"] == "learned"]
        return [
            *(f"{root}/{item}/config.yaml" for item in own),
            *(f"{root}/{table}.{suffix}" for table in settings["tables"] for suffix in ("json", "csv")),
            *(f"{root}/{table}_tests.csv" for table in tested),
            *(f"{root}/{page}.{suffix}" for page in filter(None, [settings["claims"]]) for suffix in ("json", "csv")),
            *(f"{root}/{page}.html" for page in filter(None, [settings["viewer"]])),
            *(f"{root}/{figure}.{suffix}" for figure in shown for suffix in ("png", "txt")),
            *(f"{self._layout.cohort(cohort['name'])}/config.yaml" for cohort in settings["cohorts"]),
            *([*self.segmentors(), *self.prompt_sets()] if part == "report" else []),
            *(self._run(run, "config.yaml") for run in settings["runs"]),
            *(self._run(run, name) for run in trained for name in ("history.csv", "timing.json", "environment.json")),
        ]

    @property
    def viewed_table(self) -> str | None:
        """The table whose pairs the viewer shows; None for a study without a viewer."""
        return viewed_table(self._study)

    @staticmethod
    def targets(names: Iterable[str]) -> dict[str, list[str]]:
        """Tables or figures by Snakemake target: their own names; `figure4` also makes `figure4a` and `figure4b`."""
        names = list(names)
        targets = {name: [name] for name in names}
        for name in names:
            if part := re.fullmatch(r"(.+\d)[a-z]", name):
                targets.setdefault(part[1], []).append(name)
        return targets

    def segmentors(self) -> list[str]:
        """Accuracy files of all segmentors used by runs."""
        pairs = pairs_used(self._study, "segmentor")
        return [f"{self._layout.segmentation(*pair)}/accuracy_by_split.csv" for pair in pairs]

    def prompt_sets(self) -> list[str]:
        """Pictures of all prompt sets used by runs."""
        return [f"{self._layout.prompts(*pair)}/similarity.png" for pair in pairs_used(self._study, "prompts")]

    def _counts_of_claims(self) -> list[str]:
        return self._counts(rows_counted(claims_settings(self._study)))

    def _counts(self, rows: Iterable[Mapping[str, Any]]) -> list[str]:
        """Complexity files of the trained networks of rows, for the first seed of each row."""
        runs = dict.fromkeys(row["runs"][0] for row in rows if row["runs"])
        return [self._run(run, "complexity.json") for run in self._trained(runs)]

    def _trained(self, runs: Iterable[str]) -> list[str]:
        """The trained runs among `runs`, and those that they refine, each once."""
        settings = {run: self._study.runs[run] for run in runs}
        found = (trained_run(run, each) for run, each in settings.items())
        return list(dict.fromkeys(run for run in found if run))

    def _accuracies(self, runs: Iterable[str], name: str = "accuracy_by_split.csv") -> list[str]:
        """Accuracy files of the segmentors of runs; runs without a segmentor are skipped."""
        settings = [self._study.runs[run] for run in runs]
        folders = {self._layout.segmentation(s["cohort"], s["segmentor"]) for s in settings if s.get("segmentor")}
        return [f"{folder}/{name}" for folder in sorted(folders)]

    def _run(self, run: str, name: str) -> str:
        return f"{self._layout.run(self._study.name, run)}/{name}"
