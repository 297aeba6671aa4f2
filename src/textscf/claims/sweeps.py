"""Claims about sweeps: peak of Dice, growth of Dice, best method at equal cost, equal complexity."""

from collections.abc import Mapping
from typing import Any

from textscf.claims.evidence import Evidence, Missing
from textscf.claims.orderings import best_of, difference
from textscf.claims.outcome import INTERVAL, NUMBER, ORDERING, Outcome, Part, decide, signed_part, untested
from textscf.metrics.measures import METRICS
from textscf.results.items import Row

_DICE = {"metric": "dice"}
_POINTS = METRICS["dice"].unit_of_difference


def peak(claim: Mapping[str, Any], evidence: Evidence) -> Outcome:
    """Check that Dice of a sweep is highest at the paper's value; on other cohorts, between the ends of the sweep."""
    points = sorted(evidence.points(claim["sweep"]), key=_value)
    where = f"at {claim['paper']}" if evidence.paper_cohort else "at a value between the ends of the sweep"
    rule = f"Dice is highest {where}; its differences from both ends have a {INTERVAL} above 0"
    values = [_value(point) for point in points]
    if len(points) < 3:
        return untested(f"the sweep has {len(points)} values; a peak needs at least 3", rule=rule)
    if evidence.paper_cohort and claim["paper"] not in values:
        return untested(f"the sweep has no value {claim['paper']}", rule=rule)
    best = best_of(points, evidence, "dice")
    compared = NUMBER if evidence.paper_cohort else ORDERING
    if _value(best) in (values[0], values[-1]) or (evidence.paper_cohort and _value(best) != claim["paper"]):
        text = f"highest at {_value(best)} of {', '.join(map(str, values))}"
        return decide(
            rule, [Part("", float(_value(best)), float("nan"), float("nan"), "fails", text=text)], {}, compared
        )
    parts = []
    for end in (points[0], points[-1]):
        value, without_one = difference(best, end, evidence, _DICE)
        parts.append(signed_part(f"{_value(best)} against {_value(end)}", value, without_one, 1, _POINTS))
    return decide(rule, parts, {}, compared)


def trend(claim: Mapping[str, Any], evidence: Evidence) -> Outcome:
    """Check, for each sweep, that Dice at the largest value (not above `up_to`) exceeds Dice at the smallest value."""
    rule = f"Dice of the largest network up to {claim['up_to']} less that of the smallest; its {INTERVAL} lies above 0"
    parts: list[Part] = []
    missing: dict[str, str] = {}
    for name in claim["sweeps"]:
        try:
            points = [point for point in evidence.points(name) if _value(point) <= claim["up_to"]]
            if len(points) < 2:
                raise Missing(name, "fewer than two values")
        except Missing as gap:
            missing[gap.name] = gap.reason
            continue
        first, last = min(points, key=_value), max(points, key=_value)
        value, without_one = difference(last, first, evidence, _DICE)
        label = f"{evidence.row(name).label}, {_value(last)} against {_value(first)}"
        parts.append(signed_part(label, value, without_one, 1, _POINTS))
    return decide(rule, parts, missing)


def frontier(claim: Mapping[str, Any], evidence: Evidence) -> Outcome:
    """Check that a method's best point at no higher cost has a higher Dice than each point of the others in a figure.

    Points of other methods that cost less than every point of the method are not compared, nor is the state before
    registration, which costs nothing.
    """
    cost_name = "multi-adds" if claim["cost"] == "multi_adds" else METRICS[claim["cost"]].phrase
    rule = (
        f"each point of the others against the best point of the method with no higher {cost_name}: difference in Dice "
        f"with a {INTERVAL} above 0; others' points below all {cost_name} of the method are left out"
    )
    own: list[Row] = []
    others: list[Row] = []
    missing: dict[str, str] = {}
    for row in evidence.figure(claim["figure"]).rows:
        try:
            points = [point for point in evidence.use(row).points or [row] if point.runs]
            points = [point for point in points if not evidence.results.is_initial(point)]
        except Missing as gap:
            missing[gap.name] = gap.reason
            continue
        (own if row.run == claim["run"] else others).extend(points)
    if not own:
        return untested(f"{claim['run']} is not run", rule=rule)
    costs = {point.run: _cost(point, claim["cost"], evidence) for point in (*own, *others)}
    parts = []
    for other in others:
        affordable = [point for point in own if costs[point.run] <= costs[other.run]]
        if affordable:
            value, without_one = difference(best_of(affordable, evidence, "dice"), other, evidence, _DICE)
            parts.append(signed_part(_name(other), value, without_one, 1, _POINTS))
    if not parts and not missing:
        return untested(f"each point of the others has a lower {cost_name} than all points of the method", rule=rule)
    return decide(rule, parts, missing)


def same_complexity(claim: Mapping[str, Any], evidence: Evidence) -> Outcome:
    """Check that all networks of a sweep have the same numbers of parameters and multi-adds at inference."""
    rule = "at inference the parameters and multi-adds of all networks of the sweep are equal"
    points = evidence.points(claim["sweep"])
    if len(points) < 2:
        return untested("fewer than two values in the sweep", rule=rule)
    counts = [evidence.results.complexity(point)["inference"] for point in points]
    same = all(count == counts[0] for count in counts)
    sizes = sorted({count["parameters"] for count in counts})
    text = f"{' to '.join(f'{size:,}' for size in (sizes[0], sizes[-1])[: len(sizes)])} parameters"
    part = Part("", float(sizes[-1]), float("nan"), float("nan"), "holds" if same else "fails", text=text)
    return decide(rule, [part])


def _value(point: Row) -> Any:
    """Value of a point in a sweep over one setting."""
    return next(iter(point.swept.values()))


def _name(point: Row) -> str:
    values = [f"{key.rpartition('.')[2].replace('_', ' ')} {value}" for key, value in point.swept.items()]
    return f"{point.label} ({', '.join(values)})" if values else point.label


def _cost(point: Row, cost: str, evidence: Evidence) -> float:
    if cost == "multi_adds":
        return float(evidence.results.complexity(point)["inference"]["multi_adds"])
    return float(evidence.pairs(point, cost).mean())
