"""Deformations: invertible, the same on every grid, and sliding that leaves the border in place."""

import numpy as np

from textscf.data.simulation.deform import Affine, random_displacement, slide, vary
from textscf.data.simulation.fields import voxel_centres

FRAME = (240.0, 200.0, 260.0)
SCALES = [{"width": 90.0, "amplitude": 9.0}, {"width": 50.0, "amplitude": 3.0}]


def displacement(n: tuple[int, int, int], seed: int = 4) -> np.ndarray:
    centres = [voxel_centres(m, extent / m) for m, extent in zip(n, FRAME, strict=True)]
    return random_displacement(np.random.default_rng(seed), SCALES, FRAME, centres)


def test_displacements_are_large_and_never_fold() -> None:
    n = (60, 50, 65)
    u = displacement(n)
    spacing = [extent / m for m, extent in zip(n, FRAME, strict=True)]
    jacobian = np.stack([np.stack(np.gradient(part, *spacing)) for part in u]) + np.eye(3)[:, :, None, None, None]
    determinant = np.linalg.det(np.moveaxis(jacobian, (0, 1), (-2, -1)))
    assert np.abs(u).max() > 12
    assert determinant.min() > 0.2


def test_the_displacement_does_not_depend_on_the_grid() -> None:
    coarse, fine = displacement((20, 20, 20)), displacement((60, 60, 60))
    np.testing.assert_allclose(fine[:, 1::3, 1::3, 1::3], coarse, atol=1e-3)


def test_sliding_maps_its_ellipsoid_onto_itself_and_moves_its_border_points() -> None:
    sliding = {"centre": [10, -5, 3], "radii": [40, 20, 60], "degrees": [15, 15, 15]}
    centre, radii = np.array(sliding["centre"]), np.array(sliding["radii"])
    directions = np.random.default_rng(0).standard_normal((3, 200))
    border = centre[:, None] + radii[:, None] * directions / np.linalg.norm(directions, axis=0)
    moved = np.stack(slide(np.random.default_rng(1), sliding)(border))
    np.testing.assert_allclose(np.linalg.norm((moved - centre[:, None]) / radii[:, None], axis=0), 1, atol=1e-5)
    assert np.abs(moved - border).max() > 3


def test_affines_chain_and_invert() -> None:
    rng = np.random.default_rng(2)
    first, second = (vary(rng, np.array([5.0, 6, 7]), {"size": 0.2, "turn": 20, "place": [4, 4, 4]}) for _ in range(2))
    points = rng.standard_normal((3, 5))
    both = np.stack(second.after(first)(points))
    np.testing.assert_allclose(both, np.stack(second(first(points))), atol=1e-4)
    np.testing.assert_allclose(np.stack(first.inverse()(first(points))), points, atol=1e-4)


def test_variation_moves_and_resizes_about_the_centre() -> None:
    centre = np.array([20.0, 0, -10])
    unchanged = vary(np.random.default_rng(0), centre, {})
    assert np.array_equal(unchanged.matrix, np.eye(3))
    resized = vary(np.random.default_rng(0), centre, {"size": 0.3, "turn": 30})
    np.testing.assert_allclose(np.stack(resized(centre[:, None]))[:, 0], centre, atol=1e-4)
    shifted = vary(np.random.default_rng(0), centre, {"place": [9, 0, 0]})
    shift = np.stack(shifted(centre[:, None]))[:, 0] - centre
    assert abs(shift[0]) > 0.1
    np.testing.assert_allclose(shift[1:], 0, atol=1e-6)


def test_an_affine_is_a_pull_back_of_its_points() -> None:
    doubled = Affine(np.eye(3) / 2, np.zeros(3))
    assert [float(p[0]) for p in doubled([np.array([4.0])] * 3)] == [2.0, 2.0, 2.0]
