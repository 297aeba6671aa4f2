"""Numbers of an accuracy table: metrics of every method over seeds, and the paper's values."""

from collections.abc import Container, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from textscf.errors import InputError
from textscf.metrics.aggregation import pairs_with_lost, run_means
from textscf.metrics.measures import METRICS
from textscf.metrics.metric import Metric, Quantity
from textscf.results import captions
from textscf.results.items import Item, Results, Row
from textscf.results.reported import printed_values

SEGMENTOR = Quantity(name="segmentor_dice", title="Segmentor Dice", unit="%", best="max", printed=True)
"""Accuracy of a row's segmentor on all scans of the cohort, for tables with `segmentor_accuracy` (paper, Table 5)."""

_COSTS = ["segmentor_parameters", "segmentor_seconds"]
_COUNTS = ["pairs", "labelled_pairs", "landmark_pairs"]


def shown_metrics(item: Item, known: Container[str]) -> list[Metric]:
    """Metrics that a table shows: those that it names, else the standard ones and what is `known` beside them."""
    if item.metrics is not None:
        return [each for each in METRICS.values() if each.name in item.metrics]
    return [each for each in METRICS.values() if each.standard or (each.where_measured and each.name in known)]


def _metrics(item: Item, results: Results) -> list[Metric]:
    """Metrics in the CSV file of a table: the standard ones and those that it shows."""
    known = {str(column) for row in item.rows if row.runs for frame in results.pairs(row) for column in frame}
    shown = shown_metrics(item, known)
    return [metric for metric in METRICS.values() if metric.standard or metric in shown]


def compare(item: Item, results: Results, reported: Path) -> pd.DataFrame:
    """Numbers of a table, one line per method in the table's order; metrics of a method that was not run are NaN.

    Each metric is first averaged over the test pairs of a seed; the table has the mean and the standard deviation
    (N - 1) over seeds.

    Args:
        item: specification of the table.
        results: files of the table's runs.
        reported: file with the paper's printed values.

    Returns:
        Columns method, run, block (only in a table with blocks), the headings of the rows' details. Then for each
        metric `<metric>` and `<metric>_sd` (NaN with one seed) and, if the cohort is the paper's and the paper prints
        the metric, `<metric>_paper` and `<metric>_difference` (ours - paper). The same columns for `SEGMENTOR` if the
        table has it. Then runs (ids), seeds, pairs, labelled_pairs (with labels of both scans; left out if all have
        them), landmark_pairs (with landmarks; only in a table with their error), lost (number of pairs, over all seeds,
        in which the warp lost a structure), trained, converged (whether the trainings of all seeds converged; None for
        a method without training or where it is not known), training (length in words), segmentor_parameters,
        segmentor_seconds (the part of `seconds` for the regions, the median of all scans; NaN where it was not
        measured), segmentor_rise (points that its validation Dice rose at the end of its training; NaN if it was not
        trained here), sees_fixed_labels, paper_quoted (whether the paper quotes the values from other sources), not_run
        (reason, or empty), convention, notice. Units are those of `METRICS`. Metrics of a displacement field are NaN
        for a run without registration.

    Raises:
        InputError: rows with different details, a sweep, or files that cannot be used.
    """
    if len({tuple(row.details) for row in item.rows}) > 1:
        raise InputError(f"{item.name}: its rows have details under different headings; expected the same in each")
    metrics = _metrics(item, results)
    lines = [_line(item, results, row, printed_values(item, row, reported), metrics) for row in item.rows]
    table = pd.DataFrame(lines)
    if table["labelled_pairs"].eq(table["pairs"]).all():
        table = table.drop(columns="labelled_pairs")
    if METRICS["tre_mm"] not in metrics:
        table = table.drop(columns="landmark_pairs")
    return table.assign(convention=item.convention, notice="; ".join(item.notices))


