"""Share of voxels where the transformation folds: their Jacobian determinant is at most 0."""

from textscf.metrics.jacobian import nonpositive_fraction
from textscf.metrics.metric import Metric
from textscf.metrics.registered_pair import RegisteredPair


def _measure(pair: RegisteredPair) -> float:
    return 0.0 if pair.determinant is None else nonpositive_fraction(pair.determinant)


METRIC = Metric(
    title="|J| ≤ 0",
    phrase="share of non-positive Jacobian determinants",
    unit="%",
    decimals=3,
    best="min",
    level="pair",
    measure=_measure,
    of_field=True,
    standard=True,
    place=4,
)
