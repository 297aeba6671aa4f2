"""Paired comparison of two runs: the paper's t-test per structure, with further statistics.

The paper (section 4.3.2, Fig. 3) compares Dice per structure over pairs by a paired t-test. This module adds p values
adjusted for the number of structures (Holm 1979), an effect size, and a bootstrap over subjects, because pairs that
share a subject are not independent.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from textscf.metrics.aggregation import metrics_of_structures

ALL = "all"

FEWEST_SUBJECTS = 5
"""Subjects below which a bootstrap over them says nothing: of two, every sample with a pair is the same."""

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
        a: rows with columns fixed, moving, structure and `metric`, one per pair and structure; an aggregation
            convention has been applied. For a run of several seeds, use `mean_over_seeds`.
        b: the same for the other run.
        metric: column to compare.
        confidence: level of the bootstrap interval.
        n_bootstrap: number of bootstrap samples.
        seed: random seed of the bootstrap; the same seed gives the same interval.

    Returns:
        Columns structure, n (pairs with a finite value in both), mean_a, mean_b, difference (a - b), t, p, p_holm,
        effect_size, ci_low, ci_high. Values for which n is too small are NaN, and so is the interval of fewer than
        `FEWEST_SUBJECTS`; t, p and effect_size are also NaN if all differences are equal. Holm's adjustment is over the
        structures; ``all`` is not adjusted, since its family is the methods that are compared
        (`compare_with_reference`).

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
    few = count_subjects(table_a.index) < FEWEST_SUBJECTS
    result[["ci_low", "ci_high"]] = np.nan if few else interval
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


def count_subjects(pairs: Iterable[tuple[str, str]]) -> int:
    """Number of subjects that occur in pairs, as fixed or as moving."""
    return len({subject for pair in pairs for subject in pair})


def subject_bootstrap_weights(
    pairs: Sequence[tuple[str, str]], n_samples: int, generator: np.random.Generator
) -> NDArray[np.float64]:
    """Bootstrap weights ``(n_samples, P)`` of the pairs; subjects, not pairs, are drawn with replacement.

    Subjects are drawn from all that occur in a pair, as fixed or as moving. If the two subjects of a pair are drawn c
    and d times, the pair occurs c * d times in the sample. This is the bootstrap of the vertices of a graph (Snijders &
    Borgatti 1999); the graph is complete if the pairs are all ordered pairs. A subject paired with its own copy has no
    registration and is left out.
    """
    subjects, index = np.unique(np.array(pairs, dtype=str).reshape(-1, 2), return_inverse=True)
    fixed, moving = index.reshape(-1, 2).T
    counts = generator.multinomial(len(subjects), np.full(len(subjects), 1 / len(subjects)), size=n_samples)
    return (counts[:, fixed] * counts[:, moving]).astype(np.float64)


def bootstrap_means(values: pd.DataFrame, n_bootstrap: int = 10_000, seed: int = 0) -> NDArray[np.float64]:
    """Means of the columns of `values` in bootstrap samples, for intervals of numbers computed from several means.

    Args:
        values: ``(P, K)``, finite, one line per pair with the index (fixed, moving).
        n_bootstrap: number of samples of subjects; samples without any pair are dropped.
        seed: random seed; the same seed gives the same samples as in `compare_runs`.

    Returns:
        Array ``(S, K)`` with S at most `n_bootstrap`.
    """
    weights = subject_bootstrap_weights(list(values.index), n_bootstrap, np.random.default_rng(seed))
    weights = weights[weights.sum(1) > 0]
    means: NDArray[np.float64] = weights @ values.to_numpy(dtype=np.float64) / weights.sum(1, keepdims=True)
    return means


def excludes_zero(low: pd.Series, high: pd.Series) -> pd.Series:
    """Mask of the intervals that lie on one side of zero; an undefined interval does not."""
    return (low > 0) | (high < 0)


def _weighted_mean_interval(
    differences: NDArray[np.float64], weights: NDArray[np.float64], confidence: float
) -> tuple[float, float]:
    """Percentile interval of the weighted mean; samples without any pair are dropped."""
    known = ~np.isnan(differences)
    total = weights[:, known].sum(1)
    drawn = total > 0
    if np.count_nonzero(known) < 2 or not drawn.any():
        return np.nan, np.nan
    means = (weights[drawn][:, known] @ differences[known]) / total[drawn]
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)
