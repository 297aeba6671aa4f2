"""Readable table, independent of the file format: rounded values, best values in bold, footnotes."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from textscf.metrics.measures import METRICS
from textscf.metrics.metric import Quantity
from textscf.results import captions
from textscf.results.items import Item
from textscf.tables.best import BOLD
from textscf.tables.comparison import SEGMENTOR, shown_metrics
from textscf.training.convergence import LIMIT, RULE

UNDEFINED = "-"
NOT_RUN = "not run"
QUOTED = "‡"
NOT_CONVERGED = "§"
LOST = "¶"
_ARROWS = {"max": "↑", "min": "↓"}
_SUBHEADINGS = ["this run", "paper", "difference"]


@dataclass(frozen=True)
class Cell:
    """A text; bold marks the best value of a column."""

    text: str
    bold: bool = False


@dataclass(frozen=True)
class Column:
    """Cells under a heading; `subheading` distinguishes columns that share a heading, otherwise it is empty."""

    heading: str
    subheading: str
    cells: list[Cell]


@dataclass(frozen=True)
class Display:
    """A readable table: title, label for references, caption, columns (the first one has the names), footnotes.

    `blocks` has the heading of each row's block, empty for the table's own rows; a table without blocks has none.
    """

    title: str
    label: str
    caption: str
    columns: list[Column]
    notes: list[str]
    blocks: list[str] = field(default_factory=list)


def display(item: Item, table: pd.DataFrame, best: Mapping[str, list[bool]]) -> Display:
    """Make a readable table from the data frame of `compare`; `best` has masks of the bold values by metric."""
    with_paper = item.reported is not None and item.paper_cohort
    columns = [Column("Method", "", _names(item, table))]
    columns += [Column(heading, "", [Cell(row.details[heading]) for row in item.rows]) for heading in _details(item)]
    metrics = shown_metrics(item, table.columns)
    for metric in [SEGMENTOR, *metrics] if item.segmentor_accuracy else metrics:
        left_out = table["not_run"].ne("") & (metric is metrics[0])
        columns += _metric_columns(metric, table, with_paper, left_out, best.get(metric.name, [False] * len(table)))
    columns.append(Column("Seeds", "", [Cell(str(n) if n else UNDEFINED) for n in table["seeds"]]))
    blocks = list(table["block"]) if "block" in table else []
    return Display(item.number, item.name, " ".join(_caption(item, table)), columns, _notes(item, table), blocks)


def _names(item: Item, table: pd.DataFrame) -> list[Cell]:
    labels = map(captions.marked_label, item.rows)
    open_ = [f" {NOT_CONVERGED}" if marked else "" for marked in _not_converged(table)]
    lost = [f" {LOST}" if count else "" for count in table["lost"]]
    return [Cell("".join(parts)) for parts in zip(labels, open_, lost, strict=True)]


def _not_converged(table: pd.DataFrame) -> list[bool]:
    return [value is not None and not value for value in table["converged"]]


def _details(item: Item) -> list[str]:
    return list(item.rows[0].details)


def _metric_columns(
    metric: Quantity, table: pd.DataFrame, with_paper: bool, left_out: pd.Series, best: list[bool]
) -> list[Column]:
    """Columns of a metric; rows of the mask `left_out` say that their method was not run."""
    heading = f"{metric.heading} {_ARROWS[metric.best]}" if metric.best else metric.heading
    texts = [
        NOT_RUN if missing else number(value, metric.decimals)
        for value, missing in zip(table[metric.column], left_out, strict=True)
    ]
    cells = []
    for text, spread, bold in zip(texts, table[f"{metric.column}_sd"], best, strict=True):
        shown = text if np.isnan(spread) else f"{text} ± {spread:.{metric.decimals}f}"
        cells.append(Cell(shown, bold))
    if not (with_paper and metric.printed):
        return [Column(heading, "", cells)]
    paper = [
        Cell(number(value, metric.decimals, "") + (QUOTED if quoted and np.isfinite(value) else ""))
        for value, quoted in zip(table[f"{metric.column}_paper"], _quoted(table), strict=True)
    ]
    difference = [Cell(_signed(value, metric.decimals)) for value in table[f"{metric.column}_difference"]]
    return [Column(heading, *column) for column in zip(_SUBHEADINGS, (cells, paper, difference), strict=True)]


def _quoted(table: pd.DataFrame) -> pd.Series:
    """Mask of rows that were not run and whose paper values are quoted from other sources."""
    return table["paper_quoted"] & table["not_run"].ne("")


def number(value: float, decimals: int, undefined: str = UNDEFINED) -> str:
    """A rounded number as text; `undefined` for NaN."""
    if np.isnan(value):
        return undefined
    if np.isinf(value):
        return "∞"
    if 0 < value < 0.5 * 10**-decimals:
        return f"<{10**-decimals:.{decimals}f}"
    return f"{value:.{decimals}f}"


def _signed(value: float, decimals: int) -> str:
    if not np.isfinite(value):
        return ""
    text = f"{value:+.{decimals}f}"
    return f"{0:.{decimals}f}" if float(text) == 0 else text.replace("-", "−")


def _caption(item: Item, table: pd.DataFrame) -> list[str]:
    seeds = captions.seeds_phrase([n for n in table["seeds"] if n])
    spread = f", then mean ± standard deviation over {seeds}" if table["seeds"].max() > 1 else f"; {seeds}"
    return [
        *captions.subject_sentences(item),
        f"Means over {captions.pairs_phrase(sorted(set(table['pairs']) - {0}))}{spread}.",
        *_pair_sentences(table),
        captions.convention_sentence(item.convention),
        BOLD,
    ]


def _lost(table: pd.DataFrame) -> list[str]:
    """Footnote with the number of pairs in which a warp lost a structure, by method; none if no structure was lost."""
    registrations = table["pairs"] * table["seeds"].clip(lower=1)
    rows = zip(table["method"], table["lost"], registrations, strict=True)
    counts = [f"{method} in {lost} of {of}" for method, lost, of in rows if lost]
    what = "the warp lost a structure that both scans have, in a number of pairs, counted for each seed"
    return [f"{LOST} {what}: {'; '.join(counts)}."] if counts else []


def _segmentors(item: Item, table: pd.DataFrame) -> list[str]:
    """Footnote on what the segmentation of a scan costs, for tables that show the time per pair."""
    lines = zip(table["method"], table["segmentor_parameters"], table["segmentor_seconds"], strict=True)
    costs = [
        f"{method} {number(seconds, 2)} s, {parameters / 1e6:.2f} M parameters"
        for method, parameters, seconds in lines
        if parameters
    ]
    if not costs or METRICS["seconds"] not in shown_metrics(item, table.columns):
        return []
    scans = "of the fixed scan, and of the moving scan where a method compares regions,"
    return [f"Time per pair includes the segmentation {scans} by a SwinUNETR; for a scan: {'; '.join(costs)}."]


def _learning_segmentors(table: pd.DataFrame) -> list[str]:
    """Footnote on segmentors whose own training had not converged."""
    lines = zip(table["method"], table["segmentor_rise"], strict=True)
    found = [f"{method} +{rise:.1f} points" for method, rise in lines if rise >= 100 * LIMIT]
    what = "Segmentors that still learned at the end of their own training (rise of validation Dice, by the same rule)"
    return [f"{what}: {'; '.join(found)}."] if found else []


def _pair_sentences(table: pd.DataFrame) -> list[str]:
    """Sentences on the numbers of pairs with labels, if not all have them, and with landmarks, if any have them."""
    run = table[table["not_run"].eq("")]
    sentences = []
    if "labelled_pairs" in table:
        counts = sorted(set(run["labelled_pairs"]))
        none = "No test pair has labels of both scans: Dice and HD95 are not defined."
        some = f"Dice and HD95: over {' or '.join(map(str, counts))} of these, with labels of both scans."
        sentences.append(some if any(counts) else none)
    if "landmark_pairs" in table:
        counts = sorted(set(run["landmark_pairs"]))
        sentences.append(f"TRE: mean distance of landmarks, over {captions.pairs_phrase(counts)} that have them.")
    return sentences


def _notes(item: Item, table: pd.DataFrame) -> list[str]:
    notes = captions.leakage_sentences(item)
    if notes:
        notes.append(f"Methods marked {captions.DAGGER} do not compete for the best values.")
    trained = table[table["trained"]]
    notes += captions.training_sentences(dict(zip(trained["method"], trained["training"], strict=True)))
    if any(_not_converged(table)):
        notes.append(f"{NOT_CONVERGED} not trained until it converged, which is: {RULE}, for every seed.")
    notes += _lost(table)
    notes += captions.not_run_sentences(item)
    if _quoted(table).any():
        notes.append(f"{QUOTED} quoted by the paper from the challenge's leaderboard or the method's publication.")
    notes += _learning_segmentors(table) + _segmentors(item, table) + item.remarks
    undefined = table[~table["trained"] & table["not_run"].eq("")]
    of_field = [metric.column for metric in METRICS.values() if metric.of_field and metric.column in table]
    if undefined[of_field].isna().to_numpy().any():
        notes.append(f"{UNDEFINED}: not defined without a displacement field, or not measured.")
    return notes
