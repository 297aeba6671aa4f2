"""Shapes: known distances, boxes that contain them, and clear errors."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from textscf.data.simulation.shapes import bounds, level, rotation, smooth_minimum
from textscf.errors import InputError
from textscf.files.schema import validate

SCHEMA = Path(__file__).parents[1] / "config/schemas/phantom.yaml"
BALL = {"ellipsoid": {"centre": [1, 2, 3], "radii": [5, 5, 5]}}
ROD = {"tube": {"through": [[0, 0, 0], [0, 0, 20]], "radii": [3, 3]}}
TURNED = {"ellipsoid": {"centre": [0, 0, 0], "radii": [10, 2, 2], "turn": [0, 0, 90]}}
ROW = {"repeat": {"of": BALL, "step": [-7, 3, 0], "times": 3}}
BELOW = {"side": {"point": [0, 0, 10], "normal": [0, 0, 2]}}


def at(shape: dict[str, Any], *point: float) -> float:
    return float(level(shape, [np.array([p], np.float32) for p in point])[0])


@pytest.mark.parametrize(
    ("shape", "point", "expected"),
    [
        (BALL, (9, 2, 3), 3.0),
        (BALL, (1, 2, 1), -3.0),
        (ROD, (7, 0, 10), 4.0),
        (ROD, (0, 0, 26), 3.0),
        (ROD, (0, 1, 5), -2.0),
        (TURNED, (0, 10, 0), 0.0),
        (TURNED, (2, 0, 0), 0.0),
        (BELOW, (5, 5, 14), 4.0),
        ({"union": {"of": [BALL, ROD]}}, (7, 0, 10), 4.0),
        ({"cut": {"from": ROD, "by": [BELOW]}}, (0, 0, 5), 5.0),
        ({"cut": {"from": ROD, "by": [BELOW]}}, (0, 0, 15), -3.0),
        ({"both": {"of": [ROD, BELOW]}}, (0, 0, 15), 5.0),
        ({"repeat": {"of": BALL, "step": [0, 20, 0], "times": 3}}, (1, 42, 9), 1.0),
    ],
)
def test_level_is_the_distance(shape: dict[str, Any], point: tuple[float, ...], expected: float) -> None:
    assert at(shape, *point) == pytest.approx(expected, abs=1e-4)


def test_a_blended_union_is_rounded_at_the_joint_only() -> None:
    pair = [{"ellipsoid": {"centre": [x, 0, 0], "radii": [5, 5, 5]}} for x in (-4, 4)]
    sharp, blended = {"union": {"of": pair}}, {"union": {"of": pair, "blend": 4}}
    assert at(blended, 0, 4, 0) == pytest.approx(at(sharp, 0, 4, 0) - 1)
    assert at(blended, 12, 0, 0) == at(sharp, 12, 0, 0)


def test_smooth_minimum_without_blend_is_the_minimum() -> None:
    a, b = np.array([1.0, 5.0]), np.array([2.0, 3.0])
    assert smooth_minimum(a, b, 0).tolist() == [1.0, 3.0]


@pytest.mark.parametrize(
    "shape", [BALL, ROD, TURNED, {"union": {"of": [BALL, ROD]}}, {"both": {"of": [BALL, ROD]}}, ROW]
)
def test_bounds_contain_the_shape(shape: dict[str, Any]) -> None:
    axis = np.arange(-30, 31, dtype=np.float32)
    inside = np.argwhere(level(shape, np.meshgrid(axis, axis, axis, indexing="ij")) < 0) - 30
    lower, upper = bounds(shape)
    assert len(inside)
    assert (inside >= lower).all()
    assert (inside <= upper).all()


def test_bounds_of_an_open_shape_are_infinite() -> None:
    assert np.isinf(bounds(BELOW)).all()


def test_rotation_turns_x_to_y_about_z() -> None:
    np.testing.assert_allclose(rotation([0, 0, 90]) @ [1, 0, 0], [0, 1, 0], atol=1e-12)
    np.testing.assert_allclose(np.linalg.det(rotation([10, 20, 30])), 1)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ({"elipsoid": {}}, "organ: unknown key 'elipsoid'; did you mean 'ellipsoid'"),
        ("ball", "organ: found 'ball'; expected object"),
        ({}, "organ: .*expected: one shape"),
        (BALL | ROD, "organ: .*expected: one shape"),
        ({"ellipsoid": {"centre": [0, 0, 0]}}, "organ: ellipsoid: key 'radii' is missing"),
        ({"ellipsoid": {"centre": [0, 0], "radii": [1, 1, 1]}}, r"centre: .*expected: three numbers"),
        ({"ellipsoid": {"centre": [0, 0, 0], "radii": [1, 1, 1], "size": 2}}, "unknown key 'size'"),
        ({"tube": {"through": [[0, 0, 0]], "radii": [1]}}, r"tube\.(through|radii): .* is too short"),
        ({"tube": {"through": [[0, 0, 0], [1, 1]], "radii": [1, 2]}}, r"through\.1: .*expected: three numbers"),
        ({"union": {"of": BALL}}, r"union\.of: found .*; expected array"),
        ({"union": {"of": []}}, r"union\.of: "),
        ({"union": {"of": [BALL], "blend": "soft"}}, "blend: found 'soft'; expected number"),
        ({"repeat": {"of": BALL, "step": [1, 1, 1], "times": 0}}, "times: 0 is less than the minimum of 1"),
        ({"repeat": {"of": {"ball": 1}, "step": [1, 1, 1], "times": 2}}, r"repeat\.of: unknown key 'ball'"),
        ({"cut": {"from": BALL, "by": [{"ball": 1}]}}, r"cut\.by\.0: unknown key 'ball'"),
    ],
)  # fmt: skip
def test_a_wrong_shape_is_one_clear_error(shape: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        validate(shape, SCHEMA, "organ", "/$defs/shape")


@pytest.mark.parametrize("shape", [BALL, ROD, TURNED, BELOW, ROW, {"cut": {"from": BALL, "by": [ROD]}}])
def test_right_shapes_pass(shape: dict[str, Any]) -> None:
    validate(shape, SCHEMA, "organ", "/$defs/shape")
