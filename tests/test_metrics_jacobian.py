"""Jacobian determinants of known maps and against an independent reference."""

import itertools

import numpy as np
import pytest

from textscf.metrics.jacobian import jacobian_determinants, jacobian_summary, non_diffeomorphic_fraction

SHAPE = (8, 9, 10)


def linear_field(matrix: np.ndarray) -> np.ndarray:
    """Displacement of ``x -> matrix x``."""
    grid = np.stack(np.meshgrid(*map(np.arange, SHAPE), indexing="ij"), axis=-1)
    return grid @ (matrix - np.eye(3)).T


def jacobian_determinant(displacement: np.ndarray) -> np.ndarray:
    return np.array(list(jacobian_determinants(displacement)))


def sdlogj(determinant: np.ndarray) -> float:
    return jacobian_summary(determinant).sdlogj


def nonpositive_fraction(determinant: np.ndarray) -> float:
    return jacobian_summary(determinant).nonpositive_fraction


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
    assert sdlogj(np.array([[np.e - 3, np.e**3 - 3]])) == pytest.approx(1, rel=1e-14)
    clipped = np.log([1e-9, 1e9])
    assert sdlogj(np.array([[-50.0], [1e12]])) == pytest.approx(clipped.std(), rel=1e-14)


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


def tetrahedra(voxel: np.ndarray) -> list[np.ndarray]:
    """Vertices (4, 3) of the ten tetrahedra of a voxel: the eight in the corners of the cubes around it, with the voxel
    as the right-angled vertex, and the middle ones of the cubes towards the last and the first voxel of the volume."""
    unit = np.eye(3)
    corners = [np.vstack([voxel, voxel + unit * signs]) for signs in itertools.product((1, -1), repeat=3)]
    even = [[0, 0, 0], [1, 1, 0], [1, 0, 1], [0, 1, 1]]
    return [*corners, voxel + np.array(even), voxel - np.array(even)]


def signed_volume(vertices: np.ndarray) -> float:
    return float(np.linalg.det(np.column_stack([vertices, np.ones(4)]))) / 6


def slow_ndv(displacement: np.ndarray) -> float:
    """Volume of the tetrahedra whose orientation changes, half of it, as a share of the inner voxels."""
    inner = list(itertools.product(*(range(1, n - 1) for n in displacement.shape[:3])))
    turned = 0.0
    for vertices in itertools.chain.from_iterable(tetrahedra(np.array(voxel)) for voxel in inner):
        before = signed_volume(vertices)
        mapped = vertices + displacement[tuple(vertices.astype(int).T)]
        turned += max(0.0, -signed_volume(mapped) * np.sign(before))
    return turned / 2 / len(inner)


def test_ten_tetrahedra_fill_a_voxel_twice() -> None:
    volumes = [abs(signed_volume(vertices)) for vertices in tetrahedra(np.array([3, 4, 5]))]
    assert sum(volumes) == pytest.approx(2)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_ndv_of_a_random_field_against_the_volumes_of_tetrahedra(dtype: type) -> None:
    displacement = np.random.default_rng(1).normal(0, 0.6, (5, 7, 6, 3)).astype(dtype)
    found = non_diffeomorphic_fraction(displacement)
    assert found == pytest.approx(slow_ndv(displacement.astype(np.float64)), rel=1e-10)
    assert found > 0.1


def test_ndv_of_a_reflection_and_of_a_linear_map() -> None:
    assert non_diffeomorphic_fraction(linear_field(np.diag([1.0, -1.0, 1.0]))) == pytest.approx(1)
    matrix = np.array([[1.2, 0.3, -0.1], [0.0, -0.8, 0.5], [0.2, -0.4, 1.1]])
    assert non_diffeomorphic_fraction(linear_field(matrix)) == pytest.approx(-np.linalg.det(matrix))
    assert str(non_diffeomorphic_fraction(linear_field(-matrix))) == "0.0"


def test_ndv_sees_a_voxel_that_central_differences_do_not_see() -> None:
    displacement = np.zeros((*SHAPE, 3))
    displacement[4, 4, 4, 0] = 1.5
    assert (jacobian_determinant(displacement)[2, 2, 2], non_diffeomorphic_fraction(displacement) > 0) == (1, True)


def test_ndv_has_no_value_without_inner_voxels_or_for_nan() -> None:
    assert np.isnan(non_diffeomorphic_fraction(np.zeros((2, 9, 9, 3))))
    displacement = np.zeros((*SHAPE, 3))
    displacement[4, 4, 4, 1] = np.nan
    assert np.isnan(non_diffeomorphic_fraction(displacement))
