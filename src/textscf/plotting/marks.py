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
    """A difference with p < 0.05 over pairs, as the paper tests: whether the reference is better, and how sure that is.

    Pairs that share a subject are not independent, so a mark is `firm` only if p is also below 0.05 after Holm's
    adjustment, and the 95 % interval by subjects excludes zero.
    """

    reference_is: Literal["better", "worse"]
    firm: bool

    @property
    def shape(self) -> tuple[str, int]:
        """Marker and its size in points."""
        return ("*", 4) if self.reference_is == "better" else ("v", 3)

    def artist(self, colour: str) -> Line2D:
        """The mark for a legend: filled if firm, open if only p over pairs is below 0.05."""
        marker, size = self.shape
        face = colour if self.firm else "white"
        return Line2D(
            [], [], linestyle="", marker=marker, markersize=size, markerfacecolor=face, markeredgecolor=INK,
            markeredgewidth=EDGE,
        )  # fmt: skip

    def explanation(self, reference: str) -> str:
        """Text for the legend."""
        how = "after Holm and by subjects" if self.firm else "over pairs only"
        return f"{reference} {self.reference_is}, p < {ALPHA} {how}"


def marks_of(tests: pd.DataFrame) -> pd.Series:
    """The mark of each line of the tests; None if p is not below 0.05, and for the mean over structures."""
    return pd.Series([_mark_of(test) for test in tests.to_dict("records")], tests.index, dtype=object)


def _mark_of(test: Mapping[Hashable, Any]) -> Mark | None:
    if test["structure"] == ALL or not test["p"] < ALPHA:
        return None
    by_subjects = test["ci_low"] > 0 or test["ci_high"] < 0
    return Mark("better" if test["difference"] > 0 else "worse", bool(test["p_holm"] < ALPHA and by_subjects))


def marks_in(tests: pd.DataFrame) -> list[Mark]:
    """The distinct marks of the structures in the tests, in the order of the legend."""
    marks = {mark for mark in marks_of(tests) if mark}
    return sorted(marks, key=lambda mark: (mark.reference_is, not mark.firm))
