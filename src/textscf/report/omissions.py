"""Table of the methods that a study leaves out of its tables and figures, with reasons."""

from collections.abc import Iterable

from textscf.report.row_names import labelled_rows
from textscf.results.items import Item
from textscf.tables.display import Cell, Column, Display


def omissions(items: Iterable[Item]) -> Display | None:
    """Table with one line per method that was not run; None if all methods were run."""
    found: dict[tuple[str, str, str], list[str]] = {}
    for item in items:
        for label, row in labelled_rows(item):
            if row.not_run:
                found.setdefault((label, row.run, row.not_run), []).append(item.number)
    if not found:
        return None
    lines = [(label, run, reason, ", ".join(dict.fromkeys(names))) for (label, run, reason), names in found.items()]
    columns = [
        Column(heading, "", [Cell(text) for text in texts])
        for heading, texts in zip(("Method", "Run", "Reason", "Missing from"), zip(*lines, strict=True), strict=True)
    ]
    return Display("Not run", "not_run", "Rows of tables and figures that this study leaves out.", columns, [])
