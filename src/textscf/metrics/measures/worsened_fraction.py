"""Share of pairs whose mean Dice over structures is lower than without registration, a measure of robustness.

It is 1 or 0 for a pair, and NaN for one in which both scans share no structure.
"""

import numpy as np

from textscf.metrics.metric import Metric
from textscf.metrics.overlap import confusion_counts, dice_scores
from textscf.metrics.registered_pair import RegisteredPair


def _measure(pair: RegisteredPair) -> float:
    if not pair.present.any():
        return np.nan
    before = confusion_counts(pair.fixed, pair.moving, pair.n_labels + 1)
    means = [dice_scores(counts)[1:][pair.present].mean() for counts in (before, pair.confusion)]
    return float(means[1] < means[0])


METRIC = Metric(
    title="Worse pairs",
    phrase="share of pairs that registration makes worse",
    unit="%",
    decimals=1,
    best="min",
    level="pair",
    measure=_measure,
    of_field=True,
    on_request=True,
    place=1,
)
