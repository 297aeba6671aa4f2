"""Names for rows of tables and figures that are clear outside their table or figure."""

from collections.abc import Iterator

from textscf.results.captions import setting_name
from textscf.results.items import Item, Row


def labelled_rows(item: Item) -> Iterator[tuple[str, Row]]:
    """Yield (name, row) for all rows, their versions with the text-driven head, and the points of their sweeps.

    The points of a sweep that is left out as a whole are skipped. If a row's label is just a number, the name starts
    with the table.
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
