"""Claims about field smoothness over many models: correlation of its two measures, and their ranges (Figure 8)."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textscf.claims.evidence import Evidence, Missing
from textscf.claims.outcome import INTERVAL, NUMBER, Outcome, Part, decide, signed_part, untested
from textscf.results.items import Row
from textscf.results.statistics import jackknife_interval, leave_one_out_means

_FEWEST = 3
_MEASURES = ("sdlogj", "nonpositive_jacobian_fraction")


def correlation(claim: Mapping[str, Any], evidence: Evidence) -> Outcome:
    """Check Pearson's r, or r squared, between SDlogJ and the share of non-positive determinants over models.

    On the paper's cohorts, the value must equal the paper's within the tolerance. On other cohorts, r must be positive,
    and a claim about r squared is not tested because it has no direction.
    """
    models = _models(evidence, claim["figure"])
    squared = claim["of"] == "r_squared"
    rule = f"Pearson's r over models; its {INTERVAL} lies above 0"
    if evidence.paper_cohort:
        rule = f"{claim['of'].replace('_', ' ')} over models is the paper's within {claim['tolerance']}"
    tables = [evidence.table(models, metric, scaled=False) for metric in _MEASURES]
    means = [table.mean().to_numpy() for table in tables]
    if len(models) < _FEWEST or any(np.ptp(values) == 0 for values in means):
        return untested(f"{len(models)} models; a correlation needs at least {_FEWEST} that differ", rule=rule)
    from scipy import stats  # takes long to import, and only this claim needs it

    r, p = (float(x) for x in stats.pearsonr(*means))
    without_one = _row_correlation(*(leave_one_out_means(table) for table in tables))
    power = 2 if squared else 1
    low, high = jackknife_interval(r**power, without_one**power)
    text = f"{r**power:.2f} (p = {p:.1g}, {len(models)} models)".replace("-", "−")
    if evidence.paper_cohort:
        near = abs(r**power - claim["paper"]) <= claim["tolerance"]
        return decide(rule, [Part("", r**power, low, high, "holds" if near else "too far", text=text)], {}, NUMBER)
    part = Part("", r**power, low, high, signed_part("", r, without_one, 1, "").state, text=text)
    if squared:
        return untested("a number of the paper's own models; see the correlation for the direction", [part], rule)
    return decide(rule, [part])


def value_range(claim: Mapping[str, Any], evidence: Evidence) -> Outcome:
    """Check that the lowest and the highest mean of a measure over models equal the paper's within a factor."""
    factor = claim["tolerance"]
    rule = f"lowest and highest mean over models are the paper's within a factor of {factor}"
    table = evidence.table(_models(evidence, claim["figure"]), claim["metric"], scaled=False)
    means, without_one = table.mean(), leave_one_out_means(table)
    parts = []
    for label, index, paper in zip(
        ("lowest", "highest"), (means.argmin(), means.argmax()), claim["paper"], strict=True
    ):
        value = float(means.iloc[index])
        near = value > 0 and abs(math.log(value / paper)) <= math.log(factor)
        low, high = jackknife_interval(value, without_one[:, index])
        text = f"{value:.3g}"
        parts.append(Part(label, value, low, high, "holds" if near else "too far", text=text))
    if not evidence.paper_cohort:
        return untested("numbers of the paper's own cohort", parts, rule)
    return decide(rule, parts, {}, NUMBER)


def _models(evidence: Evidence, figure: str) -> dict[str, Row]:
    """All trained models of a figure, by id of the concrete run; a run shared by several rows occurs once."""
    models: dict[str, Row] = {}
    for row in evidence.figure(figure).rows:
        for point in row.points or [row]:
            if point.runs and evidence.results.is_trained(point):
                evidence.use(point)
                for run in point.runs:
                    models.setdefault(run, Row(run=run, label=point.label, runs=[run], segmentor=point.segmentor))
    if not models:
        raise Missing(figure, "none of its models is run")
    return models


def _row_correlation(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Pearson's r between corresponding lines of two arrays ``(n, K)``; the result is ``(n,)``."""
    a, b = (x - x.mean(axis=1, keepdims=True) for x in (a, b))
    r: NDArray[np.float64] = (a * b).sum(axis=1) / np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))
    return r
