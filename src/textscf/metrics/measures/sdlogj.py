"""Standard deviation of the log Jacobian determinant, the roughness of the displacement field."""

from textscf.metrics.metric import Metric

METRIC = Metric(
    title="SDlogJ",
    best="min",
    printed=True,
    level="pair",
    measure=lambda pair: pair.jacobian.sdlogj,
    of_field=True,
    standard=True,
    place=3,
)
