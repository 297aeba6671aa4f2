"""Jumps of a displacement field: by a loop over voxels, and for fields whose jumps are known."""

import itertools

import numpy as np
import pytest

from textscf.metrics.discontinuity import displacement_jumps

SPACING = (3.0, 2.0, 4.0)


def _by_loop(labels: np.ndarray, displacement: np.ndarray) -> tuple[float, float]:
    across, inside = [], []
    for voxel in itertools.product(*map(range, labels.shape)):
        for axis in range(3):
            other = tuple(n + (a == axis) for a, n in enumerate(voxel))
            if other[axis] == labels.shape[axis]:
                continue
            step = (displacement[other] - displacement[voxel]) * SPACING
            jump = np.sqrt((step**2).sum()) / SPACING[axis]
            if labels[voxel] != labels[other]:
                across.append(jump)
            elif labels[voxel] > 0:
                inside.append(jump)
    return float(np.mean(across)), float(np.mean(inside))


def test_jumps_are_those_of_a_loop_over_voxels() -> None:
    generator = np.random.default_rng(3)
    labels = generator.integers(0, 3, (5, 6, 4))
    displacement = generator.normal(size=(5, 6, 4, 3))
    assert displacement_jumps(labels, displacement, SPACING) == pytest.approx(_by_loop(labels, displacement), rel=1e-12)


def test_halves_that_slide_along_each_other_jump_across_their_border_alone() -> None:
    labels = np.ones((6, 5, 4), np.uint8)
    labels[3:] = 2
    displacement = np.zeros((6, 5, 4, 3))
    displacement[3:, ..., 1] = 1.5
    across, inside = displacement_jumps(labels, displacement, SPACING)
    assert across == pytest.approx(1.5 * SPACING[1] / SPACING[0])
    assert inside == 0


def test_a_stretch_jumps_by_its_gradient_whatever_the_voxels_edges() -> None:
    labels = np.zeros((4, 4, 8), np.uint8)
    labels[1:3] = 1
    displacement = np.zeros((4, 4, 8, 3))
    displacement[..., 2] = 0.25 * np.arange(8)
    along_depth, rest = 2 * 4 * 7, 4 * 8 + 2 * 3 * 8
    across, inside = displacement_jumps(labels, displacement, SPACING)
    assert across == 0
    assert inside == pytest.approx(0.25 * along_depth / (along_depth + rest))


def test_without_faces_of_a_kind_there_is_no_mean() -> None:
    nothing = np.zeros((3, 3, 3), np.uint8)
    assert np.isnan(displacement_jumps(nothing, np.ones((3, 3, 3, 3)), SPACING)).all()
