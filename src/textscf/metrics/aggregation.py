"""Tidy rows of metrics, and two conventions for averaging them.

Rows hold the values of the Learn2Reg evaluator. Dice and HD95 are NaN for a structure that is missing from a scan. HD95
is inf for a structure that the warp lost; ``hd95_initial`` then holds the HD95 of the unwarped structure. Both
conventions use these rows:

- ``learn2reg``: convention of the challenge. It leaves missing structures out; a lost structure makes the mean HD95
  infinite.
- ``paper``: reproduces the Initial row of the paper's Table 3. A structure missing from one or both scans counts as
  Dice 0 and is left out of HD95; a lost structure counts with its unwarped HD95.

The value of a pair is the mean over its structures. The value of a run is the mean over its pairs.
"""

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
import pandas as pd

from textscf.metrics.pair import PairMetrics

Convention = Literal["learn2reg", "paper"]

METRIC_COLUMNS = ["run", "fixed", "moving", "label", "structure", "dice", "hd95", "hd95_initial"]
PAIR_KEYS = ["run", "fixed", "moving"]


def structure_rows(metrics: PairMetrics, run: str, fixed: str, moving: str, structures: Sequence[str]) -> pd.DataFrame:
    """Rows of ``metrics.csv`` for one pair, one per structure; `structures` are names in the order of the labels."""
    values = {
        "label": metrics.labels,
        "structure": list(structures),
        "dice": metrics.dice,
        "hd95": metrics.hd95,
        "hd95_initial": metrics.hd95_initial,
    }
    return pd.DataFrame(values).assign(run=run, fixed=fixed, moving=moving)[METRIC_COLUMNS]


def apply_convention(metrics: pd.DataFrame, convention: Convention) -> pd.DataFrame:
    """Rows of ``metrics.csv`` with `dice` and `hd95` adapted to the convention."""
    if convention not in get_args(Convention):
        raise ValueError(f"convention '{convention}'; expected one of {', '.join(get_args(Convention))}")
    if convention == "learn2reg":
        return metrics.copy()
    lost = np.isinf(metrics["hd95"])
    return metrics.assign(dice=metrics["dice"].fillna(0.0), hd95=metrics["hd95"].mask(lost, metrics["hd95_initial"]))


def pair_means(metrics: pd.DataFrame, convention: Convention) -> pd.DataFrame:
    """Mean over structures: columns run, fixed, moving, dice, hd95, one row per pair."""
    return _means(apply_convention(metrics, convention), PAIR_KEYS)


def run_means(metrics: pd.DataFrame, convention: Convention) -> pd.DataFrame:
    """Mean over pairs of the means over structures: columns run, dice, hd95, pairs (number of pairs)."""
    pairs = pair_means(metrics, convention)
    counts = pairs.groupby("run", sort=False).size().rename("pairs").reset_index()
    return _means(pairs, ["run"]).merge(counts, on="run")


def structure_means(metrics: pd.DataFrame, convention: Convention) -> pd.DataFrame:
    """Mean over pairs of each structure: columns run, label, structure, dice, hd95."""
    return _means(apply_convention(metrics, convention), ["run", "label", "structure"])


def _means(frame: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    return frame.groupby(keys, sort=False)[["dice", "hd95"]].mean().reset_index()
