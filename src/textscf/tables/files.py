"""Writing a table: numbers for machines, the same for readers, and the tests of significance."""

from pathlib import Path

from textscf.io import atomic_path, write_csv
from textscf.tables.content import Content
from textscf.tables.formats import to_html, to_latex, to_markdown

_FORMATS = {".md": to_markdown, ".tex": to_latex, ".html": to_html}


def write_table(table: Content, csv: Path) -> None:
    """Write `csv`, beside it the same table as `.md`, `.tex`, `.html`, and, with tests, `<table>_tests.csv`.

    Everything is formatted before the first file is written; same inputs, same bytes.
    """
    contents = {csv.with_suffix(suffix): write(table.readable) for suffix, write in _FORMATS.items()}
    write_csv(csv, table.frame)
    if table.tests is not None:
        write_csv(csv.with_name(f"{csv.stem}_tests.csv"), table.tests)
    for path, content in contents.items():
        with atomic_path(path) as temporary:
            temporary.write_text(content, encoding="utf-8")
