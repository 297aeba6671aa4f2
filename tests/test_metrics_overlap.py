"""Dice from the count of label pairs, against masks compared one by one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textscf.metrics.overlap import confusion_counts, dice_scores


def labels(seed: int, n_regions: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, n_regions, (6, 7, 8)).astype(np.uint8)


def test_counts_by_hand() -> None:
    fixed = np.array([[[0, 1, 1, 2]]], np.uint8)
    warped = np.array([[[0, 1, 2, 2]]], np.uint8)
    counts = confusion_counts(fixed, warped, 4)
    expected = np.zeros((4, 4), int)
    expected[0, 0] = expected[1, 1] = expected[1, 2] = expected[2, 2] = 1
    np.testing.assert_array_equal(counts, expected)
    np.testing.assert_allclose(dice_scores(counts), [1, 2 / 3, 2 / 3, np.nan])


@pytest.mark.parametrize("n_regions", [3, 36, 200])
def test_bit_equal_to_masks(n_regions: int) -> None:
    fixed, warped = labels(0, n_regions), labels(1, n_regions)
    dice = dice_scores(confusion_counts(fixed, warped, n_regions))
    for label in range(n_regions):
        a, b = fixed == label, warped == label
        size = a.sum() + b.sum()
        expected = 2 * (a & b).sum() / size if size else np.nan
        np.testing.assert_array_equal(dice[label], expected)


@given(st.integers(0, 10_000), st.permutations(range(5)))
@settings(max_examples=20, deadline=None)
def test_symmetric_and_permuted_with_the_labels(seed: int, order: list[int]) -> None:
    fixed, warped = labels(seed, 5), labels(seed + 1, 5)
    dice = dice_scores(confusion_counts(fixed, warped, 5))
    np.testing.assert_array_equal(dice, dice_scores(confusion_counts(warped, fixed, 5)))
    table = np.array(order, np.uint8)
    np.testing.assert_array_equal(dice, dice_scores(confusion_counts(table[fixed], table[warped], 5))[order])
