"""The file with the landmarks of one scan."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from textscf.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

SIGNS = {"RAS": (1.0, 1.0, 1.0), "LPS": (-1.0, -1.0, 1.0)}
"""Factors that turn x, y and z of a file's axes to RAS, and back."""


@dataclass(frozen=True)
class LandmarkFile:
    """A CSV file of landmarks with the columns x, y and z in mm, and its `axes`, RAS or LPS."""

    path: Path
    axes: str = "RAS"

    def read(self) -> "pd.DataFrame":
        """The landmarks, of RAS axes. InputError for a file without points, or with one name twice or missing."""
        from textscf.files.point_file import read_points  # imports NumPy, which the planning of a study lacks

        table = read_points(self.path)
        if "name" in table:
            doubled = table["name"][table["name"].duplicated() | table["name"].isna()]
            if len(doubled):
                raise InputError(f"{self.path}: name '{doubled.iloc[0]}' is missing or there twice; expected one each")
        places = table[["x", "y", "z"]].to_numpy(float) * SIGNS[self.axes]
        return table[[*(["name"] if "name" in table else [])]].assign(**dict(zip("xyz", places.T, strict=True)))
