"""Names of the rows of tables and figures that stand on their own."""

from collections.abc import Iterator

from textscf.results.captions import setting_name
from textscf.results.items import Item, Row


def labelled_rows(item: Item) -> Iterator[tuple[str, Row]]:
    """Rows, their versions with the text-driven head, and the points of sweeps that were not left out as a whole.

    A row that a table merely numbers is named after the table too.
    """
    for row in item.rows:
        label = f"{item.number}, row {row.label}" if row.label.isdigit() else row.label
        yield label, row
        if row.with_head:
            yield f"{label} with the text-driven head", row.with_head
        if not row.not_run:
            for point in row.points:
                values = ", ".join(f"{setting_name(key)} {value}" for key, value in point.swept.items())
                yield f"{label}, {values}", point
