"""Kinds of claims; `kind` of a claim selects the rule of its verdict."""

from collections.abc import Callable, Mapping
from typing import Any

from textscf.claims import field_smoothness, gains, numbers, orderings, segmentors, structures, sweeps
from textscf.claims.evidence import Evidence, Missing
from textscf.claims.outcome import Outcome, untested
from textscf.errors import InputError

KINDS: dict[str, Callable[[Mapping[str, Any], Evidence], Outcome]] = {
    "compare": orderings.compare,
    "not_worse": orderings.not_worse,
    "peak": sweeps.peak,
    "trend": sweeps.trend,
    "frontier": sweeps.frontier,
    "same_complexity": sweeps.same_complexity,
    "significance": structures.significance,
    "every_structure": structures.every_structure,
    "hardest": structures.hardest,
    "gains": gains.gains,
    "follows_segmentation": segmentors.follows_segmentation,
    "correlation": field_smoothness.correlation,
    "range": field_smoothness.value_range,
    "value": numbers.value,
    "complexity": numbers.complexity,
    "untestable": numbers.untestable,
}


def check(claim: Mapping[str, Any], evidence: Evidence) -> Outcome:
    """Check a claim and return its outcome; InputError for an unknown kind.

    The verdict is `not tested` if the study lacks a run, figure or value that the claim needs.
    """
    if claim["kind"] not in KINDS:
        raise InputError(f"claim '{claim['id']}': unknown kind '{claim['kind']}'; expected one of {', '.join(KINDS)}")
    try:
        return KINDS[claim["kind"]](claim, evidence)
    except Missing as gap:
        return untested(f"missing: {gap}")
