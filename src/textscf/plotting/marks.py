"""Marks for significant differences between the reference and the other methods."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd
from matplotlib.lines import Line2D

from textscf.plotting.style import INK
from textscf.results.statistics import ALL

ALPHA = 0.05
EDGE = 0.35
"""Width of the edge of a mark in points."""


@dataclass(frozen=True)
class Mark:
    """A difference with p < 0.05: whether the reference is better, and whether p < 0.05 after Holm's adjustment."""

    reference_is: Literal["better", "worse"]
    after_holm: bool

    @property
    def shape(self) -> tuple[str, int]:
        """Marker and its size in points."""
        return ("*", 4) if self.reference_is == "better" else ("v", 3)

    def artist(self, colour: str) -> Line2D:
        """The mark for a legend: filled if significant after Holm, open if only the uncorrected p is below 0.05."""
        marker, size = self.shape
        face = colour if self.after_holm else "white"
        return Line2D(
            [], [], linestyle="", marker=marker, markersize=size, markerfacecolor=face, markeredgecolor=INK,
            markeredgewidth=EDGE,
        )  # fmt: skip

    def explanation(self, reference: str) -> str:
        """Text for the legend."""
        return f"{reference} {self.reference_is}, p < {ALPHA} {'after Holm' if self.after_holm else 'uncorrected'}"


def marks_of(tests: pd.DataFrame) -> pd.Series:
    """The mark of each line of the tests; None if p is not below 0.05, and for the mean over structures."""
    return pd.Series([_mark_of(test) for test in tests.to_dict("records")], tests.index, dtype=object)


def _mark_of(test: Mapping[Hashable, Any]) -> Mark | None:
    if test["structure"] == ALL or not test["p"] < ALPHA:
        return None
    return Mark("better" if test["difference"] > 0 else "worse", bool(test["p_holm"] < ALPHA))


def marks_in(tests: pd.DataFrame) -> list[Mark]:
    """The distinct marks of the structures in the tests, in the order of the legend."""
    marks = {mark for mark in marks_of(tests) if mark}
    return sorted(marks, key=lambda mark: (mark.reference_is, not mark.after_holm))
