"""Paired comparison of two runs on hand-computed numbers, scipy's test and simulated designs."""

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from textscf.results.statistics import compare_runs, holm, jackknife_interval, leave_one_out_means, mean_over_seeds

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
    result = compare_runs(rows(a), rows(b))
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


def test_the_interval_is_that_of_a_jackknife_written_out(values: tuple[np.ndarray, np.ndarray]) -> None:
    """Leave out each subject in a loop, with Student's t of scipy.stats."""
    a, b = values
    a[:12] += 0.3  # the first two subjects are fixed in these: pairs that share a subject are alike
    difference = pd.Series((a - b).mean(1), pd.MultiIndex.from_tuples(PAIRS))
    without_one = np.array([difference[[subject not in pair for pair in PAIRS]].mean() for subject in SUBJECTS])
    error = np.sqrt(6 / 7 * ((without_one - without_one.mean()) ** 2).sum())
    expected = difference.mean() + np.array([-1, 1]) * stats.t.ppf(0.975, 6) * error
    line = compare_runs(rows(a), rows(b)).iloc[-1]
    np.testing.assert_allclose(line[["ci_low", "ci_high"]].astype(float), expected)
    np.testing.assert_allclose(leave_one_out_means(difference.to_frame())[:, 0], without_one)


def test_the_interval_of_effects_of_subjects_is_their_t_interval() -> None:
    effect = np.random.default_rng(0).normal(0, 0.1, 7)
    sums = np.array([[effect[SUBJECTS.index(f)] + effect[SUBJECTS.index(m)]] for f, m in PAIRS])
    line = compare_runs(rows(sums), rows(np.zeros_like(sums))).iloc[0]
    expected = stats.t.interval(0.95, 6, 2 * effect.mean(), 2 * stats.sem(effect))
    np.testing.assert_allclose(line[["ci_low", "ci_high"]].astype(float), expected)


RING = [(f"s{n:02d}", f"s{(n + step) % 30:02d}") for n in range(30) for step in (1, 2)]
"""Pairs as those of the hippocampus cohort: each subject is fixed, the next two are moving."""
NINE = list(itertools.combinations([f"s{n}" for n in range(9)], 2))
"""Pairs as those of the brain cohort: each two of nine subjects once."""


@pytest.mark.parametrize("pairs", [PAIRS, NINE, RING], ids=["abdomen", "brain", "hippocampus"])
@pytest.mark.parametrize(("of_subject", "of_pair"), [(1, 0.05), (0.5, 1), (0, 1)])
def test_at_least_95_percent_of_the_intervals_contain_the_true_value(
    pairs: list[tuple[str, str]], of_subject: float, of_pair: float
) -> None:
    """Simulated differences with the true mean 0, which belong to subjects, to pairs, or to both."""
    n, generator = 1500, np.random.default_rng(0)
    subjects, index = np.unique(pairs, return_inverse=True)
    fixed, moving = index.reshape(-1, 2).T
    effect = generator.normal(0, of_subject, (len(subjects), n)) if of_subject else np.zeros((len(subjects), n))
    values = effect[fixed] + effect[moving] + generator.normal(0, of_pair, (len(pairs), n))
    without_one = leave_one_out_means(pd.DataFrame(values, pd.MultiIndex.from_tuples(pairs)))
    intervals = [jackknife_interval(*each) for each in zip(values.mean(0), without_one.T, strict=True)]
    covered = np.mean([low < 0 < high for low, high in intervals])
    assert covered > 0.95 - 2 * np.sqrt(0.95 * 0.05 / n)


def test_by_hand() -> None:
    """Differences 1, 2, 3: mean 2, standard deviation 1, t = 2 sqrt(3)."""
    pairs = PAIRS[:3]
    a, b = np.array([[2.0], [4.0], [6.0]]), np.array([[1.0], [2.0], [3.0]])
    spleen = compare_runs(rows(a, pairs), rows(b, pairs)).iloc[0]
    assert spleen["t"] == pytest.approx(2 * np.sqrt(3))
    assert spleen["effect_size"] == pytest.approx(2)
    assert spleen["difference"] == pytest.approx(2)


