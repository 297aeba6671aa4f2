"""Computing time of a registration, where it was measured."""

from textscf.metrics.metric import Metric

METRIC = Metric(
    title="Time per pair",
    unit="s",
    best="min",
    level="pair",
    measure=lambda pair: pair.seconds,
    of_field=True,
    standard=True,
    place=6,
)
