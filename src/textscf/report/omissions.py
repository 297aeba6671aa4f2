"""What a study leaves out of its tables and figures, and why."""

from collections.abc import Iterable, Iterator
from typing import Any

from textscf.captions import setting_name
from textscf.results import Item, Row
from textscf.tables.display import Cell, Column, Display


def omissions(items: Iterable[Item]) -> Display | None:
    """A line for each method that was not run; None if all were."""
    found: dict[tuple[str, str, str], list[str]] = {}
    for item in items:
        for label, row in _rows(item.rows):
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


def _rows(rows: Iterable[Row]) -> Iterator[tuple[str, Row]]:
    """All rows with their labels; of a sweep that is left out as a whole, not its points too."""
    for row in rows:
        yield row.label, row
        if row.with_head:
            yield f"{row.label} with the text-driven head", row.with_head
        if not row.not_run:
            yield from ((f"{row.label}, {values_phrase(point.swept)}", point) for point in row.points)


def values_phrase(values: dict[str, Any]) -> str:
    """The values of a sweep's point in words, such as ``smoothness 0.1``."""
    return ", ".join(f"{setting_name(key)} {value}" for key, value in values.items())
