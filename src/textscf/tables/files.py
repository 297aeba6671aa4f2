"""Writing a table: numbers for machines, the same for readers, and the tests of significance."""

from pathlib import Path

import pandas as pd

from textscf.io import atomic_path, write_csv
from textscf.results import Item, Results, compare_with_reference
from textscf.tables.comparison import compare
from textscf.tables.display import display
from textscf.tables.formats import to_html, to_latex, to_markdown

_FORMATS = {".md": to_markdown, ".tex": to_latex, ".html": to_html}
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


def write_table(item: Item, results: Results, reported: Path, csv: Path) -> None:
    """Write `csv`, beside it the same table as `.md`, `.tex`, `.html`, and `<table>_tests.csv`.

    Everything is computed before the first file is written; same inputs, same bytes.
    """
    table = compare(item, results, reported)
    tests = significance(item, results)
    readable = display(item, table)
    contents = {csv.with_suffix(suffix): write(readable) for suffix, write in _FORMATS.items()}
    write_csv(csv, table)
    write_csv(csv.with_name(f"{csv.stem}_tests.csv"), tests)
    for path, content in contents.items():
        with atomic_path(path) as temporary:
            temporary.write_text(content, encoding="utf-8")


def significance(item: Item, results: Results) -> pd.DataFrame:
    """Paired t-tests of Dice of the reference against every other method, per structure and for their mean (`all`).

    Seeds are averaged per pair first. Means, their difference (reference - method) and its 95 % bootstrap interval over
    subjects are in percent; the effect size is Cohen's d_z; no rows without a reference.
    """
    tests = compare_with_reference(item, results)
    if tests.empty:
        return pd.DataFrame(columns=_TEST_COLUMNS)
    tests[_PERCENT] *= 100
    return tests.rename(columns=_TEST_NAMES).assign(metric="Dice (%)")[_TEST_COLUMNS]
