"""Result type of every kind of table."""

from dataclasses import dataclass

import pandas as pd

from textscf.tables.display import Display


@dataclass(frozen=True)
class Content:
    """A table as a data frame and in readable form, and its significance tests (None for kinds without tests)."""

    frame: pd.DataFrame
    readable: Display
    tests: pd.DataFrame | None = None
