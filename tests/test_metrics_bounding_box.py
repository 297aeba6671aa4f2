"""The smallest box that contains all labelled voxels."""

import numpy as np

from textscf.metrics.bounding_box import bounding_box


def test_box_of_two_maps_with_and_without_margin() -> None:
    first, second = np.zeros((2, 8, 9, 10), np.uint8)
    first[2, 3, 4], second[5, 1, 9] = 7, 1
    assert bounding_box(first) == (slice(2, 3), slice(3, 4), slice(4, 5))
    assert bounding_box(first, second) == (slice(2, 6), slice(1, 4), slice(4, 10))
    assert first[bounding_box(first, second, margin=2)].shape == (8, 6, 8)


def test_the_box_of_nothing_is_a_voxel() -> None:
    assert np.zeros((3, 4, 5))[bounding_box(np.zeros((3, 4, 5), np.uint8))].shape == (1, 1, 1)
