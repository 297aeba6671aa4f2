"""Marks for significant differences between the reference and the other methods."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from matplotlib.lines import Line2D

from textscf.plotting.style import INK
from textscf.results.statistics import ALL

ALPHA = 0.05

_SHAPES = {"better": "*", "worse": "v"}
_SIZES = {"better": 4, "worse": 3}


@dataclass(frozen=True)
class Mark:
    """A difference with p < 0.05: whether the reference is better, and whether p < 0.05 after Holm's adjustment."""

    reference_is: Literal["better", "worse"]
    after_holm: bool

    def artist(self, colour: str, x: float = np.nan, y: float = np.nan) -> Line2D:
        """The mark at a position: filled if significant after Holm, open if only the uncorrected p is below 0.05."""
        return Line2D(
            [x],
            [y],
            linestyle="",
            marker=_SHAPES[self.reference_is],
            markersize=_SIZES[self.reference_is],
            markerfacecolor=colour if self.after_holm else "white",
            markeredgecolor=INK,
            markeredgewidth=0.35,
            clip_on=False,
        )

    def explanation(self, reference: str) -> str:
        """Text for the legend."""
        return f"{reference} {self.reference_is}, p < {ALPHA} {'after Holm' if self.after_holm else 'uncorrected'}"


def mark_of(test: Mapping[Hashable, Any]) -> Mark | None:
    """The mark of one line of the tests; None if p is not below 0.05."""
    if not test["p"] < ALPHA:
        return None
    return Mark("better" if test["difference"] > 0 else "worse", bool(test["p_holm"] < ALPHA))


def marks_in(tests: pd.DataFrame) -> list[Mark]:
    """The distinct marks of the structures in the tests, in the order of the legend."""
    lines = tests.to_dict("records")
    marks = {mark for mark in (mark_of(line) for line in lines if line["structure"] != ALL) if mark}
    return sorted(marks, key=lambda mark: (mark.reference_is, not mark.after_holm))