def test_order_of_rows_does_not_matter(values: tuple[np.ndarray, np.ndarray]) -> None:
    a, b = rows(values[0]), rows(values[1])
    expected = compare_runs(a, b)
    shuffled = compare_runs(a, b.iloc[::-1])
    pd.testing.assert_frame_equal(shuffled, expected)


def test_swapping_the_runs_changes_signs(values: tuple[np.ndarray, np.ndarray]) -> None:
    a, b = rows(values[0]), rows(values[1])
    forth, back = compare_runs(a, b), compare_runs(b, a)
    np.testing.assert_allclose(forth["t"], -back["t"])
    np.testing.assert_allclose(forth["p"], back["p"])
    np.testing.assert_allclose(forth["ci_low"], -back["ci_high"])


def test_pairs_without_a_value_in_both_runs_are_left_out(values: tuple[np.ndarray, np.ndarray]) -> None:
    a, b = values[0].copy(), values[1].copy()
    a[3, 0], b[5, 0], b[6, 1] = np.nan, np.nan, np.inf
    result = compare_runs(rows(a), rows(b))
    assert list(result["n"]) == [40, 41, 42, 41]
    kept = np.delete(np.arange(42), [3, 5])
    assert result["p"][0] == pytest.approx(stats.ttest_rel(a[kept, 0], b[kept, 0]).pvalue)
    assert result["mean_b"][0] == pytest.approx(b[kept, 0].mean())


def test_what_cannot_be_tested_is_nan(values: tuple[np.ndarray, np.ndarray]) -> None:
    a, b = values[0].copy(), values[1].copy()
    a[:, 0] = b[:, 0]
    a[:, 1] = np.nan
    result = compare_runs(rows(a), rows(b)).set_index("structure")
    assert result.loc["spleen", ["t", "p", "p_holm", "effect_size"]].isna().all()
    assert result.loc["spleen", ["difference", "ci_low", "ci_high"]].eq(0).all()
    assert result.loc["liver", "n"] == 0
    assert result.loc["liver"].drop("n").isna().all()
    assert result.loc["aorta", "p_holm"] == result.loc["aorta", "p"]
    one = compare_runs(rows(a[:1], PAIRS[:1]), rows(b[:1], PAIRS[:1]))
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
    dice, hd95 = (compare_runs(a, b, metric) for metric in ("dice", "hd95"))
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


def test_the_interval_widens_with_confidence(values: tuple[np.ndarray, np.ndarray]) -> None:
    a, b = rows(values[0]), rows(values[1])
    narrow, wide = compare_runs(a, b), compare_runs(a, b, confidence=0.99)
    assert (wide["ci_low"] < narrow["ci_low"]).all()
    assert (narrow["ci_low"] < narrow["difference"]).all()
    assert (narrow["difference"] < narrow["ci_high"]).all()
    assert (narrow["ci_high"] < wide["ci_high"]).all()


def test_without_a_pair_that_lacks_a_subject_there_is_no_interval() -> None:
    star = [("s0", subject) for subject in SUBJECTS[1:]]
    values = np.random.default_rng(0).uniform(0.3, 0.7, (len(star), 1))
    line = compare_runs(rows(values, star), rows(values + 0.1, star)).iloc[0]
    assert line["difference"] == pytest.approx(-0.1)
    assert np.isnan([line["ci_low"], line["ci_high"]]).all()


def test_few_subjects_have_no_interval() -> None:
    for n_subjects, known in ((4, False), (5, True)):
        pairs = list(itertools.permutations(SUBJECTS[:n_subjects], 2))
        values = np.random.default_rng(0).uniform(0.3, 0.7, (len(pairs), 1))
        row = compare_runs(rows(values + 0.1, pairs), rows(values, pairs)).iloc[0]
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
