"""Best values of an accuracy table, where a subject-level interval tells them from all others."""

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from textscf.metrics.aggregation import metrics_of_structures
from textscf.metrics.metric import Metric
from textscf.results.items import Item, Results, Row
from textscf.results.statistics import excludes_zero, jackknife_interval, leave_one_out_means

BOLD = (
    "Bold: the best value, if the 95 % interval of its difference to every other method, by a jackknife over subjects, "
    "excludes zero, there are at least five test subjects, and all trainings have the same length."
)

_PAIR = ["fixed", "moving"]


def best_rows(item: Item, results: Results, table: pd.DataFrame, metrics: Iterable[Metric]) -> dict[str, list[bool]]:
    """Masks of the rows with the best value of each metric, by the metric's name; at most one row per metric is best.

    A row is best if its mean is, and if the 95 % interval of its paired difference to every other competing row, by a
    jackknife over subjects, excludes zero. Rows that see the labels on which they are scored do not compete, and
    nothing is best among trainings of different lengths.

    Args:
        item: specification of the table.
        results: files of the table's runs.
        table: data frame of `compare`.
        metrics: metrics that the table shows.
    """
    lengths = {training for training in table.loc[~table["sees_fixed_labels"], "training"] if training}
    metrics = list(metrics)
    if len(lengths) > 1:
        return {metric.name: [False] * len(table) for metric in metrics}
    values = [_of_pairs(item, results, row, metrics) for row in item.rows]
    return {metric.name: _mask(metric, table, values) for metric in metrics}


def _mask(metric: Metric, table: pd.DataFrame, values: Sequence[pd.DataFrame]) -> list[bool]:
    column = table[metric.column].replace(np.inf, np.nan)
    competing = [n for n in range(len(table)) if np.isfinite(column[n]) and not table["sees_fixed_labels"][n]]
    if metric.best is None or metric.level == "run" or len(competing) < 2:
        return [False] * len(table)
    best = int(getattr(column[competing], f"idx{metric.best}")())
    of_pairs = {n: values[n][metric.name] for n in competing}
    found = _differ(pd.DataFrame({n: of_pairs[best] - of_pairs[n] for n in competing if n != best}))
    return [found and n == best for n in range(len(table))]


def _of_pairs(item: Item, results: Results, row: Row, metrics: Iterable[Metric]) -> pd.DataFrame:
    """Metrics of each pair, averaged over structures and seeds; the index is (fixed, moving). Empty without runs."""
    if not row.runs:
        return pd.DataFrame()
    frames = results.pairs(row)
    of_pairs = [metric for metric in metrics if metric.level == "pair" and metric.columns[0] in frames[0]]
    seeds = [
        frame[_PAIR].assign(**{metric.name: metric.values(frame, item.convention) for metric in of_pairs})
        for frame in frames
    ]
    whole = pd.concat(seeds).groupby(_PAIR).mean()
    if not results.has_labels(row):
        return whole
    structures = results.seed_mean(row, item.convention)
    return whole.join(structures.groupby(_PAIR)[metrics_of_structures(structures)].mean())


def _differ(differences: pd.DataFrame) -> bool:
    """Whether the interval of each column's mean, by a jackknife over subjects, excludes zero; a row is a pair."""
    finite = differences.replace([np.inf, -np.inf], np.nan).dropna()
    ends = [jackknife_interval(*each) for each in zip(finite.mean(), leave_one_out_means(finite).T, strict=True)]
    intervals = pd.DataFrame(ends, columns=["low", "high"])
    return bool(excludes_zero(intervals["low"], intervals["high"]).all())
