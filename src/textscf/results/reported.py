"""The values that the paper prints, as `config/reported.yaml` has them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from textscf.errors import InputError
from textscf.files.io import read_yaml
from textscf.results.items import Item, Row


def printed_values(item: Item, row: Row, reported: Path) -> Mapping[str, Any]:
    """The paper's values of a row; none where the row names no line of its table.

    The first key of a line of the reported table is the name by which rows refer to it.

    Raises:
        InputError: `reported` has no such table, or not one such line.
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


def quoted_values(item: Item, reported: Path) -> dict[str, Mapping[str, Any]]:
    """Values that the paper quotes from elsewhere, by the label of their row; none where the cohorts are others."""
    printed = {row.label: printed_values(item, row, reported) for row in item.rows}
    return {label: values for label, values in printed.items() if item.paper_cohort and values.get("quoted", False)}
