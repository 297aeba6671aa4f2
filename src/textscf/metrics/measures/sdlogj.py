"""Standard deviation of the log Jacobian determinant, the roughness of the displacement field."""

from textscf.metrics.jacobian import sdlogj
from textscf.metrics.metric import Metric
from textscf.metrics.registered_pair import RegisteredPair


def _measure(pair: RegisteredPair) -> float:
    return 0.0 if pair.determinant is None else sdlogj(pair.determinant)


METRIC = Metric(
    title="SDlogJ", best="min", printed=True, level="pair", measure=_measure, of_field=True, standard=True, place=3
)
