"""Numbers of an accuracy table: metrics of every method over seeds, and the paper's values."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from textscf.errors import InputError
from textscf.metrics.aggregation import run_means
from textscf.results import captions
from textscf.results.items import Item, Results, Row
from textscf.results.reported import printed_values


@dataclass(frozen=True)
class Metric:
    """A metric as it appears in tables.

    Attributes:
        name: column of the table's CSV file.
        heading: heading with the unit.
        source: column of `metrics.csv` or `pairs.csv`.
        scale: factor from the unit of `source` to the unit of the heading.
        decimals: number of decimals shown.
        best: `max` or `min`, whichever is best.
        printed: whether the paper's tables have the metric.
    """

    name: str
    heading: str
    source: str
    scale: float
    decimals: int
    best: str
    printed: bool


METRICS = (
    Metric("dice", "Dice (%)", "dice", 100, 2, "max", True),
    Metric("hd95", "HD95 (mm)", "hd95", 1, 2, "min", True),
    Metric("sdlogj", "SDlogJ", "sdlogj", 1, 2, "min", True),
    Metric("nonpositive_jacobian_percent", "|J| ≤ 0 (%)", "nonpositive_jacobian_fraction", 100, 3, "min", False),
    Metric("seconds", "Time per pair (s)", "seconds", 1, 2, "min", False),
)
OF_A_FIELD = ("sdlogj", "nonpositive_jacobian_percent", "seconds")
SEGMENTOR = Metric("segmentor_dice", "Segmentor Dice (%)", "accuracy", 100, 2, "max", True)
"""Accuracy of a row's segmentor on all scans of the cohort, for tables with `segmentor_accuracy` (paper, Table 5)."""


_NOT_RUN = pd.DataFrame({**{metric.name: [np.nan] for metric in METRICS}, "pairs": [0]})


def compare(item: Item, results: Results, reported: Path) -> pd.DataFrame:
    """Numbers of a table, one line per method in the table's order; metrics of a method that was not run are NaN.

    Each metric is first averaged over the test pairs of a seed; the table has the mean and the standard deviation
    (N - 1) over seeds.

    Args:
        item: specification of the table.
        results: files of the table's runs.
        reported: file with the paper's printed values.

    Returns:
        Columns method, run, the headings of the rows' details. Then for each metric `<metric>` and `<metric>_sd` (NaN
        with one seed) and, if the paper prints the metric, `<metric>_paper` and `<metric>_difference` (ours - paper;
        NaN unless the cohort is the paper's). The same columns for `SEGMENTOR` if the table has it. Then runs (ids),
        seeds, pairs, trained, converged (whether the trainings of all seeds converged; None for a method without
        training), training (length in words), sees_fixed_labels, paper_quoted (whether the paper quotes the values from
        other sources), not_run (reason, or empty), convention, notice. Units are those of `METRICS`. Metrics of a
        displacement field are NaN for a run without registration.

    Raises:
        InputError: rows with different details, a sweep, or files that cannot be used.
    """
    if len({tuple(row.details) for row in item.rows}) > 1:
        raise InputError(f"{item.name}: its rows have details under different headings; expected the same in each")
    lines = [_line(item, results, row, printed_values(item, row, reported)) for row in item.rows]
    return pd.DataFrame(lines).assign(convention=item.convention, notice="; ".join(item.notices))


def _line(item: Item, results: Results, row: Row, printed: Mapping[str, Any]) -> dict[str, Any]:
    if row.points:
        raise InputError(f"{item.name}: '{row.run}' is a sweep; expected single runs in a table")
    values = _seed_values(item, results, row) if row.runs else _NOT_RUN
    line: dict[str, Any] = {"method": row.label, "run": row.run, **row.details}
    for metric in METRICS:
        line |= _statistics(metric, values[metric.name], printed, item.paper_cohort)
    if item.segmentor_accuracy:
        line |= _statistics(SEGMENTOR, _segmentor_dice(results, row), printed, item.paper_cohort)
    trained = bool(row.runs) and results.is_trained(row)
    training = results.settings(row.runs[0])["training"] if trained else None
    return line | {
        "runs": " ".join(row.runs),
        "seeds": len(row.runs) if trained else 0,
        "pairs": int(values["pairs"].iloc[0]),
        "trained": trained,
        "converged": results.has_converged(row) if trained else None,
        "training": captions.schedule_phrase(training["epochs"], training["steps_per_epoch"]) if training else "",
        "sees_fixed_labels": row.sees_fixed_labels,
        "paper_quoted": bool(printed.get("quoted", False)),
        "not_run": row.not_run or "",
    }


def _segmentor_dice(results: Results, row: Row) -> pd.Series:
    """Mean Dice of a row's segmentor over all scans, in percent; NaN for a row without runs or segmentor."""
    if not row.runs or row.segmentor is None:
        return pd.Series([np.nan])
    return pd.Series([100 * results.segmentor_dice(row)])


def _seed_values(item: Item, results: Results, row: Row) -> pd.DataFrame:
    """Means over pairs, one line per seed: a column per metric in the unit of the table, and the number of `pairs`."""
    lines = []
    for metrics, pairs in zip(results.metrics(row), results.pairs(row), strict=True):
        overlap = run_means(metrics, item.convention).iloc[0]
        lines.append({**pairs[["sdlogj", "nonpositive_jacobian_fraction", "seconds"]].mean(), **overlap})
    values = pd.DataFrame(lines)
    if (values["pairs"] != values["pairs"].iloc[0]).any():
        folder = results.run_folder(row.runs[0])
        raise InputError(f"{folder}/metrics.csv: not the same number of pairs as for the other seeds of '{row.run}'")
    columns = {metric.name: values[metric.source] * metric.scale for metric in METRICS}
    if results.is_initial(row):
        columns |= dict.fromkeys(OF_A_FIELD, values["pairs"] * np.nan)
    return pd.DataFrame({**columns, "pairs": values["pairs"]})


def _statistics(
    metric: Metric, values: pd.Series, printed: Mapping[str, float | None], comparable: bool
) -> dict[str, float]:
    mean = float(values.mean())
    spread = float(values.std(ddof=1)) if len(values) > 1 and np.isfinite(values).all() else np.nan
    cells = {metric.name: mean, f"{metric.name}_sd": spread}
    if metric.printed:
        value = printed.get("accuracy" if metric is SEGMENTOR else metric.name)
        paper = np.nan if value is None else float(value)
        cells |= {f"{metric.name}_paper": paper, f"{metric.name}_difference": mean - paper if comparable else np.nan}
    return cells
