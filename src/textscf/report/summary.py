"""Paragraph on the main result: the reference method against the best other one, from the t-tests of its table."""

import math
from pathlib import Path

import pandas as pd

from textscf.metrics.measures import METRICS
from textscf.results import captions
from textscf.results.items import Item, read_csv
from textscf.results.statistics import ALL

_COLUMNS = [
    *["method", "metric", "structure", "n", "mean_reference", "mean_method", "difference", "p_over_pairs"],
    *["difference_ci95_low", "difference_ci95_high"],
]


def summary(item: Item, tests: Path) -> str | None:
    """A few sentences on Dice; None for a table without a reference, Dice or a method to compare it with.

    If the reference does not see the labels on which it is scored, methods that see them are not compared with it.

    Args:
        item: specification of the table.
        tests: file `<table>_tests.csv` of the table.
    """
    reference = item.reference_row
    if reference is None:
        return None
    fair = [row.label for row in item.rows if row.runs and row.sees_fixed_labels <= reference.sees_fixed_labels]
    if len(fair) < 2:
        return None
    frame = read_csv(tests, _COLUMNS, "the t-tests of a table, made by src/table.py", empty=True)
    mean = frame[(frame["structure"] == ALL) & (frame["metric"] == METRICS["dice"].column) & frame["method"].isin(fair)]
    best = mean.nlargest(1, "mean_method")
    return None if best.empty else " ".join(_sentences(captions.marked_label(reference), best.iloc[0]))


def _sentences(reference: str, best: pd.Series) -> list[str]:
    low, high = best["difference_ci95_low"], best["difference_ci95_high"]
    details = []
    if math.isfinite(low):
        details.append(f"95 % interval {signed(low)} to {signed(high)}, by a bootstrap over subjects")
    if math.isfinite(best["p_over_pairs"]):
        details.append(f"paired t-test over pairs: {p_phrase(best['p_over_pairs'])}")
    told = f" ({'; '.join(details)})" if details else ""
    sentences = [
        f"{reference} reaches a mean Dice of {best['mean_reference']:.2f} % over {captions.pairs_phrase([best['n']])}; "
        f"the best other method, {best['method']}, reaches {best['mean_method']:.2f} %.",
        f"Difference: {signed(best['difference'])} percentage points{told}.",
    ]
    if math.isfinite(low):
        apart = low > 0 or high < 0
        sentences.append("The interval excludes zero." if apart else "The interval includes zero.")
    return sentences


def signed(value: float) -> str:
    """A number with two decimals and a sign."""
    return f"{value:+.2f}".replace("-", "−")


def p_phrase(p: float) -> str:
    """A p value in words."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"
