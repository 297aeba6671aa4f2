"""Paired comparison of two runs: the paper's t-test per structure, and what it leaves out.

The paper (section 4.3.2, Fig. 3) compares Dice per structure over pairs by a paired t-test. Beside it stand p values
adjusted for the number of structures (Holm 1979), an effect size, and a bootstrap over subjects, because pairs that
share a subject are not independent.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

ALL = "all"

_PAIR = ["fixed", "moving"]
_STRUCTURE = ["label", "structure"]


def mean_over_seeds(seeds: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """One set of rows from those of several seeds of a run: `dice` and `hd95` averaged per pair and structure.

    Args:
        seeds: frames with columns fixed, moving, label, structure, dice, hd95, an aggregation convention applied.

    Raises:
        ValueError: the seeds were not evaluated on the same pairs and structures.
    """
    groups = pd.concat(seeds).groupby([*_PAIR, *_STRUCTURE], sort=False)
    if (groups.size() != len(seeds)).any():
        raise ValueError("the seeds of a run were evaluated on different pairs or structures")
    return groups[["dice", "hd95"]].mean().reset_index()


def compare_runs(
    a: pd.DataFrame,
    b: pd.DataFrame,
    metric: str = "dice",
    confidence: float = 0.95,
    n_bootstrap: int = 10_000,
    seed: int = 0,
) -> pd.DataFrame:
    """Test run `a` against run `b` on each structure, and on the mean over structures (``all``, the last row).

    Args:
        a: rows with columns fixed, moving, structure and `metric`, one per pair and structure, an aggregation
            convention applied; for a run of several seeds from `mean_over_seeds`.
        b: the same of the other run.
        metric: column to compare.
        confidence: of the bootstrap interval.
        n_bootstrap: bootstrap samples.
        seed: of the bootstrap; same seed, same interval.

    Returns:
        Columns structure, n (pairs with a finite value in both), mean_a, mean_b, difference (a - b), t, p, p_holm,
        effect_size, ci_low, ci_high. Values that n does not allow are NaN, and so are t and p of differences without
        any spread. Holm's family is the structures; ``all`` is a family of its own.

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
    weights = subject_bootstrap_weights(list(table_a.index), n_bootstrap, np.random.default_rng(seed))
    interval = [_weighted_mean_interval(column, weights, confidence) for column in (values_a - values_b).T]
    result[["ci_low", "ci_high"]] = interval
    order = ["structure", "n", "mean_a", "mean_b", "difference", "t", "p", "p_holm", "effect_size", "ci_low", "ci_high"]
    return result[order]


def _pair_table(rows: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Values by pair (index) and structure (columns, in the order of the rows), with their mean as ``all``."""
    structures = list(rows["structure"].unique())
    table = rows.pivot(index=_PAIR, columns="structure", values=metric)[structures]  # noqa: PD010 duplicates must fail
    return table.assign(**{ALL: table.mean(axis=1)})


def _paired_test(a: NDArray[np.float64], b: NDArray[np.float64]) -> dict[str, float]:
    """Paired t-test (scipy) and Cohen's d_z, the mean difference in units of the differences' standard deviation."""
    difference = a - b
    n = len(difference)
    mean_a, mean_b = (float(x.mean()) if n else np.nan for x in (a, b))
    t = p = effect_size = np.nan
    if n > 1 and np.ptp(difference) > 0:
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
    """Holm's step-down adjustment of p values ``(N,)``; NaN (no test) stays NaN and does not count in the family."""
    adjusted = np.full(len(p), np.nan)
    order = np.argsort(p)[: np.count_nonzero(~np.isnan(p))]
    stepped = p[order] * np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(stepped), 1)
    return adjusted


def subject_bootstrap_weights(
    pairs: Sequence[tuple[str, str]], n_samples: int, generator: np.random.Generator
) -> NDArray[np.float64]:
    """Weights ``(n_samples, P)`` of the pairs when the subjects, not the pairs, are drawn with replacement.

    Subjects are drawn from all that occur in a pair, in either role. A pair of subjects drawn c and d times occurs
    c * d times in the sample: the bootstrap of the vertices of a graph (Snijders & Borgatti 1999), here a complete one
    for a design of all ordered pairs. A subject paired with its own copy has no registration and is left out.
    """
    subjects, index = np.unique(np.array(pairs, dtype=str).reshape(-1, 2), return_inverse=True)
    fixed, moving = index.reshape(-1, 2).T
    counts = generator.multinomial(len(subjects), np.full(len(subjects), 1 / len(subjects)), size=n_samples)
    return (counts[:, fixed] * counts[:, moving]).astype(np.float64)


def bootstrap_means(values: pd.DataFrame, n_bootstrap: int = 10_000, seed: int = 0) -> NDArray[np.float64]:
    """Means of the columns of `values` in samples of subjects, for intervals of what is computed from several means.

    Args:
        values: ``(P, K)``, finite, one line per pair with the index (fixed, moving).
        n_bootstrap: samples; those in which no pair is left are dropped.
        seed: same seed, same samples, those of `compare_runs`.

    Returns:
        ``(at most n_bootstrap, K)``.
    """
    weights = subject_bootstrap_weights(list(values.index), n_bootstrap, np.random.default_rng(seed))
    weights = weights[weights.sum(1) > 0]
    means: NDArray[np.float64] = weights @ values.to_numpy(dtype=np.float64) / weights.sum(1, keepdims=True)
    return means


def _weighted_mean_interval(
    differences: NDArray[np.float64], weights: NDArray[np.float64], confidence: float
) -> tuple[float, float]:
    """Percentile interval of the weighted mean; samples in which no pair is left are dropped."""
    known = ~np.isnan(differences)
    total = weights[:, known].sum(1)
    drawn = total > 0
    if np.count_nonzero(known) < 2 or not drawn.any():
        return np.nan, np.nan
    means = (weights[drawn][:, known] @ differences[known]) / total[drawn]
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)
