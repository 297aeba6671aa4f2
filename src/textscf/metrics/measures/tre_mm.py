"""Target registration error: mean distance of the mapped fixed landmarks from the moving ones, in mm.

A landmark p of the fixed scan is mapped to ``p + u(p)``, with the displacement interpolated linearly. Without a
registration it stays where it is. Only pairs whose scans both have landmarks have this metric.
"""

import numpy as np

from textscf.metrics.metric import Metric
from textscf.metrics.registered_pair import RegisteredPair


def _measure(pair: RegisteredPair) -> float | None:
    if pair.landmarks is None:
        return None
    from scipy import ndimage  # takes long to import, and only pairs with landmarks need it

    fixed, moving = (np.asarray(points, dtype=np.float64) for points in pair.landmarks)
    mapped = fixed
    if pair.displacement is not None:
        components = (pair.displacement[..., axis].astype(np.float64) for axis in range(3))
        moved = [ndimage.map_coordinates(each, fixed.T, order=1, mode="nearest") for each in components]
        mapped = fixed + np.stack(moved, axis=-1)
    return float(np.linalg.norm((mapped - moving) * pair.spacing, axis=1).mean())


METRIC = Metric(
    title="TRE",
    phrase="target registration error of landmarks",
    unit="mm",
    best="min",
    level="pair",
    measure=_measure,
    where_measured=True,
    place=2,
)
