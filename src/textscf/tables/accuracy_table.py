"""Accuracy tables: registration metrics of every method, and significance tests."""

from pathlib import Path

import pandas as pd

from textscf.results.items import Item, Results, compare_with_reference
from textscf.tables.comparison import compare
from textscf.tables.content import Content
from textscf.tables.display import display

_TEST_NAMES = {
    "mean_a": "mean_reference",
    "mean_b": "mean_method",
    "ci_low": "difference_ci95_low",
    "ci_high": "difference_ci95_high",
}
_PERCENT = ["mean_a", "mean_b", "difference", "ci_low", "ci_high"]
_TEST_COLUMNS = [
    *["reference", "method", "metric", "structure", "n", "mean_reference", "mean_method", "difference"],
    *["t", "p", "p_holm", "effect_size", "difference_ci95_low", "difference_ci95_high"],
]


def make(item: Item, results: Results, reported: Path) -> Content:
    """Make an accuracy table, see `table_kinds.make`."""
    table = compare(item, results, reported)
    return Content(table, display(item, table), significance(item, results))


def significance(item: Item, results: Results) -> pd.DataFrame:
    """Paired t-tests of Dice of the reference against every other method, per structure and for their mean (`all`).

    Seeds are averaged per pair first. Means, their difference (reference - method) and its 95 % bootstrap interval over
    subjects are in percent. The effect size is Cohen's d_z. A table without a reference gives no rows.
    """
    tests = compare_with_reference(item, results)
    if tests.empty:
        return pd.DataFrame(columns=_TEST_COLUMNS)
    tests[_PERCENT] *= 100
    return tests.rename(columns=_TEST_NAMES).assign(metric="Dice (%)")[_TEST_COLUMNS]
