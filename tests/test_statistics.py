"""Paired comparison of two runs on hand-computed numbers, scipy's test and simulated designs."""

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from textscf.results.statistics import bootstrap_means, compare_runs, holm, mean_over_seeds, subject_bootstrap_weights

SUBJECTS = [f"s{n}" for n in range(7)]
PAIRS = list(itertools.permutations(SUBJECTS, 2))
STRUCTURES = ["spleen", "liver", "aorta"]


def rows(values: np.ndarray, pairs: list[tuple[str, str]] = PAIRS) -> pd.DataFrame:
    """Tidy rows from values (pairs, structures)."""
    records = [
        {"fixed": f, "moving": m, "label": n + 1, "structure": STRUCTURES[n], "dice": row[n], "hd95": 10 - row[n]}
        for (f, m), row in zip(pairs, values, strict=True)
        for n in range(values.shape[1])
    ]
    return pd.DataFrame(records)


@pytest.fixture
def values() -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    b = generator.uniform(0.3, 0.7, (42, 3))
    return b + generator.normal([0.1, 0.02, 0.0], 0.05, (42, 3)), b


def test_t_test_effect_size_and_means(values: tuple[np.ndarray, np.ndarray]) -> None:
    a, b = values
    result = compare_runs(rows(a), rows(b), n_bootstrap=200)
    assert list(result["structure"]) == [*STRUCTURES, "all"]
    a, b = (np.column_stack([x, x.mean(1)]) for x in (a, b))
    expected = stats.ttest_rel(a, b)
    np.testing.assert_allclose(result["t"], expected.statistic)
    np.testing.assert_allclose(result["p"], expected.pvalue)
    np.testing.assert_allclose(result["mean_a"], a.mean(0))
    np.testing.assert_allclose(result["mean_b"], b.mean(0))
    np.testing.assert_allclose(result["difference"], (a - b).mean(0))
    np.testing.assert_allclose(result["effect_size"], result["t"] / np.sqrt(42))
    assert (result["n"] == 42).all()
    np.testing.assert_allclose(result["p_holm"][:3], holm(expected.pvalue[:3]))
    assert result["p_holm"][3] == result["p"][3]


def test_bootstrap_means_are_those_of_subjects_that_the_comparison_draws(values: tuple[np.ndarray, np.ndarray]) -> None:
    a, b = values
    a[:12] += 0.3  # the first two subjects are fixed in these: pairs that share a subject are alike
    result = compare_runs(rows(a), rows(b), n_bootstrap=2000).iloc[-1]
    index = pd.MultiIndex.from_tuples(PAIRS, names=["fixed", "moving"])
    samples = bootstrap_means(pd.DataFrame({"difference": (a - b).mean(1)}, index), 2000)
    np.testing.assert_allclose(np.quantile(samples[:, 0], [0.025, 0.975]), result[["ci_low", "ci_high"]].astype(float))


def test_by_hand() -> None:
    """Differences 1, 2, 3: mean 2, standard deviation 1, t = 2 sqrt(3)."""
    pairs = PAIRS[:3]
    a, b = np.array([[2.0], [4.0], [6.0]]), np.array([[1.0], [2.0], [3.0]])
    spleen = compare_runs(rows(a, pairs), rows(b, pairs), n_bootstrap=50).iloc[0]
    assert spleen["t"] == pytest.approx(2 * np.sqrt(3))
    assert spleen["effect_size"] == pytest.approx(2)
    assert spleen["difference"] == pytest.approx(2)


def test_order_of_rows_does_not_matter(values: tuple[np.ndarray, np.ndarray]) -> None:
    a, b = rows(values[0]), rows(values[1])
    expected = compare_runs(a, b, n_bootstrap=100)
    shuffled = compare_runs(a, b.iloc[::-1], n_bootstrap=100)
    pd.testing.assert_frame_equal(shuffled, expected)


