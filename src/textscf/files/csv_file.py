"""Reading of CSV files with checks."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from textscf.errors import InputError

if TYPE_CHECKING:
    import pandas as pd


def read_table(path: Path, columns: Iterable[str], what: str, text: Iterable[str] = ()) -> "pd.DataFrame":
    """Read a CSV file that has `columns`; values of the columns `text` stay as they are written.

    Raises:
        InputError: there is no such file, it is no CSV file, or a column is missing; the message names `what` was
            expected.
    """
    import pandas as pd

    if not path.is_file():
        raise InputError(f"{path}: no such file; expected {what}")
    try:
        frame = pd.read_csv(path, dtype=dict.fromkeys(text, str))
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read as CSV ({' '.join(str(error).split())})") from error
    columns = list(columns)
    missing = [column for column in columns if column not in frame]
    if missing:
        raise InputError(f"{path}: has no column '{missing[0]}'; expected rows with {', '.join(columns)}")
    return frame


def read_rows(path: Path, known: Iterable[str], required: Iterable[str], what: str) -> list[dict[str, str]]:
    """Read a CSV file of tasks: for each row the text of the cells that are not empty, by their column.

    Args:
        path: file.
        known: columns that the file may have.
        required: columns that it must have; their cells may be empty.
        what: what is expected, for the message.

    Raises:
        InputError: there is no such file, it is no CSV file, a column is missing or not known, or there is no row.
    """
    known = list(known)
    frame = read_table(path, required, what, text=known)
    unknown = [column for column in frame if column not in known]
    if unknown:
        raise InputError(f"{path}: column '{unknown[0]}'; expected {', '.join(known)}")
    if frame.empty:
        raise InputError(f"{path}: has no rows; expected {what}")
    return [{str(key): text for key, text in row.dropna().items()} for _, row in frame.iterrows()]
