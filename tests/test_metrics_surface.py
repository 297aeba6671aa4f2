"""HD95 on hand-computed geometry, against a slow reference, and its invariances."""

import numpy as np
import pytest
from benchmarks.plain import hd95 as plain_hd95
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from textscf.metrics.surface import hd95, hd95_of_labels


def voxels(*places: tuple[int, int, int], shape: tuple[int, int, int] = (12, 10, 9)) -> np.ndarray:
    mask = np.zeros(shape, bool)
    for place in places:
        mask[place] = True
    return mask


def blobs(generator: np.random.Generator, shape: tuple[int, int, int], smoothness: float) -> np.ndarray:
    noise = ndimage.gaussian_filter(generator.normal(size=shape), smoothness)
    return noise > np.quantile(noise, generator.uniform(0.05, 0.95))


def test_same_voxel_is_at_distance_zero() -> None:
    assert hd95(voxels((4, 4, 4)), voxels((4, 4, 4))) == 0


@pytest.mark.parametrize(("axis", "expected"), [(0, 2.0), (1, 4.0), (2, 7.0)])
def test_two_voxels_apart_along_each_axis(axis: int, expected: float) -> None:
    place = [4, 4, 4]
    place[axis] += 2
    assert hd95(voxels((4, 4, 4)), voxels(tuple(place)), (1.0, 2.0, 3.5)) == expected


def test_voxels_apart_on_a_diagonal_and_far() -> None:
    assert hd95(voxels((0, 0, 0)), voxels((2, 2, 1))) == 3
    assert hd95(voxels((0, 0, 0)), voxels((11, 0, 0)), (4, 4, 4)) == 44


def test_the_distance_of_the_worst_five_percent_does_not_count() -> None:
    slab = np.ones((30, 30, 2), bool)
    bumped = np.pad(slab, ((0, 0), (0, 0), (0, 4)))
    bumped[10, 10, :] = True
    slab = np.pad(slab, ((0, 0), (0, 0), (0, 4)))
    assert hd95(slab, bumped) == 0
    assert hd95(slab, np.roll(slab, 3, axis=2)) == 3


def test_areas_weigh_the_percentile() -> None:
    """A single voxel near and a large face far: 8 small corners against the area of the face."""
    near, both = voxels((0, 0, 0), shape=(30, 30, 30)), voxels((0, 0, 0), shape=(30, 30, 30))
    both[20, 5:25, 5:25] = True
    assert hd95(near, both) == pytest.approx(plain_hd95(near, both, (1, 1, 1)), abs=0)
    assert hd95(near, both) > 20


def test_empty_masks_are_infinitely_far() -> None:
    empty, some = voxels(), voxels((1, 1, 1))
    assert hd95(empty, some) == hd95(some, empty) == hd95(empty, empty) == np.inf


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (4.0, 4.0, 4.0), (1.0, 2.0, 3.5)])
def test_equal_to_the_slow_reference(spacing: tuple[float, float, float]) -> None:
    generator = np.random.default_rng(3)
    far = 0
    for _ in range(60):
        shape = tuple(generator.integers(3, 26, 3))
        first, second = (blobs(generator, shape, generator.uniform(0, 2.5)) for _ in range(2))
        second &= generator.random() < 0.6 or np.arange(shape[0])[:, None, None] > shape[0] * 0.7
        expected = plain_hd95(first, second, spacing)
        assert hd95(first, second, spacing) == pytest.approx(expected, rel=1e-15)
        far += 8 * spacing[0] <= expected < np.inf
    assert far > 3, "the exact transform has to be reached too"


def test_a_share_of_exactly_95_percent_is_decided_as_by_the_evaluator() -> None:
    """19 of 20 far voxels on the other mask: sums of equal areas decide, so their order must be the evaluator's."""
    first, second = np.zeros((2, 60, 5, 5), bool)
    first[1:60:3, 2, 2] = second[1:57:3, 2, 2] = True
    assert hd95(first, second) == plain_hd95(first, second)
    for spacing in (0.7, 1.3):
        assert hd95(first, second, (spacing,) * 3) == plain_hd95(first, second, (spacing,) * 3)


def test_distances_around_the_reach_of_the_near_map() -> None:
    for gap in range(1, 11):
        for offset in range(0, gap + 1, 2):
            first, second = voxels((0, 0, 0)), voxels((gap, offset, 0), shape=(12, 11, 9))
            first = np.pad(first, ((0, 0), (0, 1), (0, 0)))
            assert hd95(first, second) == pytest.approx(np.hypot(gap, offset), rel=1e-15)


def test_labels_are_measured_separately_and_in_the_given_order() -> None:
    fixed, warped = np.zeros((2, 20, 8, 8), np.uint8)
    fixed[2, 2, 2], warped[2, 2, 5] = 1, 1
    fixed[9, 2, 2], warped[13, 2, 2] = 2, 2
    fixed[15, 5, 5] = 3
    warped[15, 5, 5] = 5
    np.testing.assert_array_equal(hd95_of_labels(fixed, warped, [2, 1, 3, 5, 9], (2, 2, 2)), [8, 6, *[np.inf] * 3])


seeds = st.integers(0, 2**32 - 1)


@given(seeds)
@settings(max_examples=25, deadline=None)
def test_symmetric_and_zero_on_itself(seed: int) -> None:
    generator = np.random.default_rng(seed)
    first, second = (blobs(generator, (9, 14, 11), 1.0) for _ in range(2))
    assert hd95(first, second) == hd95(second, first)
    assert hd95(first, first) == 0


@given(seeds, st.floats(0.1, 10), st.booleans())
@settings(max_examples=25, deadline=None)
def test_scaling_the_spacing_scales_the_distance(seed: int, scale: float, uniform: bool) -> None:
    generator = np.random.default_rng(seed)
    first, second = (blobs(generator, (9, 14, 11), 1.0) for _ in range(2))
    a, b, c = (1.0, 1.0, 1.0) if uniform else (1.0, 1.5, 2.0)
    scaled = hd95(first, second, (scale * a, scale * b, scale * c))
    assert scaled == pytest.approx(scale * hd95(first, second, (a, b, c)), rel=1e-12)


@given(seeds)
@settings(max_examples=15, deadline=None)
def test_uniform_and_general_grids_agree(seed: int) -> None:
    generator = np.random.default_rng(seed)
    first, second = (blobs(generator, (9, 14, 11), 1.0) for _ in range(2))
    assert hd95(first, second, (1, 1, 1 + 1e-13)) == pytest.approx(hd95(first, second), rel=1e-9)