def test_swapping_the_runs_changes_signs(values: tuple[np.ndarray, np.ndarray]) -> None:
    a, b = rows(values[0]), rows(values[1])
    forth, back = compare_runs(a, b, n_bootstrap=300), compare_runs(b, a, n_bootstrap=300)
    np.testing.assert_allclose(forth["t"], -back["t"])
    np.testing.assert_allclose(forth["p"], back["p"])
    np.testing.assert_allclose(forth["ci_low"], -back["ci_high"])


def test_pairs_without_a_value_in_both_runs_are_left_out(values: tuple[np.ndarray, np.ndarray]) -> None:
    a, b = values[0].copy(), values[1].copy()
    a[3, 0], b[5, 0], b[6, 1] = np.nan, np.nan, np.inf
    result = compare_runs(rows(a), rows(b), n_bootstrap=100)
    assert list(result["n"]) == [40, 41, 42, 41]
    kept = np.delete(np.arange(42), [3, 5])
    assert result["p"][0] == pytest.approx(stats.ttest_rel(a[kept, 0], b[kept, 0]).pvalue)
    assert result["mean_b"][0] == pytest.approx(b[kept, 0].mean())


def test_what_cannot_be_tested_is_nan(values: tuple[np.ndarray, np.ndarray]) -> None:
    a, b = values[0].copy(), values[1].copy()
    a[:, 0] = b[:, 0]
    a[:, 1] = np.nan
    result = compare_runs(rows(a), rows(b), n_bootstrap=100).set_index("structure")
    assert result.loc["spleen", ["t", "p", "p_holm", "effect_size"]].isna().all()
    assert result.loc["spleen", ["difference", "ci_low", "ci_high"]].eq(0).all()
    assert result.loc["liver", "n"] == 0
    assert result.loc["liver"].drop("n").isna().all()
    assert result.loc["aorta", "p_holm"] == result.loc["aorta", "p"]
    one = compare_runs(rows(a[:1], PAIRS[:1]), rows(b[:1], PAIRS[:1]), n_bootstrap=10)
    assert one[["t", "ci_low", "ci_high"]].isna().all(axis=None)


def test_runs_on_different_pairs_or_structures_are_refused(values: tuple[np.ndarray, np.ndarray]) -> None:
    a, b = rows(values[0]), rows(values[1])
    with pytest.raises(ValueError, match="different pairs or structures"):
        compare_runs(a, b[b["fixed"] != "s0"])
    with pytest.raises(ValueError, match="different pairs or structures"):
        compare_runs(a, b[b["structure"] != "liver"])
    with pytest.raises(ValueError, match="duplicate"):
        compare_runs(pd.concat([a, a]), b)


def test_other_metrics(values: tuple[np.ndarray, np.ndarray]) -> None:
    a, b = rows(values[0]), rows(values[1])
    dice, hd95 = (compare_runs(a, b, metric, n_bootstrap=100) for metric in ("dice", "hd95"))
    np.testing.assert_allclose(dice["difference"], -hd95["difference"])


def test_holm_by_hand() -> None:
    p = np.array([0.01, 0.04, np.nan, 0.03, 0.005])
    np.testing.assert_allclose(holm(p), [0.03, 0.06, np.nan, 0.06, 0.02])
    np.testing.assert_allclose(holm(np.array([0.9, 0.6])), [1, 1])
    assert holm(np.array([])).size == 0


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
@settings(max_examples=50, deadline=None)
def test_holm_lies_between_the_raw_and_the_bonferroni_value(p: list[float]) -> None:
    raw = np.array(p)
    adjusted = holm(raw)
    assert (adjusted >= raw).all()
    assert (adjusted <= np.minimum(raw * len(raw), 1) + 1e-12).all()
    assert (np.diff(adjusted[np.argsort(raw)]) >= 0).all()


