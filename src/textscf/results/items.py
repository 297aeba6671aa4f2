"""Input of a table or figure: its specification (`Item`, `Row`) and the files of its runs (`Results`)."""

import dataclasses
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from textscf.errors import InputError
from textscf.files.csv_file import read_table
from textscf.files.fill import fill
from textscf.files.io import read_json, read_yaml
from textscf.files.layout import COST_FILE, Layout, trained_run
from textscf.metrics.aggregation import METRIC_COLUMNS, PAIR_COLUMNS, apply_convention, run_means
from textscf.metrics.measures import METRICS
from textscf.metrics.metric import Convention, Metric
from textscf.results.statistics import ALL, compare_runs, holm, mean_over_seeds
from textscf.training.convergence import last_rise

GROUND_TRUTH = "ground_truth"

COUNTS = ("parameters", "multi_adds", "attention_multi_adds")
"""Numbers of a network in `complexity.json`, given for training and for inference."""

_NUMBERS = {"label", *(column for metric in METRICS.values() for column in metric.columns)}
_TEXT = ("run", "fixed", "moving", "structure", "subject")


@dataclass(frozen=True)
class Row:
    """One method of a table or figure.

    Attributes:
        run: name of the run.
        label: name shown.
        runs: ids of the concrete runs, one per seed; for a sweep, those of all its points.
        segmentor: source of the region masks; None for a method without masks.
        reported: the method's name in the table of the paper.
        with_head: the same method with the text-driven head, for figures that compare the two.
        details: texts of further columns by their heading.
        not_run: the reason why the study leaves the method out; such a method has no runs.
        block: heading of the block of a table to which the row belongs; empty for the table's own rows.
        points: rows of a sweep's points.
        swept: for a point of a sweep, its values by dotted setting, such as ``loss.smoothness``.
    """

    run: str
    label: str
    runs: list[str]
    segmentor: str | None = None
    reported: str | None = None
    with_head: "Row | None" = None
    details: dict[str, str] = field(default_factory=dict)
    not_run: str | None = None
    block: str = ""
    points: "list[Row]" = field(default_factory=list)
    swept: dict[str, Any] = field(default_factory=dict)

    @property
    def sees_fixed_labels(self) -> bool:
        """Whether the input of the method, or of a point of its sweep, has the labels on which it is scored."""
        return GROUND_TRUTH in (self.segmentor, *(point.segmentor for point in self.points))


@dataclass(frozen=True)
class Item:
    """A table or figure with its settings resolved.

    `remarks` are sentences on blocks of rows that other experiments add. `printed` has what the paper prints for a
    figure, which shows it too (see `textscf.results.reported.printed_of`).
    """

    name: str
    study: str
    study_title: str
    cohorts: list[str]
    notices: list[str]
    paper_cohort: bool
    caption: str
    rows: list[Row]
    convention: Convention = "learn2reg"
    reported: str | None = None
    reference: str | None = None
    kind: str | None = None
    metrics: list[str] | None = None
    segmentor_accuracy: bool = False
    remarks: list[str] = field(default_factory=list)
    xlabel: str | None = None
    structure: str | None = None
    pair: str = "median"
    printed: Mapping[str, Any] = field(default_factory=dict)

    @property
    def reference_row(self) -> Row | None:
        """The row that all other rows are compared with; None if there is no reference or the study leaves it out."""
        return next((row for row in self.rows if row.run == self.reference and row.runs), None)

    def without_missing(self) -> "Item":
        """A copy with only the rows and sweep points that have runs; a row with `with_head` needs both runs."""
        present = [row for row in self.rows if row.runs and (row.with_head is None or row.with_head.runs)]
        return dataclasses.replace(self, rows=[_with_present_points(row) for row in present])

    @property
    def number(self) -> str:
        """Heading made from the name: `Table 3` from `table3`, `Figure 4a` from `figure4a`."""
        return re.sub(r"(\d+[a-z]?)$", r" \1", self.name.capitalize().replace("_", " ")).strip()


def load_item(path: Path) -> Item:
    """Read the resolved `config.yaml` of a table or figure; InputError if it is not one."""
    return make_item(read_yaml(path), str(path))


def make_item(content: Any, source: str) -> Item:
    """Make an item from its resolved settings; InputError if they are not those of a table or figure."""
    filled = fill(Item, content, source)
    rows = [make_row(row, f"{source}: rows[{n}]") for n, row in enumerate(filled.rows)]
    item = dataclasses.replace(filled, rows=rows)
    if item.reference and all(row.run != item.reference for row in rows):
        raise InputError(f"{source}: reference '{item.reference}' is not the run of a row")
    return item


def make_row(content: Any, source: str) -> Row:
    """Make a row from its resolved settings; InputError if they are not those of a row."""
    row = fill(Row, content, source)
    with_head = make_row(row.with_head, source) if row.with_head else None
    points = [make_row(point, f"{source}.points[{n}]") for n, point in enumerate(row.points)]
    return dataclasses.replace(row, with_head=with_head, points=points)


def _with_present_points(row: Row) -> Row:
    return dataclasses.replace(row, points=[point for point in row.points if point.runs])


