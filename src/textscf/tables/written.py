"""Writes the files of a table: CSV, readable formats, and the significance tests; reads the readable table again."""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path

from textscf.errors import InputError
from textscf.files.io import atomic_path, read_json, write_csv, write_json
from textscf.tables.content import Content
from textscf.tables.display import Cell, Column, Display
from textscf.tables.formats import to_html, to_latex, to_markdown

_PAGE_FORMATS = {".md": to_markdown, ".html": to_html}
_FORMATS = {**_PAGE_FORMATS, ".tex": to_latex}


def write_table(table: Content, csv: Path) -> None:
    """Write `csv`, the same table beside it as `.md`, `.tex`, `.html` and `.json`, any tests as `<table>_tests.csv`.

    The `.json` file holds the readable table for the report. All formats are made before the first file is written. The
    same input gives the same bytes.
    """
    _write(table, csv, _FORMATS)


def write_page(table: Content, csv: Path) -> None:
    """Write a table that is too long for a LaTeX page: `csv`, and the same beside it as `.md`, `.html` and `.json`."""
    _write(table, csv, _PAGE_FORMATS)


def read_readable(path: Path) -> Display:
    """Read the readable table from its `.json` file; InputError for another file."""
    content = read_json(path)
    try:
        columns = [
            Column(**{**column, "cells": [Cell(**cell) for cell in column["cells"]]}) for column in content["columns"]
        ]
        return Display(**{**content, "columns": columns})
    except (TypeError, KeyError) as error:
        raise InputError(f"{path}: holds no readable table; expected a file made by src/table.py") from error


def _write(table: Content, csv: Path, formats: Mapping[str, Callable[[Display], str]]) -> None:
    contents = {csv.with_suffix(suffix): write(table.readable) for suffix, write in formats.items()}
    write_csv(csv, table.frame)
    write_json(csv.with_suffix(".json"), dataclasses.asdict(table.readable))
    if table.tests is not None:
        write_csv(csv.with_name(f"{csv.stem}_tests.csv"), table.tests)
    for path, content in contents.items():
        with atomic_path(path) as temporary:
            temporary.write_text(content, encoding="utf-8")
