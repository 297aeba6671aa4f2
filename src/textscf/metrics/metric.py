"""Definition of a metric: how it is measured, averaged and shown."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import pandas as pd
from numpy.typing import NDArray

from textscf.metrics.registered_pair import RegisteredPair

Convention = Literal["learn2reg", "paper"]
Measured = NDArray | float
_UNITS_IN_NAMES = {"%": "_percent", "mm": "_mm"}


@dataclass(frozen=True, kw_only=True)
class Quantity:
    """A number as tables show it.

    Attributes:
        name: name in settings and files; a metric gets it from its module.
        title: name in headings.
        unit: unit in headings; `%` stands for a fraction, which is shown times 100.
        decimals: number of decimals shown.
        best: `max` or `min`, whichever is best; None for a number without a best value.
        printed: whether the paper's tables have the number.
    """

    name: str = ""
    title: str
    unit: str = ""
    decimals: int = 2
    best: Literal["max", "min"] | None = None
    printed: bool = False

    @property
    def heading(self) -> str:
        """Title with the unit."""
        return f"{self.title} ({self.unit})" if self.unit else self.title

    @property
    def scale(self) -> int:
        """Factor from the unit in files of runs to the unit shown."""
        return 100 if self.unit == "%" else 1

    @property
    def unit_of_difference(self) -> str:
        """Unit of a difference of two values."""
        return "points" if self.unit == "%" else self.unit

    @property
    def column(self) -> str:
        """Column of a table's CSV file: the name with the unit shown, such as `dice_percent`."""
        stem, unit = self.name.removesuffix("_fraction"), _UNITS_IN_NAMES.get(self.unit, "")
        return stem if stem.endswith(unit) else stem + unit


@dataclass(frozen=True, kw_only=True)
class Metric(Quantity):
    """A metric of registered pairs.

    Attributes:
        level: `structure` for a value per structure, in `metrics.csv`; `pair` for one value, in `pairs.csv`; `run` for
            one value of all pairs, in no result file.
        measure: computes a pair's value, at the level `structure` one per label ``(N,)``; a tuple of them if there are
            several `columns`; None for a pair that lacks what the metric needs, which then has no such column.
        summary: computes the value of a metric of level `run` from the metrics of structures by a convention, averaged
            over the structures of each pair, one row per pair.
        columns: columns of the result file; without them one, named like the metric; none at the level `run`.
        adapt: computes the metric from the rows of the result file by a convention; without it, it is the column.
        phrase: name in sentences; the title without it.
        of_field: whether the metric is about the displacement field, so that it is not defined without registration.
        standard: whether every result file has the metric, and every table that does not name its metrics.
        where_measured: whether tables that do not name their metrics show it, too, where result files have it.
        on_request: whether pairs are measured only where a table of the study names the metric, since that takes long.
        place: rank among the columns; equal ranks are in the order of their names.
    """

    level: Literal["structure", "pair", "run"]
    measure: Callable[[RegisteredPair], Measured | tuple[Measured, ...] | None] = lambda pair: None
    summary: Callable[[pd.DataFrame], float] = lambda pairs: math.nan
    columns: tuple[str, ...] = ()
    adapt: Callable[[pd.DataFrame, Convention], pd.Series] | None = None
    phrase: str = ""
    of_field: bool = False
    standard: bool = False
    where_measured: bool = False
    on_request: bool = False
    place: int = 100

    def values(self, rows: pd.DataFrame, convention: Convention) -> pd.Series:
        """The metric in each row of its result file, by a convention."""
        return self.adapt(rows, convention) if self.adapt else rows[self.name]

    def measured(self, pair: RegisteredPair) -> dict[str, Measured]:
        """Values of a pair by column; empty if the pair lacks what the metric needs."""
        found = self.measure(pair)
        if found is None:
            return {}
        return dict(zip(self.columns, found if isinstance(found, tuple) else (found,), strict=True))
