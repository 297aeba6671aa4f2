"""Claims that a run is better than others, possibly by a given amount, or not worse."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textscf.claims.evidence import Evidence, Missing
from textscf.claims.outcome import INTERVAL, NUMBER, ORDERING, Outcome, Part, State, decide, signed_part
from textscf.metrics.measures import METRICS
from textscf.results.items import Row
from textscf.results.statistics import jackknife_interval, leave_one_out_means

SIGNS = {"higher": 1, "lower": -1}


def compare(claim: Mapping[str, Any], evidence: Evidence) -> Outcome:
    """Check that a run's metric is higher (or lower) than that of each other run, or of the best other run.

    On the paper's cohorts, a value that the paper quotes from another source replaces a run that the study leaves out.
    If the claim has a number, on the paper's cohorts the difference must also equal it within the tolerance.
    """
    metric, sign = METRICS[claim["metric"]], SIGNS[claim["is"]]
    row = evidence.row(claim["run"])
    quoted = {name: values for name, values in evidence.page.quoted.items() if name in claim["against"]}
    others, missing = found([name for name in claim["against"] if name not in quoted], evidence)
    if claim.get("best_of_others") and others:
        others = [best_of(others, evidence, claim["metric"], sign)] if not missing else []
    unit = "%" if claim.get("relative") else metric.unit_of_difference
    parts = []
    for other in others:
        value, without_one = difference(row, other, evidence, claim)
        part = signed_part(other.label, value, without_one, sign, unit)
        parts.append(_near(part, claim) if "paper" in claim and evidence.paper_cohort else part)
    parts += [_against_quoted(row, name, values, evidence, claim) for name, values in quoted.items()]
    numbers = "paper" in claim and evidence.paper_cohort
    return decide(_rule(claim, numbers, unit), parts, missing, NUMBER if numbers else ORDERING)


def not_worse(claim: Mapping[str, Any], evidence: Evidence) -> Outcome:
    """Check that a run's metric is at most `tolerance` below that of another run."""
    metric, margin = METRICS[claim["metric"]], claim["tolerance"]
    unit = metric.unit_of_difference
    rule = f"{metric.phrase} less that of the other run; its {INTERVAL} lies above −{margin} {unit}"
    row, other = evidence.row(claim["run"]), evidence.row(claim["against"])
    value, without_one = difference(row, other, evidence, claim)
    low, high = jackknife_interval(value, without_one)
    state: State = "no interval" if math.isnan(low) else "holds" if low > -margin else "fails"
    return decide(rule, [Part(other.label, value, low, high, state, unit)])


def found(names: list[str], evidence: Evidence) -> tuple[list[Row], dict[str, str]]:
    """Rows of the given names that the study runs, and for each missing one its name and the reason."""
    rows: list[Row] = []
    missing: dict[str, str] = {}
    for name in names:
        try:
            rows.append(evidence.row(name))
        except Missing as gap:
            missing[gap.name] = gap.reason
    return rows, missing


def best_of(rows: list[Row], evidence: Evidence, metric: str, sign: int = 1) -> Row:
    """The row with the highest mean of a metric, or with the lowest mean if `sign` is -1."""
    return max(rows, key=lambda row: sign * float(evidence.pairs(row, metric).mean()))


def difference(row: Row, other: Row, evidence: Evidence, claim: Mapping[str, Any]) -> tuple[float, NDArray[np.float64]]:
    """Difference `row` - `other` in the claim's metric, and the same without each subject in turn.

    It is in percent of `other` for a relative claim.
    """
    table = evidence.table({"row": row, "other": other}, claim["metric"])
    means, without_one = table.mean().to_numpy(), leave_one_out_means(table)
    if claim.get("relative"):
        return float(100 * (means[0] / means[1] - 1)), 100 * (without_one[:, 0] / without_one[:, 1] - 1)
    return float(means[0] - means[1]), without_one[:, 0] - without_one[:, 1]


def _against_quoted(
    row: Row, name: str, values: Mapping[str, float], evidence: Evidence, claim: Mapping[str, Any]
) -> Part:
    """Compare the run with a value that the paper quotes; the interval covers only the run."""
    value = values[claim["metric"]]
    table = evidence.table([row], claim["metric"])
    mean, without_one = float(table.mean().iloc[0]) - value, leave_one_out_means(table)[:, 0] - value
    unit = METRICS[claim["metric"]].unit_of_difference
    if claim.get("relative"):
        mean, without_one, unit = 100 * mean / value, 100 * without_one / value, "%"
    label = f"{evidence.page.rows[name].label} (quoted by the paper)"
    return signed_part(label, mean, without_one, SIGNS[claim["is"]], unit)


def _near(part: Part, claim: Mapping[str, Any]) -> Part:
    """Mark a part that holds as `too far` if it differs from the paper's number by more than the tolerance."""
    if part.state != "holds" or abs(part.value - claim["paper"]) <= claim["tolerance"]:
        return part
    return dataclasses.replace(part, state="too far")


def _rule(claim: Mapping[str, Any], numbers: bool, unit: str) -> str:
    metric = METRICS[claim["metric"]].phrase
    others = "the best of the others" if claim.get("best_of_others") else "each other run"
    several = claim.get("best_of_others") or len(claim["against"]) > 1
    side = "above" if claim["is"] == "higher" else "below"
    how = "relative difference" if claim.get("relative") else "difference"
    rule = f"{how} in {metric} from {others if several else 'the other run'}; its {INTERVAL} lies {side} 0"
    return f"{rule}, and it is the paper's within {claim['tolerance']} {unit}".rstrip() if numbers else rule
