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
