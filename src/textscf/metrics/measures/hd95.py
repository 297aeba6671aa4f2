"""HD95 of each structure, in units of the spacing.

It is NaN for a structure that is missing from a scan and inf for one that the warp lost. The column `hd95_initial` has
the HD95 of a lost structure before the warp, which the convention `paper` needs; elsewhere it is NaN.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from textscf.metrics.metric import Convention, Metric
from textscf.metrics.registered_pair import RegisteredPair
from textscf.metrics.surface import hd95_of_labels


def _measure(pair: RegisteredPair) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return _of(pair, pair.warped, pair.present), _of(pair, pair.moving, pair.lost)


def _of(pair: RegisteredPair, other: NDArray[np.integer], which: NDArray[np.bool_]) -> NDArray[np.float64]:
    values = np.full(pair.n_labels, np.nan)
    if which.any():
        values[which] = hd95_of_labels(pair.fixed, other, np.flatnonzero(which) + 1, pair.spacing)
    return values


def _adapt(rows: pd.DataFrame, convention: Convention) -> pd.Series:
    hd95 = rows["hd95"]
    return hd95.mask(np.isinf(hd95), rows["hd95_initial"]) if convention == "paper" else hd95


METRIC = Metric(
    title="HD95",
    unit="mm",
    best="min",
    printed=True,
    level="structure",
    measure=_measure,
    columns=("hd95", "hd95_initial"),
    adapt=_adapt,
    standard=True,
    place=2,
)
