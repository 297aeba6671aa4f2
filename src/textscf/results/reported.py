"""Values printed in the paper, read from `config/reported.yaml`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from textscf.errors import InputError
from textscf.files.io import read_yaml
from textscf.results.items import Item, Row


def printed_values(item: Item, row: Row, reported: Path) -> Mapping[str, Any]:
    """The paper's values of a row; empty if the item has no table in the paper or the row no line in it.

    A row refers to a line of the reported table by the value of the line's first key.

    Raises:
        InputError: `reported` does not have the table, or not exactly one line of that name.
    """
    if item.reported is None or row.reported is None:
        return {}
    tables = read_yaml(reported)
    if item.reported not in tables:
        raise InputError(f"{reported}: no table '{item.reported}', which {item.name} refers to")
    lines = [line for line in tables[item.reported]["rows"] if str(next(iter(line.values()))) == row.reported]
    if len(lines) != 1:
        raise InputError(f"{reported}: {item.reported}: {len(lines)} rows '{row.reported}'; expected one")
    return lines[0]


def printed_of(item: Item, reported: Path) -> dict[str, Any]:
    """The paper's values for a figure; empty unless the cohorts are the paper's.

    For a figure with the rows of a table, values by row label, such as Dice and SDlogJ; for another, its own by key.
    """
    if item.reported is None:
        return {}
    content = read_yaml(reported).get(item.reported, {})
    printed = {row.label: printed_values(item, row, reported) for row in item.rows} if "rows" in content else content
    return {key: value for key, value in printed.items() if value} if item.paper_cohort else {}
