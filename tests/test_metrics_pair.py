"""evaluate_pair against the official evaluator's values, and the rules for missing and lost labels."""

from pathlib import Path

import numpy as np
import pytest
from benchmarks import plain
from benchmarks.volumes import real_brain_labels, smooth_field
from hypothesis import given, settings
from hypothesis import strategies as st

from textscf.files.io import read_json
from textscf.metrics import evaluate_pair

CASES = [
    "brain35_half",
    "hippocampus_folding",
    "hippocampus_label_lost_by_warp",
    "hippocampus_label_missing_in_moving",
    "hippocampus_smooth",
]


def numbers(values: list) -> np.ndarray:
    return np.array(values, dtype=np.float64)


@pytest.mark.parametrize("case", CASES)
def test_equal_to_the_official_evaluator(shared: Path, case: str) -> None:
    folder = shared / "reference" / "learn2reg_evaluator"
    reference = read_json(folder / f"{case}.json")
    with np.load(folder / f"{case}.npz") as arrays:
        displacement = arrays["displacement"].astype(np.float32)
        result = evaluate_pair(arrays["fixed"], arrays["moving"], displacement, arrays["labels"])
    np.testing.assert_allclose(result.dice, numbers(reference["dice"]), atol=1e-6)
    np.testing.assert_allclose(result.hd95, numbers(reference["hd95"]), atol=1e-6)
    assert result.sdlogj == pytest.approx(reference["sdlogj"], abs=1e-6)
    expected = reference["nonpositive_jacobian_fraction"]
    assert result.nonpositive_jacobian_fraction == pytest.approx(expected, abs=1e-6)
    assert np.nanmean(result.dice) == pytest.approx(reference["dice_mean"], abs=1e-6)
    assert np.nanmean(result.hd95) == pytest.approx(reference["hd95_mean"], abs=1e-6)


def test_equal_to_the_official_steps_on_a_real_brain(shared: Path) -> None:
    labels = real_brain_labels(shared / "data")
    fixed, moving = labels[40:110, 60:130, 70:150], labels[42:112, 59:129, 69:149]
    displacement = smooth_field(fixed.shape, 2.0)
    result = evaluate_pair(fixed, moving, displacement, range(1, 36))
    expected = plain.evaluate(fixed, moving, displacement, 35)
    np.testing.assert_array_equal([*result.dice, *result.hd95], expected[:-1])
    assert result.sdlogj == pytest.approx(expected[-1], rel=1e-12)
    again = evaluate_pair(fixed, moving, np.ascontiguousarray(displacement), range(1, 36))
    assert vars(again).keys() == vars(result).keys()
    for name, value in vars(again).items():
        np.testing.assert_array_equal(value, getattr(result, name), name)


def two_boxes() -> np.ndarray:
    labels = np.zeros((12, 13, 14), np.uint8)
    labels[2:6, 3:9, 4:8] = 1
    labels[7:10, 3:9, 4:8] = 2
    return labels


def test_no_registration_is_the_zero_field() -> None:
    fixed, moving = two_boxes(), np.roll(two_boxes(), 1, axis=2)
    none = evaluate_pair(fixed, moving, None, [1, 2], (2, 2, 2))
    zero = evaluate_pair(fixed, moving, np.zeros((*fixed.shape, 3), np.float32), [1, 2], (2, 2, 2))
    np.testing.assert_array_equal(none.dice, zero.dice)
    np.testing.assert_array_equal(none.dice, [0.75, 0.75])
    np.testing.assert_array_equal(none.hd95, zero.hd95)
    np.testing.assert_array_equal(none.hd95, [2, 2])
    assert (none.sdlogj, none.nonpositive_jacobian_fraction) == (0, 0) == (zero.sdlogj, 0)


def test_a_shift_is_undone_by_its_field() -> None:
    fixed, moving = two_boxes(), np.roll(two_boxes(), 2, axis=1)
    displacement = np.zeros((*fixed.shape, 3), np.float32)
    displacement[..., 1] = 2
    result = evaluate_pair(fixed, moving, displacement, [1, 2])
    np.testing.assert_array_equal(result.dice, 1)
    np.testing.assert_array_equal(result.hd95, 0)


def test_missing_and_lost_labels() -> None:
    fixed, moving = two_boxes(), two_boxes()
    fixed[0, 0, 0] = 3
    moving[11, 0, 0] = 4
    displacement = np.zeros((*fixed.shape, 3), np.float32)
    displacement[moving == 2] = (0, 50, 0)
    result = evaluate_pair(fixed, moving, displacement, [1, 2, 3, 4, 7], (3, 3, 3))
    np.testing.assert_array_equal(result.dice, [1, 0, np.nan, np.nan, np.nan])
    np.testing.assert_array_equal(result.hd95, [0, np.inf, np.nan, np.nan, np.nan])
    np.testing.assert_array_equal(result.hd95_initial, [np.nan, 0, np.nan, np.nan, np.nan])


def test_a_warp_far_out_of_the_scan_loses_every_label() -> None:
    labels = two_boxes()
    result = evaluate_pair(labels, labels, np.full((*labels.shape, 3), 100, np.float32), [1, 2])
    np.testing.assert_array_equal(result.dice, 0)
    np.testing.assert_array_equal(result.hd95, np.inf)
    np.testing.assert_array_equal(result.hd95_initial, 0)


def test_labels_that_are_not_asked_for_count_as_background() -> None:
    fixed, moving = two_boxes(), np.roll(two_boxes(), 1, axis=0)
    both, one = (evaluate_pair(fixed, moving, None, labels) for labels in ([1, 2], [2]))
    assert (one.dice[0], one.hd95[0]) == (both.dice[1], both.hd95[1])


def test_many_and_large_labels() -> None:
    labels = np.arange(1, 3001).reshape(10, 15, 20).astype(np.int16)
    result = evaluate_pair(labels, labels, None, np.arange(1, 3001, 10))
    np.testing.assert_array_equal(result.dice, np.ones(300))
    np.testing.assert_array_equal(result.hd95, np.zeros(300))


@given(st.permutations([1, 2, 3, 40]), st.integers(0, 1000))
@settings(max_examples=15, deadline=None)
def test_results_follow_the_order_of_the_labels(order: list[int], seed: int) -> None:
    generator = np.random.default_rng(seed)
    values = np.array([0, 1, 2, 3, 40], np.uint8)
    fixed, moving = (values[generator.integers(0, 5, (7, 6, 8))] for _ in range(2))
    displacement = generator.normal(0, 1, (7, 6, 8, 3)).astype(np.float32)
    sorted_result = evaluate_pair(fixed, moving, displacement, [1, 2, 3, 40])
    result = evaluate_pair(fixed, moving, displacement, order)
    places = [[1, 2, 3, 40].index(label) for label in order]
    np.testing.assert_array_equal(result.labels, order)
    np.testing.assert_array_equal(result.dice, sorted_result.dice[places])
    np.testing.assert_array_equal(result.hd95, sorted_result.hd95[places])


def test_shapes_must_agree() -> None:
    labels = two_boxes()
    with pytest.raises(ValueError, match="label maps of shapes"):
        evaluate_pair(labels, labels[1:], None, [1])
    with pytest.raises(ValueError, match=r"displacement of shape \(3, 12, 13, 14\)"):
        evaluate_pair(labels, labels, np.zeros((3, *labels.shape)), [1])
