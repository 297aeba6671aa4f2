"""Non-diffeomorphic volume: volume of the tetrahedra that the transformation turns over, as a share of the volume."""

from textscf.metrics.jacobian import non_diffeomorphic_fraction
from textscf.metrics.metric import Metric
from textscf.metrics.registered_pair import RegisteredPair


def _measure(pair: RegisteredPair) -> float:
    return 0.0 if pair.displacement is None else non_diffeomorphic_fraction(pair.displacement)


METRIC = Metric(
    title="NDV",
    phrase="non-diffeomorphic volume",
    unit="%",
    decimals=3,
    best="min",
    level="pair",
    measure=_measure,
    of_field=True,
    on_request=True,
    place=4,
)
