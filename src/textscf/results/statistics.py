"""Paired comparison of two runs: the paper's t-test per structure, with further statistics.

The paper (section 4.3.2, Fig. 3) compares Dice per structure over pairs by a paired t-test. This module adds p values
adjusted for the number of structures (Holm 1979), an effect size, and an interval by a jackknife over subjects, because
pairs that share a subject are not independent.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import stdtrit

from textscf.metrics.aggregation import metrics_of_structures

ALL = "all"

FEWEST_SUBJECTS = 5
"""Subjects below which the spread over them is too uncertain for an interval."""

_PAIR = ["fixed", "moving"]
_STRUCTURE = ["label", "structure"]


def mean_over_seeds(seeds: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Average the metrics of structures over the seeds of a run, per pair and structure.

    Args:
        seeds: one frame per seed with columns fixed, moving, label, structure and the metrics; an aggregation
            convention has been applied.

    Raises:
        ValueError: the seeds were not evaluated on the same pairs and structures.
    """
    rows = pd.concat(seeds, join="inner")
    groups = rows.groupby([*_PAIR, *_STRUCTURE], sort=False)
    if (groups.size() != len(seeds)).any():
        raise ValueError("the seeds of a run were evaluated on different pairs or structures")
    return groups[metrics_of_structures(rows)].mean().reset_index()


def compare_runs(a: pd.DataFrame, b: pd.DataFrame, metric: str = "dice", confidence: float = 0.95) -> pd.DataFrame:
    """Test run `a` against run `b` on each structure, and on the mean over structures (``all``, the last row).

    Args:
        a: rows with columns fixed, moving, structure and `metric`, one per pair and structure; an aggregation
            convention has been applied. For a run of several seeds, use `mean_over_seeds`.
        b: the same for the other run.
        metric: column to compare.
        confidence: level of the interval.

    Returns:
        Columns structure, n (pairs with a finite value in both), mean_a, mean_b, difference (a - b), t, p, p_holm,
        effect_size, ci_low, ci_high (`jackknife_interval`). Values for which n is too small are NaN; t, p and
        effect_size are also NaN if all differences are equal. Holm's adjustment is over the structures; ``all`` is not
        adjusted, since its family is the methods that are compared (`compare_with_reference`).

    Raises:
        ValueError: the runs were not evaluated on the same pairs and structures.
    """
    table_a, table_b = _pair_table(a, metric), _pair_table(b, metric)
    if set(table_a.index) != set(table_b.index) or set(table_a.columns) != set(table_b.columns):
        raise ValueError("the runs to compare were evaluated on different pairs or structures")
    table_b = table_b.loc[table_a.index, table_a.columns]

    finite = np.isfinite(table_a.to_numpy()) & np.isfinite(table_b.to_numpy())
    values_a, values_b = (np.where(finite, table.to_numpy(), np.nan) for table in (table_a, table_b))
    rows = [_paired_test(x[~np.isnan(x)], y[~np.isnan(y)]) for x, y in zip(values_a.T, values_b.T, strict=True)]
    result = pd.DataFrame(rows)
    result.insert(0, "structure", list(table_a.columns))
    result["p_holm"] = np.append(holm(result["p"].to_numpy()[:-1]), result["p"].iloc[-1])
    differences = pd.DataFrame(values_a - values_b, table_a.index)
    result[["ci_low", "ci_high"]] = [_mean_interval(differences[n].dropna(), confidence) for n in differences]
    order = ["structure", "n", "mean_a", "mean_b", "difference", "t", "p", "p_holm", "effect_size", "ci_low", "ci_high"]
    return result[order]


