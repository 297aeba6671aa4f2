"""Best values of an accuracy table, where a subject-level interval tells them from all others."""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from textscf.metrics.metric import Metric
from textscf.results.items import Item, Results, Row
from textscf.results.statistics import bootstrap_means

BOLD = (
    "Bold: the best value, if the 95 % interval of its difference to every other method, by a bootstrap over subjects, "
    "excludes zero, there are at least five test subjects, and all trainings have the same length."
)

_PAIR = ["fixed", "moving"]
_LEVEL = [0.025, 0.975]
_FEWEST_SUBJECTS = 5
"""Test subjects below which a bootstrap over them says nothing."""


def best_rows(item: Item, results: Results, table: pd.DataFrame, metrics: Iterable[Metric]) -> dict[str, list[bool]]:
    """Masks of the rows with the best value of each metric, by the metric's name; at most one row per metric is best.

    A row is best if its mean is, and if the 95 % interval of its paired difference to every other competing row, by a
    bootstrap over subjects, excludes zero. Rows that see the labels on which they are scored do not compete, and
    nothing is best among trainings of different lengths.

    Args:
        item: specification of the table.
        results: files of the table's runs.
        table: data frame of `compare`.
        metrics: metrics that the table shows.
    """
    lengths = {training for training in table.loc[~table["sees_fixed_labels"], "training"] if training}
    return {metric.name: _mask(item, results, table, metric, len(lengths) < 2) for metric in metrics}


def _mask(item: Item, results: Results, table: pd.DataFrame, metric: Metric, comparable: bool) -> list[bool]:
    column = table[metric.column].replace(np.inf, np.nan)
    competing = [n for n in range(len(table)) if np.isfinite(column[n]) and not table["sees_fixed_labels"][n]]
    if metric.best is None or not comparable or len(competing) < 2:
        return [False] * len(table)
    best = int(getattr(column[competing], f"idx{metric.best}")())
    values = {n: _of_pairs(item, results, item.rows[n], metric) for n in competing}
    found = _differ(pd.DataFrame({n: values[best] - values[n] for n in competing if n != best}))
    return [found and n == best for n in range(len(table))]


def _of_pairs(item: Item, results: Results, row: Row, metric: Metric) -> pd.Series:
    """The metric of each pair, averaged over structures and seeds; the index is (fixed, moving)."""
    if metric.level == "structure":
        return results.seed_mean(row, item.convention).groupby(_PAIR)[metric.name].mean()
    seeds = [frame.assign(value=metric.values(frame, item.convention)) for frame in results.pairs(row)]
    return pd.concat(seeds).groupby(_PAIR)["value"].mean()


def _differ(differences: pd.DataFrame) -> bool:
    """Whether the interval of each column's mean, by a bootstrap over subjects, excludes zero; a row is a pair."""
    finite = differences.replace([np.inf, -np.inf], np.nan).dropna()
    if len({subject for pair in finite.index for subject in pair}) < _FEWEST_SUBJECTS:
        return False
    low, high = np.quantile(bootstrap_means(finite), _LEVEL, axis=0)
    return bool(((low > 0) | (high < 0)).all())
