"""Where the files of a study lie below `results/`, and which files a stage reads."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from textscf.files.layout import NETWORK_FILES, Layout
from textscf.study.study import Study
from textscf.workflow.claims_settings import claims_settings, rows_counted, rows_segmented, runs_read
from textscf.workflow.model_settings import model_settings
from textscf.workflow.report_settings import CLAIM, report_settings


class StudyFiles:
    """Paths, relative to the working directory, for the rules of the workflow."""

    def __init__(self, study: Study) -> None:
        self._study = study
        self._layout = Layout()

    def source(self, cohort: str) -> list[str]:
        """What the simulation of a cohort reads: the label maps of a real anatomy, or nothing."""
        real = self._study.cohort(cohort)["source"]["kind"] == "archive"
        return [f"{self._layout.cohort(cohort)}/source.json"] if real else []

    def raw(self, cohort: str) -> str:
        """What preparation reads: the sign that downloaded or simulated scans are complete."""
        return f"{self._layout.cohort(cohort)}/{'raw/simulation.json' if self._simulated(cohort) else 'source.json'}"

    def raw_folder(self, cohort: str) -> str:
        """The folder with those scans."""
        return f"{self._layout.cohort(cohort)}/{'raw' if self._simulated(cohort) else 'source'}"

    def segmentor_network(self, cohort: str, segmentor: str) -> list[str]:
        """The weights of a segmentor that has some: trained here, or given."""
        name = NETWORK_FILES.get(self._study.segmentor(cohort, segmentor)["source"])
        return [f"{self._layout.segmentation(cohort, segmentor)}/{name}"] if name else []

    def segmenting(self, cohort: str, segmentor: str) -> dict[str, str]:
        """The weights that a segmentor has, and the stored scans where it reads these instead of the prepared ones."""
        known = dict(zip(["network"], self.segmentor_network(cohort, segmentor), strict=False))
        pretrained = self._study.segmentor(cohort, segmentor)["source"] == "pretrained"
        return known | ({"raw": self.raw_folder(cohort)} if pretrained else {})

    def head(self, run: str) -> dict[str, str]:
        """Segmentation and embedding of a run with a text-driven head."""
        settings = self._study.runs[run]
        if not settings.get("segmentor"):
            return {}
        cohort = settings["cohort"]
        return {
            "segmentation": f"{self._layout.segmentation(cohort, settings['segmentor'])}/segmentation.json",
            "embedding": f"{self._layout.prompts(cohort, settings['prompts'])}/embedding.npz",
        }

    def segmentation(self, runs: Iterable[str]) -> list[str]:
        """Regions of the fixed scans of runs with a text-driven head."""
        return sorted({head["segmentation"] for run in runs if (head := self.head(run))})

    def auxiliary(self, run: str) -> list[str]:
        """The prepared cohort that a run is trained on beside its own."""
        auxiliary = self._study.runs[run].get("auxiliary")
        return [f"{self._layout.cohort(auxiliary['cohort'])}/cohort.json"] if auxiliary else []

    def checkpoints(self, runs: Iterable[str]) -> list[str]:
        """Checkpoints of those runs that are trained."""
        return [self._run(run, "checkpoint.pt") for run in self._trained(runs)]

    def metrics(self, item: str) -> list[str]:
        """Metrics of all runs that a table or figure shows."""
        runs = self._study.runs_of(item)
        return [self._run(run, name) for run in runs for name in ("metrics.csv", "pairs.csv")]

    def timings(self, item: str) -> list[str]:
        """How the trainings of all runs went that a table or figure shows."""
        return [self._run(run, "timing.json") for run in self._trained(self._study.runs_of(item))]

    def segmentor_accuracy(self, table: str) -> list[str]:
        """How good the segmentors of a table's rows are, for a table that tells it."""
        tells = self._study.tables[table].get("segmentor_accuracy")
        return self._accuracies(self._study.runs_of(table)) if tells else []

    def complexity(self, item: str) -> list[str]:
        """Counts of the networks that a table or figure shows; a run's seeds are alike, the first is counted."""
        rows = (self._study.tables.get(item) or self._study.figures[item])["rows"]
        return self._counts([point for row in rows for point in row.get("points") or [row]])

    def claims(self) -> list[str]:
        """What the page of claims reads: of runs how they were trained and their metrics, and accuracies and counts."""
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
        """All counts that are shown anywhere: they are made together, as each takes less than its start."""
        items = [*self.tables("complexity"), *self.figures("cost")]
        return sorted({path for item in items for path in self.complexity(item)} | set(self._counts_of_claims()))

    def complexity_settings(self) -> list[str]:
        """Settings of the runs of `complexity_counts`, in their order."""
        return [path.replace("complexity.json", "config.yaml") for path in self.complexity_counts()]

    def complexity_shapes(self) -> list[str]:
        """What says how large these networks' volumes and text vectors are."""
        runs = [Path(path).parent.name for path in self.complexity_counts()]
        cohorts = {f"{self._layout.cohort(self._study.runs[run]['cohort'])}/cohort.json" for run in runs}
        return sorted(cohorts | {path for run in runs if (path := self.head(run).get("embedding"))})

    def tables(self, kind: str) -> list[str]:
        """Names of the tables of a kind."""
        return [name for name, spec in self._study.tables.items() if spec.get("kind", "accuracy") == kind]

    def figures(self, kind: str) -> list[str]:
        """Names of the figures of a kind."""
        return [name for name, spec in self._study.figures.items() if spec["kind"] == kind]

    def figure(self, figure: str) -> list[str]:
        """What a figure reads beside metrics: checkpoints to register a pair with, counts or histories to show."""
        match self._study.figures[figure]["kind"]:
            case "example" | "field":
                runs = self._study.runs_of(figure)
                return [*self.checkpoints(runs), *self.segmentation(runs)]
            case "cost":
                return self.complexity(figure)
            case "training_curves":
                return [self._run(run, "history.csv") for run in self._study.runs_of(figure)]
        return []

    def model(self, model: str) -> dict[str, str]:
        """What a released model is made from, by what it is."""
        settings = model_settings(self._study, model)
        run, cohort = settings["run"], self._layout.cohort(settings["cohort"])
        segmentor = self._layout.segmentation(settings["cohort"], str(settings["segmentor"]))
        of_segmentor = {"network": f"{segmentor}/network.pt", "accuracy": f"{segmentor}/accuracy_by_split.csv"}
        return {
            "checkpoint": self._run(run, "checkpoint.pt"),
            "metrics": self._run(run, "metrics.csv"),
            "timing": self._run(run, "timing.json"),
            "environment": self._run(run, "environment.json"),
            "initial": self._run(settings["initial"], "metrics.csv"),
            "cohort": f"{cohort}/cohort.json",
            **(of_segmentor if settings["segmentor"] else {}),
        }

    def report(self, part: str) -> list[str]:
        """What the report of the study, or its first part, shows."""
        settings, root = report_settings(self._study, part), self._layout.root
        shown = [*settings["figures"], *(example["figure"] for example in settings["examples"])]
        own = [*(table for table in settings["tables"] if table != CLAIM), *shown]
        tested = [table for table in own if Path(table).name in self.tables("accuracy")]
        trained = [run for run in settings["runs"] if self._study.runs[run]["method"] == "learned"]
        return [
            *(f"{root}/{item}/config.yaml" for item in own),
            *(f"{root}/{table}.{suffix}" for table in settings["tables"] for suffix in ("html", "csv")),
            *(f"{root}/{table}_tests.csv" for table in tested),
            *(f"{root}/{page}.{suffix}" for page in filter(None, [settings["claims"]]) for suffix in ("html", "csv")),
            *(f"{root}/{figure}.{suffix}" for figure in shown for suffix in ("png", "txt")),
            *(f"{self._layout.cohort(cohort['name'])}/config.yaml" for cohort in settings["cohorts"]),
            *(self._run(run, "config.yaml") for run in settings["runs"]),
            *(self._run(run, name) for run in trained for name in ("history.csv", "timing.json", "environment.json")),
        ]

    @staticmethod
    def targets(names: Iterable[str]) -> dict[str, list[str]]:
        """Tables or figures by the target that makes them: its name, for `figure4a` and `figure4b` `figure4` too."""
        names = list(names)
        targets = {name: [name] for name in names}
        for name in names:
            if part := re.fullmatch(r"(.+\d)[a-z]", name):
                targets.setdefault(part[1], []).append(name)
        return targets

    def segmentors(self) -> list[tuple[str, str]]:
        """(cohort, segmentor) pairs that runs use."""
        runs = self._study.runs.values()
        return sorted({(run["cohort"], run["segmentor"]) for run in runs if run.get("segmentor")})

    def prompt_sets(self) -> list[tuple[str, str]]:
        """(cohort, prompt set) pairs that runs use, those with an auxiliary cohort too (see `Catalogue.prompts`)."""
        return sorted({(run["cohort"], run["prompts"]) for run in self._study.runs.values() if run.get("prompts")})

    def _counts_of_claims(self) -> list[str]:
        return self._counts(rows_counted(claims_settings(self._study)))

    def _counts(self, rows: Iterable[Mapping[str, Any]]) -> list[str]:
        """Counts of the networks of rows, of the first seed of each."""
        runs = dict.fromkeys(row["runs"][0] for row in rows if row["runs"])
        return [self._run(run, "complexity.json") for run in self._trained(runs)]

    def _trained(self, runs: Iterable[str]) -> list[str]:
        return [run for run in runs if self._study.runs[run]["method"] == "learned"]

    def _accuracies(self, runs: Iterable[str]) -> list[str]:
        """How good the segmentors of runs are, of those that have one."""
        settings = [self._study.runs[run] for run in runs]
        folders = {self._layout.segmentation(s["cohort"], s["segmentor"]) for s in settings if s.get("segmentor")}
        return [f"{folder}/accuracy_by_split.csv" for folder in sorted(folders)]

    def _run(self, run: str, name: str) -> str:
        return f"{self._layout.run(self._study.name, run)}/{name}"

    def _simulated(self, cohort: str) -> bool:
        settings = self._study.cohort(cohort)
        return settings["source"]["kind"] == "phantom" or bool(settings.get("simulate_ct") or settings.get("from_one"))
