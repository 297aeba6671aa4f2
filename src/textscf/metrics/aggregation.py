"""Tidy rows of metrics and the two conventions by which they are averaged.

Rows hold the evaluator's values: Dice and HD95 are NaN for a structure missing from a scan, HD95 is inf for one that
the warp lost, and ``hd95_initial`` has the HD95 of the unwarped structure for those. Both conventions follow from them:

- ``learn2reg``: the challenge's. Missing structures are left out; a lost structure makes the mean HD95 infinite.
- ``paper``: reproduces the Initial row of the paper's Table 3. A missing structure counts as Dice 0, in one scan or in
  both, and is left out of HD95; a lost one counts with its unwarped HD95.

A pair's value is the mean over its structures, a run's value the mean over its pairs.
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
    """Rows of ``metrics.csv`` for one pair: one per structure, named in the order of the labels."""
    values = {
        "label": metrics.labels,
        "structure": list(structures),
        "dice": metrics.dice,
        "hd95": metrics.hd95,
        "hd95_initial": metrics.hd95_initial,
    }
    return pd.DataFrame(values).assign(run=run, fixed=fixed, moving=moving)[METRIC_COLUMNS]


def apply_convention(metrics: pd.DataFrame, convention: Convention) -> pd.DataFrame:
    """The rows of ``metrics.csv`` with `dice` and `hd95` as the convention counts them."""
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
    """Mean over pairs of the means over structures: columns run, dice, hd95, pairs (their number)."""
    pairs = pair_means(metrics, convention)
    counts = pairs.groupby("run", sort=False).size().rename("pairs").reset_index()
    return _means(pairs, ["run"]).merge(counts, on="run")


def structure_means(metrics: pd.DataFrame, convention: Convention) -> pd.DataFrame:
    """Mean over pairs of each structure: columns run, label, structure, dice, hd95."""
    return _means(apply_convention(metrics, convention), ["run", "label", "structure"])


def _means(frame: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    return frame.groupby(keys, sort=False)[["dice", "hd95"]].mean().reset_index()