@dataclass(frozen=True)
class Results:
    """Reads the files of a study's runs below `folder`, usually `results/`; InputError for an unusable file."""

    folder: Path
    study: str
    _frames: dict[Path, pd.DataFrame] = field(default_factory=dict, repr=False)

    def run_folder(self, run: str) -> Path:
        """Folder of a concrete run."""
        return Layout(self.folder).run(self.study, run)

    def settings(self, run: str) -> dict[str, Any]:
        """Resolved settings of a concrete run."""
        return read_yaml(self.run_folder(run) / "config.yaml")

    def is_initial(self, row: Row) -> bool:
        """Whether the row's method is `initial`, that is, no registration."""
        return self.settings(row.runs[0])["method"] == "initial"

    def is_trained(self, row: Row) -> bool:
        """Whether the row's method is a trained network, with or without refinement of its fields."""
        return trained_run(row.runs[0], self.settings(row.runs[0])) is not None

    def is_refined(self, row: Row) -> bool:
        """Whether the row's method refines the fields of a trained network."""
        return self.settings(row.runs[0])["method"] == "refined"

    def training_folder(self, run: str) -> Path:
        """Folder of the training of a concrete run: its own, or that of the run that it refines."""
        return self.run_folder(trained_run(run, self.settings(run)) or run)

    def timing(self, run: str) -> dict[str, Any]:
        """Content of `timing.json` of a concrete run's training; InputError if a required key is missing."""
        path = self.training_folder(run) / "timing.json"
        content = read_json(path)
        missing = [key for key in ("best_validation_dice", "converged", "last_rise", "restarts") if key not in content]
        if missing:
            raise InputError(f"{path}: key '{missing[0]}' is missing; expected a file made by src/train.py")
        return content

    def has_converged(self, row: Row) -> bool | None:
        """Whether the trainings of all seeds of a row converged, see `textscf.training.convergence`.

        None without labels of validation pairs, by which this is told.
        """
        told = [self.timing(run)["converged"] for run in row.runs]
        return None if None in told else all(told)

    def metrics(self, row: Row) -> list[pd.DataFrame]:
        """Tables `metrics.csv`, one per seed, with one line per structure and pair with labels.

        InputError for a table without lines, unless `pairs.csv` has no Dice either.
        """
        frames = self._read(row, "metrics.csv", METRIC_COLUMNS, empty=True)
        for run, frame in zip(row.runs, frames, strict=True):
            if (
                frame.empty
                and self._frame(self.run_folder(run) / "pairs.csv", PAIR_COLUMNS, False)["dice"].notna().any()
            ):
                path = self.run_folder(run) / "metrics.csv"
                raise InputError(f"{path}: has no rows; expected those of the pairs that pairs.csv has Dice of")
        return frames

    def pairs(self, row: Row) -> list[pd.DataFrame]:
        """Tables `pairs.csv`, one per seed, with one line per pair."""
        return self._read(row, "pairs.csv", PAIR_COLUMNS)

    def has_labels(self, row: Row) -> bool:
        """Whether a test pair of a row has labels of both scans, so that it has Dice."""
        return any(len(frame) for frame in self.metrics(row))

    def check_metric(self, row: Row, metric: Metric) -> None:
        """Raise InputError unless the files of every seed have the columns of a metric."""
        frames = self.metrics(row) if metric.level == "structure" else self.pairs(row)
        name = "metrics.csv" if metric.level == "structure" else "pairs.csv"
        for run, frame in zip(row.runs, frames, strict=True):
            for column in metric.columns:
                if column not in frame:
                    raise InputError(f"{self.run_folder(run) / name}: has no column '{column}'; evaluate it again")

    def seed_mean(self, row: Row, convention: Convention) -> pd.DataFrame:
        """Metrics per pair and structure under a convention, averaged over seeds."""
        frames = [apply_convention(frame, convention) for frame in self.metrics(row)]
        try:
            return mean_over_seeds(frames)
        except ValueError as error:
            raise InputError(f"{self.run_folder(row.runs[0])}/metrics.csv: {error}") from error

    def mean_dice(self, row: Row, convention: Convention) -> list[float]:
        """Mean Dice over structures, then pairs, of each seed of a row, a fraction."""
        return [float(run_means(frame, convention)["dice"].iloc[0]) for frame in self.metrics(row)]

    def complexity(self, row: Row) -> dict[str, Any]:
        """Parameters and multi-adds of a row's network, by `training` and `inference`, with `segmentor_parameters`.

        `shape` is that of its volumes.

        The numbers are those of the first seed; they do not depend on the seed. InputError for a row without a network,
        or a file with other content.
        """
        if not self.is_trained(row):
            source = self.run_folder(row.runs[0]) / "config.yaml"
            raise InputError(f"{source}: run '{row.run}' has no network; expected runs that are trained")
        path = self.training_folder(row.runs[0]) / "complexity.json"
        content = read_json(path)
        try:
            uses = {use: {count: content[use][count] for count in COUNTS} for use in ("training", "inference")}
            return {**uses, "shape": content["shape"], "segmentor_parameters": content["segmentor_parameters"]}
        except (KeyError, TypeError) as error:
            raise InputError(f"{path}: not made by src/run_complexity.py ({error})") from error

    def segmentor_dice(self, row: Row) -> float:
        """Mean Dice of a row's segmentor over all labelled scans of its cohort, a fraction; NaN if none is labelled."""
        cohort = self.settings(row.runs[0])["cohort"]
        path = Layout(self.folder).segmentation(cohort, str(row.segmentor)) / "accuracy_by_split.csv"
        what = "the accuracy of a segmentor, made by src/segmentor_accuracy.py"
        frame = read_csv(path, ["split", "dice"], what, empty=True)
        return float(frame.set_index("split")["dice"]["all"]) if len(frame) else math.nan

    def segmentor_scores(self, row: Row) -> pd.DataFrame:
        """Dice of a row's segmentor in each labelled scan and structure: columns subject, split, structure, dice."""
        cohort = self.settings(row.runs[0])["cohort"]
        path = Layout(self.folder).segmentation(cohort, str(row.segmentor)) / "accuracy.csv"
        what = "the accuracy of a segmentor, made by src/segmentor_accuracy.py"
        return read_csv(path, ["subject", "split", "structure", "dice"], what)

    def segmentation_cost(self, row: Row) -> tuple[int, float]:
        """Parameters of a row's segmentor, and median computing time of a scan in s; NaN where nothing was measured.

        Both are 0 for a row without a segmentor, and for label maps of the cohort.
        """
        if row.segmentor in (None, GROUND_TRUTH):
            return 0, 0.0
        cohort = self.settings(row.runs[0])["cohort"]
        path = Layout(self.folder).segmentation(cohort, str(row.segmentor)) / COST_FILE
        if not path.is_file():
            return 0, math.nan
        content = read_json(path)
        try:
            return int(content["parameters"]), float(np.median(list(content["seconds"].values())))
        except (AttributeError, KeyError, TypeError, ValueError):
            raise InputError(f"{path}: expected parameters and seconds, as src/segment.py writes") from None

    def segmentor_rise(self, row: Row) -> float:
        """Rise of validation Dice at the end of the training of a row's segmentor, a fraction; see `last_rise`.

        NaN for a segmentor that was not trained here, and where validation scans have no labels.
        """
        cohort = self.settings(row.runs[0])["cohort"]
        path = Layout(self.folder).segmentation(cohort, str(row.segmentor)) / "history.csv"
        if not path.is_file():
            return math.nan
        history = read_csv(path, ["validation_dice"], "the history of a segmentor, made by src/train_segmentor.py")
        rise = last_rise(list(history["validation_dice"]))
        return math.nan if rise is None else rise

    def _read(self, row: Row, name: str, columns: Iterable[str], empty: bool = False) -> list[pd.DataFrame]:
        return [self._frame(self.run_folder(run) / name, columns, empty) for run in row.runs]

    def _frame(self, path: Path, columns: Iterable[str], empty: bool) -> pd.DataFrame:
        if path not in self._frames:
            self._frames[path] = read_csv(path, columns, "the metrics of a run, made by src/evaluate.py", empty)
        return self._frames[path]


