"""Verdict on a claim, decided from its comparisons."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from textscf.results.statistics import FEWEST_SUBJECTS, jackknife_interval

Verdict = Literal["reproduced", "not reproduced", "not tested"]
State = Literal["holds", "undecided", "no interval", "opposite", "too far", "fails"]

ORDERING = "ordering"
NUMBER = "number"
INTERVAL = "95 % interval over subjects"

_SHOWN = 3


@dataclass(frozen=True)
class Part:
    """One comparison of a claim.

    Attributes:
        label: name of the comparison, such as the other method; empty if the claim has a single part.
        value: this study's number.
        low, high: 95 % interval of `value` over subjects; NaN without an interval.
        state: `holds` if the part agrees with the claim, otherwise the reason of the disagreement.
        unit: unit of `value`, `low` and `high`.
        text: text shown in place of value and unit.
    """

    label: str
    value: float
    low: float
    high: float
    state: State
    unit: str = ""
    text: str = ""

    @property
    def shown(self) -> str:
        """Label, value and interval as text."""
        told = self.text or number_text(self.value, self.unit)
        interval = "" if math.isnan(self.low) else f" ({number_text(self.low)} to {number_text(self.high)})"
        return f"{self.label}: {told}{interval}" if self.label else f"{told}{interval}"


@dataclass(frozen=True)
class Outcome:
    """Result of checking a claim in a study.

    Attributes:
        rule: rule of the verdict, in words.
        verdict: `reproduced`, `not reproduced` or `not tested`.
        reason: reason of the verdict; for a reproduced claim empty, or the parts that were missing.
        parts: the comparisons that were possible.
        compared: `number` if the paper's number was compared, `ordering` otherwise.
    """

    rule: str
    verdict: Verdict
    reason: str
    parts: list[Part] = field(default_factory=list)
    compared: str = ORDERING

    @property
    def decisive(self) -> Part | None:
        """The part that disagrees most; if all hold, the one whose interval is nearest to 0; None without parts."""
        failing = [part for part in self.parts if part.state != "holds"]
        if failing:
            return max(failing, key=lambda part: (part.state not in ("undecided", "no interval"), abs(part.value)))
        return min(self.parts, key=_distance) if self.parts else None

    @property
    def shown(self) -> str:
        """This study's values as text: all parts if they are few, else the number that hold and the decisive part."""
        if len(self.parts) <= _SHOWN:
            return "; ".join(part.shown for part in self.parts)
        holding = sum(part.state == "holds" for part in self.parts)
        which = "nearest to failing" if holding == len(self.parts) else "furthest from the claim"
        decisive = self.decisive.shown if self.decisive else ""
        return f"{holding} of {len(self.parts)} comparisons hold; {which}: {decisive}"


def _distance(part: Part) -> float:
    bounds = [abs(bound) for bound in (part.low, part.high) if math.isfinite(bound)]
    return min(bounds, default=abs(part.value) if math.isfinite(part.value) else 0.0)


def decide(
    rule: str,
    parts: Sequence[Part],
    missing: Mapping[str, str] | None = None,
    compared: str = ORDERING,
    every: bool = True,
) -> Outcome:
    """Decide on a claim: a part that disagrees refutes it.

    Otherwise, a part that is missing or has no interval leaves it untested.

    Args:
        rule: rule of the verdict, in words.
        parts: the comparisons that were possible.
        missing: name of each part that could not be compared -> reason.
        compared: see `Outcome`.
        every: whether the claim needs every part; if False, the possible comparisons decide.
    """
    parts, missing = list(parts), missing or {}
    unknown = [part for part in parts if part.state == "no interval"]
    against = [part for part in parts if part.state not in ("holds", "no interval")]
    if against:
        return Outcome(rule, "not reproduced", _disagreement(against), parts, compared)
    if unknown:
        return Outcome(rule, "not tested", _disagreement(unknown), parts, compared)
    if not parts or (missing and every):
        holding = f"holds for {_names(part.label for part in parts)}; " if parts else ""
        return Outcome(rule, "not tested", f"{holding}missing: {_reasons(missing)}", parts, compared)
    return Outcome(rule, "reproduced", f"without {_reasons(missing)}" if missing else "", parts, compared)


def untested(reason: str, parts: Sequence[Part] = (), rule: str = "") -> Outcome:
    """Outcome of a claim that a study cannot test."""
    return Outcome(rule, "not tested", reason, list(parts))


def signed_part(label: str, value: float, without_one: NDArray[np.float64], sign: int, unit: str) -> Part:
    """Make a part that holds if the interval of `value` lies on the claimed side of 0, `sign` 1 or -1.

    `without_one` has the value without each subject in turn.
    """
    low, high = jackknife_interval(value, without_one)
    lower, upper = sorted((sign * low, sign * high))
    state: State = "holds" if lower > 0 else "opposite" if upper < 0 else "undecided"
    if math.isnan(low):
        state = "no interval"
    plus = "+" if value > 0 else ""
    return Part(label, value, low, high, state, unit, f"{plus}{number_text(value, unit)}")


def number_text(value: float, unit: str = "") -> str:
    """A number as text with its unit: two decimals, or two significant digits for small numbers."""
    if not math.isfinite(value):
        return "undefined"
    text = f"{value:.2f}" if abs(value) >= 0.1 or value == 0 else f"{value:.2g}"
    return text.replace("-", "−") + (f" {unit}" if unit else "")


_IN_WORDS: dict[State, str] = {
    "opposite": "the opposite",
    "undecided": "undecided, as the interval includes 0",
    "no interval": f"without an interval (fewer than {FEWEST_SUBJECTS} subjects, or not finite)",
    "too far": "too far from the paper's value",
    "fails": "does not hold",
}


def _disagreement(parts: Sequence[Part]) -> str:
    groups: dict[str, list[str]] = {}
    for part in parts:
        groups.setdefault(_IN_WORDS[part.state], []).append(part.label)
    return "; ".join(f"{words}: {names}" if (names := _names(labels)) else words for words, labels in groups.items())


def _reasons(missing: Mapping[str, str]) -> str:
    groups: dict[str, list[str]] = {}
    for name, reason in missing.items():
        groups.setdefault(reason, []).append(name)
    return "; ".join(f"{_names(names)} ({reason})" for reason, names in groups.items())


def _names(labels: Iterable[str]) -> str:
    return ", ".join(label for label in dict.fromkeys(labels) if label)
