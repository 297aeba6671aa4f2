"""The numbers of a table: every method's metrics over seeds, and the paper's values beside them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from textscf import captions
from textscf.errors import InputError
from textscf.io import read_yaml
from textscf.metrics.aggregation import run_means
from textscf.results import Item, Results, Row


@dataclass(frozen=True)
class Metric:
    """How a metric appears in tables.

    Attributes:
        name: column of the CSV file.
        heading: with the unit.
        source: column of `metrics.csv` or `pairs.csv`.
        scale: factor from there to the unit of the heading.
        decimals: shown.
        best: whether `max` or `min` is best.
        printed: whether the paper's tables have it.
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


def compare(item: Item, results: Results, reported: Path) -> pd.DataFrame:
    """One line per method, in the order of the table.

    Every metric is the mean over test pairs of one seed's run, then mean and standard deviation (N - 1) over seeds.

    Args:
        item: the table.
        results: metrics of its runs.
        reported: file with the values that the paper prints.

    Returns:
        Columns method, run, then per metric `<metric>` and `<metric>_sd` (NaN with one seed) and, for metrics that the
        paper prints, `<metric>_paper` and `<metric>_difference` (ours - paper; both NaN unless the cohort is the
        paper's), then seeds, pairs, trained, training (its length in words), sees_fixed_labels, convention, notice.
        Units as in `METRICS`; metrics of a displacement field are NaN where nothing was registered.
    """
    lines = []
    for row in item.rows:
        printed = _printed_values(item, row, reported)
        line: dict[str, Any] = {"method": row.label, "run": row.run}
        values = _seed_values(item, results, row)
        for metric in METRICS:
            line |= _statistics(metric, values[metric.name], printed)
        trained = results.is_trained(row)
        line |= {"seeds": len(row.runs) if trained else 0, "pairs": int(values["pairs"].iloc[0]), "trained": trained}
        training = results.settings(row.runs[0])["training"] if trained else None
        schedule = captions.schedule_phrase(training["epochs"], training["steps_per_epoch"]) if training else ""
        lines.append(line | {"training": schedule, "sees_fixed_labels": row.sees_fixed_labels})
    return pd.DataFrame(lines).assign(convention=item.convention, notice="; ".join(item.notices))


def _seed_values(item: Item, results: Results, row: Row) -> pd.DataFrame:
    """Means over pairs, one line per seed: a column per metric in the unit of the table, and `pairs`."""
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


def _statistics(metric: Metric, values: pd.Series, printed: Mapping[str, float | None]) -> dict[str, float]:
    mean = float(values.mean())
    spread = float(values.std(ddof=1)) if len(values) > 1 and np.isfinite(values).all() else np.nan
    cells = {metric.name: mean, f"{metric.name}_sd": spread}
    if metric.printed:
        paper = printed.get(metric.name)
        paper = np.nan if paper is None else float(paper)
        cells |= {f"{metric.name}_paper": paper, f"{metric.name}_difference": mean - paper}
    return cells


def _printed_values(item: Item, row: Row, reported: Path) -> Mapping[str, float | None]:
    """The paper's values of a row; none where the cohort is not the paper's or the row names no method of it.

    The first key of a line of the reported table is the name by which rows refer to it.
    """
    if not item.paper_cohort or item.reported is None or row.reported is None:
        return {}
    tables = read_yaml(reported)
    if item.reported not in tables:
        raise InputError(f"{reported}: no table '{item.reported}', which {item.name} refers to")
    lines = [line for line in tables[item.reported]["rows"] if str(next(iter(line.values()))) == row.reported]
    if len(lines) != 1:
        raise InputError(f"{reported}: {item.reported}: {len(lines)} rows '{row.reported}'; expected one")
    return lines[0]
