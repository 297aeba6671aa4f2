"""Accuracy tables: registration metrics of every method, and significance tests."""

from pathlib import Path

import pandas as pd

from textscf.metrics.measures import METRICS
from textscf.results.items import Item, Results, compare_with_reference
from textscf.results.statistics import excludes_zero
from textscf.tables.best import best_rows
from textscf.tables.comparison import compare, shown_metrics
from textscf.tables.content import Content
from textscf.tables.display import display

_TEST_NAMES = {
    "mean_a": "mean_reference",
    "mean_b": "mean_method",
    "t": "t_over_pairs",
    "p": "p_over_pairs",
    "p_holm": "p_over_pairs_holm",
    "ci_low": "difference_ci95_low",
    "ci_high": "difference_ci95_high",
}
_PERCENT = ["mean_a", "mean_b", "difference", "ci_low", "ci_high"]
_TEST_COLUMNS = [
    *["reference", "method", "metric", "structure", "n", "mean_reference", "mean_method", "difference"],
    *["difference_ci95_low", "difference_ci95_high", "interval_excludes_zero"],
    *["t_over_pairs", "p_over_pairs", "p_over_pairs_holm", "effect_size"],
]


def make(item: Item, results: Results, reported: Path) -> Content:
    """Make an accuracy table, see `table_kinds.make`."""
    table = compare(item, results, reported)
    best = best_rows(item, results, table, shown_metrics(item, table.columns))
    return Content(table, display(item, table, best), significance(item, results))


def significance(item: Item, results: Results) -> pd.DataFrame:
    """Comparison of the reference's Dice with every other method's, per structure and for their mean (`all`).

    Seeds are averaged per pair first. Means, their difference (reference - method) and its 95 % interval over
    subjects are in percent. The t-test over pairs is the paper's; it takes pairs that share a subject for independent,
    so the interval decides. Holm's adjustment is over a method's structures, and for their mean over the methods. The
    effect size is Cohen's d_z. A table without a reference gives no rows.
    """
    tests = compare_with_reference(item, results)
    if tests.empty:
        return pd.DataFrame(columns=_TEST_COLUMNS)
    tests[_PERCENT] *= 100
    apart = excludes_zero(tests["ci_low"], tests["ci_high"])
    named = tests.rename(columns=_TEST_NAMES)
    return named.assign(metric=METRICS["dice"].column, interval_excludes_zero=apart)[_TEST_COLUMNS]
