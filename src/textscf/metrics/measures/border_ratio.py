"""Jump of the displacement field across borders of structures, divided by its jump inside them.

See `displacement_jumps`. Both jumps are columns of the result file, NaN without a registration.
"""

import numpy as np
import pandas as pd

from textscf.metrics.discontinuity import displacement_jumps
from textscf.metrics.metric import Convention, Metric
from textscf.metrics.registered_pair import RegisteredPair

_COLUMNS = ("jump_across_borders", "jump_inside")


def _measure(pair: RegisteredPair) -> tuple[float, float]:
    if pair.displacement is None:
        return np.nan, np.nan
    return displacement_jumps(pair.fixed, pair.displacement, pair.spacing)


def _adapt(rows: pd.DataFrame, convention: Convention) -> pd.Series:
    across, inside = (rows[name] for name in _COLUMNS)
    return across / inside


METRIC = Metric(
    title="Border ratio",
    phrase="jump of the field across borders over that inside structures",
    level="pair",
    measure=_measure,
    columns=_COLUMNS,
    adapt=_adapt,
    of_field=True,
    place=5,
)