def read_csv(path: Path, columns: Iterable[str], what: str, empty: bool = False) -> pd.DataFrame:
    """Read a CSV file with `columns` and, unless `empty`, at least one row; InputError for other files names `what`."""
    columns = list(columns)
    frame = read_table(path, columns, what, text=_TEXT)
    if frame.empty and not empty:
        raise InputError(f"{path}: has no rows; expected rows with {', '.join(columns)}")
    words = [name for name in columns if name in _NUMBERS and len(frame) and frame[name].dtype.kind not in "iuf"]
    if words:
        raise InputError(f"{path}: column '{words[0]}' has words; expected numbers")
    return frame


def compare_with_reference(item: Item, results: Results) -> pd.DataFrame:
    """Paired t-tests of Dice between the reference row and every other row; seeds are averaged per pair first.

    Returns:
        Columns reference, method (labels), then those of `compare_runs`, where `a` is the reference and Dice is a
        fraction. p_holm of the mean over structures (`ALL`) is adjusted for the number of methods. An item without a
        reference, or without labels, gives no rows.
    """
    if item.reference_row is None or not results.has_labels(item.reference_row):
        return pd.DataFrame(columns=["reference", "method"])
    reference = results.seed_mean(item.reference_row, item.convention)
    frames = []
    for row in item.rows:
        if row.run == item.reference or not row.runs or not results.has_labels(row):
            continue
        try:
            tested = compare_runs(reference, results.seed_mean(row, item.convention))
        except ValueError as error:
            raise InputError(f"{item.name}: '{item.reference}' and '{row.run}': {error}") from error
        tested.insert(0, "reference", item.reference_row.label)
        tested.insert(1, "method", row.label)
        frames.append(tested)
    if not frames:
        return pd.DataFrame(columns=["reference", "method"])
    tests = pd.concat(frames, ignore_index=True)
    of_mean = tests["structure"] == ALL
    tests.loc[of_mean, "p_holm"] = holm(tests.loc[of_mean, "p"].to_numpy())
    return tests
