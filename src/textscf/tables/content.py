"""What every kind of table returns."""

from dataclasses import dataclass

import pandas as pd

from textscf.tables.display import Display


@dataclass(frozen=True)
class Content:
    """A table's numbers for machines, the same for readers, and the tests of significance if the kind has them."""

    frame: pd.DataFrame
    readable: Display
    tests: pd.DataFrame | None = None
