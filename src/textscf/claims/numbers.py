"""Claims that state single numbers, and claims that cannot be tested."""

from collections.abc import Mapping
from typing import Any

from textscf.claims.evidence import Evidence
from textscf.claims.outcome import NUMBER, Outcome, Part, decide, untested
from textscf.metrics.measures import METRICS
from textscf.results.items import read_csv
from textscf.results.statistics import jackknife_interval, leave_one_out_means

COMPLEXITY = "complexity/claim.csv"
"""Path of the complexity claim table below `results/`."""


def value(claim: Mapping[str, Any], evidence: Evidence) -> Outcome:
    """Check that a run's mean metric, or its segmentor's accuracy, equals the paper's value within the tolerance."""
    row = evidence.row(claim["run"])
    low = high = float("nan")
    if claim["metric"] == "segmentor_dice":
        unit, name = "%", "mean Dice of the segmentor over all scans"
        found = 100 * evidence.results.segmentor_dice(row)
    else:
        metric = METRICS[claim["metric"]]
        unit, name = metric.unit, f"mean {metric.phrase}"
        table = evidence.table([row], claim["metric"])
        found = float(table.mean().iloc[0])
        low, high = jackknife_interval(found, leave_one_out_means(table)[:, 0])
    rule = f"{name} is the paper's within {claim['tolerance']} {unit}"
    near = abs(found - claim["paper"]) <= claim["tolerance"]
    part = Part("", found, low, high, "holds" if near else "too far", unit)
    if not evidence.paper_cohort:
        return untested("a number of the paper's own cohort", [part], rule)
    return decide(rule, [part], {}, NUMBER)


def complexity(claim: Mapping[str, Any], evidence: Evidence) -> Outcome:
    """Check that one network of the complexity claim table has all reductions that the paper states.

    The table has the paper's networks at the paper's volume size, in every study.
    """
    rule = (
        f"one network of results/{COMPLEXITY} has each reduction to two decimals; of the paper's sizes in every study"
    )
    names = [f"{count.removesuffix('s')}_reduction_percent" for count in claim["counts"]]
    path = evidence.results.folder / COMPLEXITY
    frame = read_csv(path, ["network", *names], "counts of networks, made by src/complexity_claim.py").dropna(
        subset=names
    )
    distance = (frame[names] - claim["paper"]).abs()
    met = (frame[names].round(2) == claim["paper"]).all(axis=1)
    line = frame.loc[distance.sum(axis=1).idxmin()]
    reductions = " and ".join(f"{line[name]:.2f} %" for name in names)
    text = f"{'' if met.any() else 'closest: '}{reductions} ({line['network']})"
    part = Part("", float(line[names[0]]), float("nan"), float("nan"), "holds" if met.any() else "fails", "%", text)
    return decide(rule, [part], {}, NUMBER)


def untestable(claim: Mapping[str, Any], evidence: Evidence) -> Outcome:
    """Outcome of a claim that no study can test."""
    return untested(claim["reason"])
