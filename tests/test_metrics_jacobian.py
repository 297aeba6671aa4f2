"""Jacobian determinants of known maps and against an independent reference."""

import numpy as np
import pytest

from textscf.metrics.jacobian import jacobian_determinant, nonpositive_fraction, sdlogj

SHAPE = (8, 9, 10)


def linear_field(matrix: np.ndarray) -> np.ndarray:
    """Displacement of ``x -> matrix x``."""
    grid = np.stack(np.meshgrid(*map(np.arange, SHAPE), indexing="ij"), axis=-1)
    return grid @ (matrix - np.eye(3)).T


def slow_determinant(displacement: np.ndarray) -> np.ndarray:
    columns = [np.stack(np.gradient(displacement[..., c].astype(np.float64)), axis=-1) for c in range(3)]
    return np.linalg.det(np.stack(columns, axis=-2) + np.eye(3))[2:-2, 2:-2, 2:-2]


def test_no_displacement() -> None:
    determinant = jacobian_determinant(np.zeros((*SHAPE, 3), np.float32))
    assert determinant.shape == (4, 5, 6)
    assert determinant.dtype == np.float64
    assert (determinant == 1).all()
    assert sdlogj(determinant) == 0
    assert nonpositive_fraction(determinant) == 0


def test_linear_map_has_the_determinant_of_its_matrix() -> None:
    matrix = np.array([[1.2, 0.3, -0.1], [0.0, 0.8, 0.5], [0.2, -0.4, 1.1]])
    np.testing.assert_allclose(jacobian_determinant(linear_field(matrix)), np.linalg.det(matrix), rtol=1e-12)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_reflection_folds_everywhere(axis: int) -> None:
    matrix = np.eye(3)
    matrix[axis, axis] = -1
    determinant = jacobian_determinant(linear_field(matrix))
    assert (determinant == -1).all()
    assert nonpositive_fraction(determinant) == 1


def test_zero_determinant_counts_as_folded() -> None:
    assert nonpositive_fraction(np.array([[[0.0, 1e-300, 1.0, -1.0]]])) == 0.5


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_random_field_against_gradient_and_lapack(dtype: type) -> None:
    displacement = np.random.default_rng(0).normal(0, 1, (*SHAPE, 3)).astype(dtype)
    expected = slow_determinant(displacement)
    determinant = jacobian_determinant(displacement)
    np.testing.assert_allclose(determinant, expected, atol=1e-12)
    assert nonpositive_fraction(determinant) == np.mean(expected <= 0) > 0


def test_sdlogj_by_hand() -> None:
    assert sdlogj(np.array([np.e - 3, np.e**3 - 3])) == pytest.approx(1, rel=1e-14)
    clipped = np.log([1e-9, 1e9])
    assert sdlogj(np.array([-50.0, 1e12])) == pytest.approx(clipped.std(), rel=1e-14)


def test_volumes_without_an_interior_have_no_value() -> None:
    determinant = jacobian_determinant(np.zeros((4, 9, 2, 3)))
    assert determinant.size == 0
    assert np.isnan(sdlogj(determinant))
    assert np.isnan(nonpositive_fraction(determinant))


def test_one_nan_in_a_field_leaves_no_number() -> None:
    displacement = np.zeros((*SHAPE, 3))
    displacement[4, 4, 4, 1] = np.nan
    determinant = jacobian_determinant(displacement)
    assert np.isnan(nonpositive_fraction(determinant))
    assert np.isnan(sdlogj(determinant))
