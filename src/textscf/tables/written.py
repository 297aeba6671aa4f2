"""Writing a table: numbers for machines, the same for readers, and the tests of significance."""

from collections.abc import Callable, Mapping
from pathlib import Path

from textscf.files.io import atomic_path, write_csv
from textscf.tables.content import Content
from textscf.tables.display import Display
from textscf.tables.formats import to_html, to_latex, to_markdown

_PAGE_FORMATS = {".md": to_markdown, ".html": to_html}
_FORMATS = {**_PAGE_FORMATS, ".tex": to_latex}


def write_table(table: Content, csv: Path) -> None:
    """Write `csv`, beside it the same table as `.md`, `.tex`, `.html`, and, with tests, `<table>_tests.csv`.

    Everything is formatted before the first file is written; same inputs, same bytes.
    """
    _write(table, csv, _FORMATS)


def write_page(table: Content, csv: Path) -> None:
    """Write a table that is too long for a page of LaTeX: `csv`, beside it the same as `.md` and `.html`."""
    _write(table, csv, _PAGE_FORMATS)


def _write(table: Content, csv: Path, formats: Mapping[str, Callable[[Display], str]]) -> None:
    contents = {csv.with_suffix(suffix): write(table.readable) for suffix, write in formats.items()}
    write_csv(csv, table.frame)
    if table.tests is not None:
        write_csv(csv.with_name(f"{csv.stem}_tests.csv"), table.tests)
    for path, content in contents.items():
        with atomic_path(path) as temporary:
            temporary.write_text(content, encoding="utf-8")