def _line(item: Item, results: Results, row: Row, printed: Mapping[str, Any], metrics: list[Metric]) -> dict[str, Any]:
    if row.points:
        raise InputError(f"{item.name}: '{row.run}' is a sweep; expected single runs in a table")
    missing = pd.DataFrame({**{metric.name: [np.nan] for metric in metrics}, **{count: [0] for count in _COUNTS}})
    values = _seed_values(item, results, row, metrics) if row.runs else missing
    block = {"block": row.block} if any(other.block for other in item.rows) else {}
    line: dict[str, Any] = {"method": row.label, "run": row.run, **block, **row.details}
    for metric in metrics:
        line |= _statistics(metric, values[metric.name], printed, item.paper_cohort)
    if item.segmentor_accuracy:
        line |= _statistics(SEGMENTOR, _segmentor_dice(results, row), printed, item.paper_cohort)
    trained = bool(row.runs) and results.is_trained(row)
    training = results.settings(row.runs[0])["training"] if trained else None
    return line | {
        "runs": " ".join(row.runs),
        "seeds": len(row.runs) if trained else 0,
        **{count: int(values[count].iloc[0]) for count in _COUNTS},
        "lost": sum(pairs_with_lost(frame) for frame in results.metrics(row)),
        "trained": trained,
        "converged": results.has_converged(row) if trained else None,
        "training": captions.schedule_phrase(training["epochs"], training["steps_per_epoch"]) if training else "",
        **dict(zip(_COSTS, results.segmentation_cost(row) if row.runs else (0, 0.0), strict=True)),
        "segmentor_rise": 100 * results.segmentor_rise(row) if row.runs and row.segmentor else np.nan,
        "sees_fixed_labels": row.sees_fixed_labels,
        "paper_quoted": bool(printed.get("quoted", False)),
        "not_run": row.not_run or "",
    }


def _segmentor_dice(results: Results, row: Row) -> pd.Series:
    """Mean Dice of a row's segmentor over all scans, in percent; NaN for a row without runs or segmentor."""
    if not row.runs or row.segmentor is None:
        return pd.Series([np.nan])
    return pd.Series([100 * results.segmentor_dice(row)])


def _seed_values(item: Item, results: Results, row: Row, metrics: list[Metric]) -> pd.DataFrame:
    """Means over pairs, one line per seed: a column per metric in the unit shown, and the columns `_COUNTS`."""
    frames = results.pairs(row)
    lacking = {
        each.name for each in metrics if item.metrics is None and each.where_measured and each.name not in frames[0]
    }
    for metric in metrics:
        if metric.name not in lacking:
            results.check_metric(row, metric)
    lines = []
    for structures, pairs in zip(results.metrics(row), frames, strict=True):
        of_pairs = {
            each.name: pd.Series(np.nan, pairs.index) if each.name in lacking else each.values(pairs, item.convention)
            for each in metrics
            if each.level == "pair"
        }
        overlap = run_means(structures, item.convention) if len(structures) else pd.DataFrame([{}])
        lines.append({**pd.DataFrame(of_pairs).mean(), **overlap.iloc[0], **_counts(structures, pairs)})
    values = pd.DataFrame(lines, columns=[*(metric.name for metric in metrics), *_COUNTS])
    if values[_COUNTS].ne(values[_COUNTS].iloc[0]).to_numpy().any():
        folder = results.run_folder(row.runs[0])
        raise InputError(f"{folder}/metrics.csv: not the same number of pairs as for the other seeds of '{row.run}'")
    columns = {metric.name: values[metric.name] * metric.scale for metric in metrics}
    if results.is_initial(row):
        columns |= {metric.name: values["pairs"] * np.nan for metric in metrics if metric.of_field}
    return pd.DataFrame({**columns, **values[_COUNTS]})


def _counts(structures: pd.DataFrame, pairs: pd.DataFrame) -> dict[str, int]:
    labelled = structures.groupby(["fixed", "moving"]).ngroups if len(structures) else 0
    return {
        "pairs": len(pairs),
        "labelled_pairs": labelled,
        "landmark_pairs": int(pairs.get("tre_mm", pd.Series()).notna().sum()),
    }


def _statistics(
    metric: Quantity, values: pd.Series, printed: Mapping[str, float | None], comparable: bool
) -> dict[str, float]:
    mean = float(values.mean())
    spread = float(values.std(ddof=1)) if len(values) > 1 and np.isfinite(values).all() else np.nan
    cells = {metric.column: mean, f"{metric.column}_sd": spread}
    if metric.printed and comparable:
        value = printed.get("accuracy" if metric is SEGMENTOR else metric.name)
        paper = np.nan if value is None else float(value)
        cells |= {
            f"{metric.column}_paper": paper,
            f"{metric.column}_difference": mean - paper,
        }
    return cells
