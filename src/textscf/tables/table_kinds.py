"""Kinds of tables; `kind` in a table's specification selects a module of `KINDS`."""

from importlib import import_module
from pathlib import Path

from textscf.errors import InputError
from textscf.results.items import Item, Results
from textscf.tables.content import Content

# Each module has `make(item, results, reported) -> Content`.
KINDS = {
    "accuracy": "textscf.tables.accuracy_table",
    "complexity": "textscf.tables.complexity_table",
    "learning_rate": "textscf.tables.learning_rate_table",
    "structures": "textscf.tables.structure_table",
}
DEFAULT = "accuracy"


def make(item: Item, results: Results, reported: Path) -> Content:
    """Make a table of any kind; InputError for an unknown one.

    Args:
        item: specification of the table.
        results: files of the table's runs.
        reported: file with the paper's printed values, for kinds that compare with them.
    """
    kind = item.kind or DEFAULT
    if kind not in KINDS:
        raise InputError(f"{item.name}: unknown table kind '{kind}'; expected one of {', '.join(KINDS)}")
    return import_module(KINDS[kind]).make(item, results, reported)