def test_bootstrap_weights_are_products_of_subject_counts() -> None:
    weights = subject_bootstrap_weights(PAIRS, 500, np.random.default_rng(1))
    table = {pair: weights[:, n] for n, pair in enumerate(PAIRS)}
    for f, m in PAIRS:
        np.testing.assert_array_equal(table[f, m], table[m, f])
    a, b, c = SUBJECTS[:3]
    known = table[a, b] * table[b, c] * table[a, c] > 0
    count_a = np.sqrt(table[a, b] * table[a, c] / np.where(known, table[b, c], 1))[known]
    np.testing.assert_allclose(count_a, np.rint(count_a), atol=1e-9)
    assert weights.mean() == pytest.approx(1 - 1 / 7, rel=0.05)


def test_interval_is_deterministic_and_widens_with_confidence(values: tuple[np.ndarray, np.ndarray]) -> None:
    a, b = rows(values[0]), rows(values[1])
    first, again = (compare_runs(a, b, n_bootstrap=500) for _ in range(2))
    pd.testing.assert_frame_equal(first, again)
    other = compare_runs(a, b, n_bootstrap=500, seed=1)
    assert (other["ci_low"] != first["ci_low"]).all()
    assert np.allclose(other["ci_low"], first["ci_low"], atol=0.02)
    wide = compare_runs(a, b, n_bootstrap=500, confidence=0.99)
    assert (wide["ci_low"] <= first["ci_low"]).all()
    assert (wide["ci_high"] >= first["ci_high"]).all()
    assert (first["ci_low"] < first["difference"]).all()
    assert (first["difference"] < first["ci_high"]).all()


def test_interval_sees_that_pairs_share_subjects() -> None:
    """An effect that belongs to subjects: resampling pairs would give an interval several times too narrow."""
    generator = np.random.default_rng(4)
    effect = dict(zip(SUBJECTS, generator.normal(0, 0.1, 7), strict=True))
    difference = np.array([[effect[f] + effect[m]] for f, m in PAIRS])
    row = compare_runs(rows(difference), rows(np.zeros_like(difference)), n_bootstrap=4000).iloc[0]
    width = row["ci_high"] - row["ci_low"]
    draws = generator.integers(0, 42, (4000, 42))
    naive = np.ptp(np.quantile(difference[draws, 0].mean(1), [0.025, 0.975]))
    assert width > 1.8 * naive


def test_sparse_designs_drop_samples_without_a_pair() -> None:
    pairs = [("s0", "s1"), ("s2", "s3"), ("s4", "s5")]
    a, b = np.array([[2.0], [4.0], [3.0]]), np.array([[1.0], [1.0], [1.0]])
    row = compare_runs(rows(a, pairs), rows(b, pairs), n_bootstrap=500).iloc[0]
    assert (row["ci_low"], row["ci_high"]) == (1, 3)


def test_few_subjects_have_no_interval() -> None:
    for n_subjects, known in ((4, False), (5, True)):
        pairs = list(itertools.permutations(SUBJECTS[:n_subjects], 2))
        values = np.random.default_rng(0).uniform(0.3, 0.7, (len(pairs), 1))
        row = compare_runs(rows(values + 0.1, pairs), rows(values, pairs), n_bootstrap=200).iloc[0]
        assert row["difference"] == pytest.approx(0.1)
        assert np.isfinite([row["ci_low"], row["ci_high"]]).all() == known


def test_mean_over_seeds(values: tuple[np.ndarray, np.ndarray]) -> None:
    a, b = values[0].copy(), values[1].copy()
    a[0, 0] = b[0, 0] = np.nan
    merged = mean_over_seeds([rows(a), rows(b).sample(frac=1, random_state=0)])
    expected = rows((a + b) / 2)
    pd.testing.assert_frame_equal(merged[expected.columns], expected)
    with pytest.raises(ValueError, match="different pairs"):
        mean_over_seeds([rows(a), rows(b[1:], PAIRS[1:])])
