"""Computing time of a registration, where it was measured; none is called best, as machines differ between runs."""

from textscf.metrics.metric import Metric

METRIC = Metric(
    title="Time per pair",
    unit="s",
    level="pair",
    measure=lambda pair: pair.seconds,
    of_field=True,
    standard=True,
    place=6,
)
