"""Share of voxels where the transformation folds: their Jacobian determinant is at most 0."""

from textscf.metrics.metric import Metric

METRIC = Metric(
    title="|J| ≤ 0",
    phrase="share of non-positive Jacobian determinants",
    unit="%",
    decimals=3,
    best="min",
    level="pair",
    measure=lambda pair: pair.jacobian.nonpositive_fraction,
    of_field=True,
    standard=True,
    place=4,
)