def _pair_table(rows: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Values by pair (index) and structure (columns in order of first occurrence), with their mean as ``all``."""
    structures = list(rows["structure"].unique())
    table = rows.pivot(index=_PAIR, columns="structure", values=metric)[structures]  # noqa: PD010 duplicates must fail
    return table.assign(**{ALL: table.mean(axis=1)})


def _paired_test(a: NDArray[np.float64], b: NDArray[np.float64]) -> dict[str, float]:
    """Paired t-test (scipy) and Cohen's d_z, the mean difference divided by the differences' standard deviation."""
    difference = a - b
    n = len(difference)
    mean_a, mean_b = (float(x.mean()) if n else np.nan for x in (a, b))
    t = p = effect_size = np.nan
    if n > 1 and np.ptp(difference) > 0:
        from scipy import stats  # takes long to import, and most results have no tests

        test = stats.ttest_rel(a, b)
        t, p = float(test.statistic), float(test.pvalue)
        effect_size = float(difference.mean() / difference.std(ddof=1))
    return {
        "n": n,
        "mean_a": mean_a,
        "mean_b": mean_b,
        "difference": mean_a - mean_b,
        "t": t,
        "p": p,
        "effect_size": effect_size,
    }


def holm(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Holm's step-down adjustment of p values ``(N,)``; NaN (no test) stays NaN and does not count as a test."""
    adjusted = np.full(len(p), np.nan)
    order = np.argsort(p)[: np.count_nonzero(~np.isnan(p))]
    stepped = p[order] * np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(stepped), 1)
    return adjusted


def leave_one_out_means(values: pd.DataFrame) -> NDArray[np.float64]:
    """Means of the columns of `values` without the pairs of each subject in turn, for `jackknife_interval`.

    Args:
        values: ``(P, K)``, finite, one line per pair with the index (fixed, moving).

    Returns:
        Array ``(N, K)`` for N subjects that occur in a pair, as fixed or as moving, in alphabetical order; NaN where no
        pair is left.
    """
    subjects, index = np.unique(np.array(list(values.index), dtype=str).reshape(-1, 2), return_inverse=True)
    with_subject = (index.reshape(-1, 2).T[:, None] == np.arange(len(subjects))[:, None]).any(axis=0)
    rest = (~with_subject).astype(np.float64)
    kept = rest.sum(axis=1, keepdims=True)
    means: NDArray[np.float64] = rest @ values.to_numpy(dtype=np.float64) / np.where(kept, kept, np.nan)
    return means


def jackknife_interval(value: float, without_one: NDArray[np.float64], confidence: float = 0.95) -> tuple[float, float]:
    """Interval of a number computed from means over pairs, by a jackknife that leaves out one subject at a time.

    The standard error is that of Tukey (1958), with Student's t for one less than the number of subjects. For a mean of
    effects of subjects, this is the usual t interval; where pairs differ by chance alone, it is too wide. On the pairs
    of this project's cohorts, 95 % or more of simulated intervals contain the true value (tests/test_statistics.py).
    The width contains the spread of subjects, not that of trainings.

    Args:
        value: the number, computed from all pairs.
        without_one: the same number ``(N,)`` without each of N subjects, computed from `leave_one_out_means`.
        confidence: level of the interval.

    Returns:
        Lower and upper end; NaN for fewer than `FEWEST_SUBJECTS` subjects, or if a number is not finite.
    """
    n = len(without_one)
    if n < FEWEST_SUBJECTS or not np.isfinite(without_one).all():
        return np.nan, np.nan
    error = np.sqrt((n - 1) * without_one.var())
    reach = float(stdtrit(n - 1, (1 + confidence) / 2) * error)
    return value - reach, value + reach


def excludes_zero(low: pd.Series, high: pd.Series) -> pd.Series:
    """Mask of the intervals that lie on one side of zero; an undefined interval does not."""
    return (low > 0) | (high < 0)


def _mean_interval(values: pd.Series, confidence: float) -> tuple[float, float]:
    """Jackknife interval of the mean of a value per pair."""
    return jackknife_interval(float(values.mean()), leave_one_out_means(values.to_frame())[:, 0], confidence)
