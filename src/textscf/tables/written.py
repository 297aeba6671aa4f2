"""Writes the files of a table: CSV, readable formats, and the significance tests."""

from collections.abc import Callable, Mapping
from pathlib import Path

from textscf.files.io import atomic_path, write_csv
from textscf.tables.content import Content
from textscf.tables.display import Display
from textscf.tables.formats import to_html, to_latex, to_markdown

_PAGE_FORMATS = {".md": to_markdown, ".html": to_html}
_FORMATS = {**_PAGE_FORMATS, ".tex": to_latex}


def write_table(table: Content, csv: Path) -> None:
    """Write `csv`, the same table beside it as `.md`, `.tex` and `.html`, and any tests as `<table>_tests.csv`.

    All formats are made before the first file is written. The same input gives the same bytes.
    """
    _write(table, csv, _FORMATS)


def write_page(table: Content, csv: Path) -> None:
    """Write a table that is too long for a LaTeX page: `csv`, and the same table beside it as `.md` and `.html`."""
    _write(table, csv, _PAGE_FORMATS)


def _write(table: Content, csv: Path, formats: Mapping[str, Callable[[Display], str]]) -> None:
    contents = {csv.with_suffix(suffix): write(table.readable) for suffix, write in formats.items()}
    write_csv(csv, table.frame)
    if table.tests is not None:
        write_csv(csv.with_name(f"{csv.stem}_tests.csv"), table.tests)
    for path, content in contents.items():
        with atomic_path(path) as temporary:
            temporary.write_text(content, encoding="utf-8")
