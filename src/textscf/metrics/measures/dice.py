"""Dice of each structure, 0 to 1; NaN for a structure that is missing from a scan."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from textscf.metrics.metric import Convention, Metric
from textscf.metrics.overlap import dice_scores
from textscf.metrics.registered_pair import RegisteredPair


def _measure(pair: RegisteredPair) -> NDArray[np.float64]:
    return np.where(pair.present, dice_scores(pair.confusion)[1:], np.nan)


def _adapt(rows: pd.DataFrame, convention: Convention) -> pd.Series:
    return rows["dice"].fillna(0.0) if convention == "paper" else rows["dice"]


METRIC = Metric(
    title="Dice",
    unit="%",
    best="max",
    printed=True,
    level="structure",
    measure=_measure,
    adapt=_adapt,
    standard=True,
    place=1,
)
