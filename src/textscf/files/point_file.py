"""Points in millimetres as CSV files."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from textscf.errors import InputError
from textscf.files.csv_file import read_table

if TYPE_CHECKING:
    import pandas as pd


def read_points(path: Path) -> "pd.DataFrame":
    """Read a CSV of points with the columns x, y and z, in mm; other columns are kept, `name` as text.

    Raises:
        InputError: a column is missing, there is no point, or a coordinate is missing or no number.
    """
    table = read_table(path, "xyz", "points with the columns x, y and z in mm", text=["name"])
    if table.empty:
        raise InputError(f"{path}: has no rows; expected rows with x, y, z")
    if not all(table[name].dtype.kind in "iuf" for name in "xyz"):
        raise InputError(f"{path}: x, y or z has words; expected numbers, in mm")
    if not np.isfinite(table[["x", "y", "z"]].to_numpy(float)).all():
        raise InputError(f"{path}: a coordinate is missing or not finite; expected millimetres")
    return table
