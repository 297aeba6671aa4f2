"""Tidy rows of metrics, and two conventions for averaging them.

Rows hold the values of the Learn2Reg evaluator. Dice and HD95 are NaN for a structure that is missing from a scan. HD95
is inf for a structure that the warp lost; ``hd95_initial`` then holds the HD95 of the unwarped structure. Both
conventions use these rows:

- ``learn2reg``: convention of the challenge. It leaves missing structures out; a lost structure makes the mean HD95
  infinite.
- ``paper``: reproduces the Initial row of the paper's Table 3. A structure missing from one or both scans counts as
  Dice 0 and is left out of HD95; a lost structure counts with its unwarped HD95.

A pair in which a structure was lost is better than it looks by ``paper``: a warp that throws an organ out of two equal
scans has an HD95 of 0. Tables mark such pairs (`pairs_with_lost`).

The value of a pair is the mean over its structures. The value of a run is the mean over its pairs. A pair of which a
scan has no label map has no rows.
"""

from collections.abc import Sequence
from typing import Any, get_args

import numpy as np
import pandas as pd

from textscf.metrics.measures import METRICS
from textscf.metrics.metric import Convention
from textscf.metrics.pair import PairMetrics

PAIR_KEYS = ["run", "fixed", "moving"]
_OF_STRUCTURES = [metric for metric in METRICS.values() if metric.level == "structure"]
_OF_PAIRS = [metric for metric in METRICS.values() if metric.level == "pair"]
_OF_RUNS = [metric for metric in METRICS.values() if metric.level == "run"]
METRIC_COLUMNS = [
    *(*PAIR_KEYS, "label", "structure"),
    *(column for metric in _OF_STRUCTURES if metric.standard for column in metric.columns),
]
"""Columns that every ``metrics.csv`` has."""

PAIR_COLUMNS = [
    *(*PAIR_KEYS, *(metric.name for metric in _OF_STRUCTURES if metric.standard)),
    *(column for metric in _OF_PAIRS if metric.standard for column in metric.columns),
]
"""Columns that every ``pairs.csv`` has."""


def structure_rows(metrics: PairMetrics, run: str, fixed: str, moving: str, structures: Sequence[str]) -> pd.DataFrame:
    """Rows of ``metrics.csv`` for one pair, one per structure; `structures` are names in the order of the labels."""
    keys = {"run": run, "fixed": fixed, "moving": moving, "label": metrics.labels, "structure": list(structures)}
    found = vars(metrics)
    columns = [column for metric in _OF_STRUCTURES for column in metric.columns if column in found]
    return pd.DataFrame({**keys, **{column: found[column] for column in columns}})


def pair_row(metrics: PairMetrics, run: str, fixed: str, moving: str) -> dict[str, Any]:
    """Row of ``pairs.csv`` for one pair; it has the means of a metric of structures without the missing ones."""
    row: dict[str, Any] = {"run": run, "fixed": fixed, "moving": moving}
    found = vars(metrics)
    for metric in METRICS.values():
        present = [column for column in metric.columns if column in found]
        if metric.level == "pair":
            row |= {column: found[column] for column in present}
        elif present:
            values = found[present[0]]
            row[metric.name] = np.nan if np.isnan(values).all() else float(np.nanmean(values))
    return row


def apply_convention(metrics: pd.DataFrame, convention: Convention) -> pd.DataFrame:
    """Rows of ``metrics.csv`` with the metrics adapted to the convention."""
    if convention not in get_args(Convention):
        raise ValueError(f"convention '{convention}'; expected one of {', '.join(get_args(Convention))}")
    known = [metric for metric in _OF_STRUCTURES if metric.columns[0] in metrics]
    return metrics.assign(**{metric.name: metric.values(metrics, convention) for metric in known})


def pair_means(metrics: pd.DataFrame, convention: Convention) -> pd.DataFrame:
    """Mean over structures: columns run, fixed, moving and the metrics of structures, one row per pair."""
    return _means(apply_convention(metrics, convention), PAIR_KEYS)


def run_means(metrics: pd.DataFrame, convention: Convention) -> pd.DataFrame:
    """Mean over pairs of the means over structures, and metrics of runs: columns run, the metrics, pairs (number)."""
    of_runs = pair_means(metrics, convention).groupby("run", sort=False)
    found = {"pairs": of_runs.size()} | {each.name: of_runs.apply(each.summary) for each in _OF_RUNS}
    return _means(pair_means(metrics, convention), ["run"]).merge(pd.DataFrame(found).reset_index(), on="run")


def structure_means(metrics: pd.DataFrame, convention: Convention) -> pd.DataFrame:
    """Mean over pairs of each structure: columns run, label, structure, the metrics."""
    return _means(apply_convention(metrics, convention), ["run", "label", "structure"])


def pairs_with_lost(metrics: pd.DataFrame) -> int:
    """Number of pairs in which the warp lost a structure that both scans have; `metrics` are rows as measured."""
    lost = metrics["hd95"].astype(float).isin([np.inf])
    return int(lost.groupby([metrics[key] for key in PAIR_KEYS]).any().sum())


def metrics_of_structures(frame: pd.DataFrame) -> list[str]:
    """Names of the metrics of structures that are columns of `frame`."""
    return [metric.name for metric in _OF_STRUCTURES if metric.name in frame]


def _means(frame: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    return frame.groupby(keys, sort=False)[metrics_of_structures(frame)].mean().reset_index()
