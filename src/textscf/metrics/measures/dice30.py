"""The 30th percentile of Dice over pairs, a measure of robustness: 30 % of the pairs are at most as good.

A. Hering et al., "Learn2Reg: comprehensive multi-task medical image registration challenge, dataset and evaluation in
the era of deep learning", IEEE Transactions on Medical Imaging 42 (2023) 697-712. As in the challenge's evaluator, the
percentile is of the pairs' mean Dice, with linear interpolation.
"""

from textscf.metrics.metric import Metric

METRIC = Metric(
    title="Dice30",
    phrase="30th percentile of Dice",
    unit="%",
    best="max",
    level="run",
    summary=lambda pairs: float(pairs["dice"].quantile(0.3)),
    place=1,
)
