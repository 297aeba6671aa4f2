"""Turns declarative shapes into level functions: distance to the surface in mm, negative inside.

A shape is a mapping with one key. There are seven kinds, which nest freely:

    ellipsoid: {centre: [x, y, z], radii: [a, b, c], turn: [about x, y, z in degrees]}
    tube: {through: [[x, y, z], ...], radii: [r, ...]}     a tube along a spline through the points
    side: {point: [x, y, z], normal: [nx, ny, nz]}         everything behind the plane
    union: {of: [shape, ...], blend: mm}                   all shapes, rounded where they meet
    cut: {from: shape, by: [shape, ...]}                   the shape `from` without the shapes `by`
    both: {of: [shape, ...]}                               the intersection of the shapes
    repeat: {of: shape, step: [x, y, z], times: n}         n copies of the shape, each a step further
"""

from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from typing import Any

import numpy as np

Points = Sequence[np.ndarray]
Level = Callable[[Mapping[str, Any], Points], np.ndarray]

_SEGMENTS_PER_SPAN = 3


def level(shape: Mapping[str, Any], points: Points) -> np.ndarray:
    """Distance in mm of `points` (three arrays of equal shape), negative inside; exact only on the surface."""
    kind, content = next(iter(shape.items()))
    return _KINDS[kind](content, points)


def bounds(shape: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper corner (3,), (3,) in mm of a box around the shape; infinite where the shape has no end."""
    kind, content = next(iter(shape.items()))
    if kind == "ellipsoid":
        reach = np.asarray(content["radii"], float)
        reach = np.full(3, reach.max()) if any(content.get("turn", (0, 0, 0))) else reach
        return np.asarray(content["centre"], float) - reach, np.asarray(content["centre"], float) + reach
    if kind == "tube":
        line, radii = _spline(content)
        return (line - radii[:, None]).min(0), (line + radii[:, None]).max(0)
    if kind == "side":
        return np.full(3, -np.inf), np.full(3, np.inf)
    if kind == "cut":
        return bounds(content["from"])
    if kind == "repeat":
        lower, upper = bounds(content["of"])
        last = (content["times"] - 1) * np.asarray(content["step"], float)
        return lower + np.minimum(last, 0), upper + np.maximum(last, 0)
    lower, upper = zip(*(bounds(part) for part in content["of"]), strict=True)
    if kind == "both":
        return np.max(lower, axis=0), np.min(upper, axis=0)
    return np.min(lower, axis=0), np.max(upper, axis=0)


def _ellipsoid(content: Mapping[str, Any], points: Points) -> np.ndarray:
    relative = [p - np.float32(c) for p, c in zip(points, content["centre"], strict=True)]
    if any(content.get("turn", (0, 0, 0))):
        relative = _rotate(relative, rotation(content["turn"]).T)
    radii = [np.float32(r) for r in content["radii"]]
    scaled = [p / r for p, r in zip(relative, radii, strict=True)]
    norm = np.sqrt(scaled[0] ** 2 + scaled[1] ** 2 + scaled[2] ** 2)
    gradient = np.sqrt(sum((s / r) ** 2 for s, r in zip(scaled, radii, strict=True)))
    return norm * (norm - 1) / np.maximum(gradient, np.float32(1e-6))


def rotation(degrees: Sequence[float] | np.ndarray) -> np.ndarray:
    """Rotation matrix (3, 3) of turns in degrees about x, then y, then z."""
    matrix = np.eye(3)
    for axis, angle in enumerate(np.deg2rad(np.asarray(degrees, float))):
        turn = np.eye(3)
        a, b = [i for i in range(3) if i != axis]
        turn[a, a] = turn[b, b] = np.cos(angle)
        turn[a, b], turn[b, a] = -np.sin(angle), np.sin(angle)
        matrix = np.einsum("ij,jk->ik", turn, matrix)
    return matrix


def _rotate(points: Points, matrix: np.ndarray) -> list[np.ndarray]:
    rows = matrix.astype(np.float32)
    return [row[0] * points[0] + row[1] * points[1] + row[2] * points[2] for row in rows]


def _spline(content: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Points (M, 3) and radii (M,) along a tube, from a Catmull-Rom spline."""
    knots = np.column_stack([np.asarray(content["through"], float), np.asarray(content["radii"], float)])
    padded = np.vstack([2 * knots[0] - knots[1], knots, 2 * knots[-1] - knots[-2]])
    t = np.linspace(0, 1, _SEGMENTS_PER_SPAN, endpoint=False)[:, None]
    spans = [
        ((-t + 2 * t**2 - t**3) * a + (2 - 5 * t**2 + 3 * t**3) * b + (t + 4 * t**2 - 3 * t**3) * c + (t**3 - t**2) * d)
        / 2
        for a, b, c, d in zip(padded, padded[1:], padded[2:], padded[3:], strict=False)
    ]
    line = np.vstack([*spans, knots[-1:]])
    return line[:, :3], np.maximum(line[:, 3], 0.5)


def _tube(content: Mapping[str, Any], points: Points) -> np.ndarray:
    line, radii = (a.astype(np.float32) for a in _spline(content))
    parts = [_capsule(points, line[i], line[i + 1], radii[i], radii[i + 1]) for i in range(len(line) - 1)]
    return reduce(np.minimum, parts)


def _capsule(
    points: Points, start: np.ndarray, end: np.ndarray, start_radius: np.float32, end_radius: np.float32
) -> np.ndarray:
    along = end - start
    relative = [p - s for p, s in zip(points, start, strict=True)]
    length2 = max(float((along**2).sum()), 1e-6)
    share = sum(r * a for r, a in zip(relative, along, strict=True)) / np.float32(length2)
    share = np.clip(share, np.float32(0), np.float32(1))
    distance2 = sum((r - share * a) ** 2 for r, a in zip(relative, along, strict=True))
    return np.sqrt(distance2) - (start_radius + share * (end_radius - start_radius))


def _side(content: Mapping[str, Any], points: Points) -> np.ndarray:
    normal = np.asarray(content["normal"], np.float32)
    normal = normal / np.sqrt((normal**2).sum())
    return sum((p - np.float32(c)) * n for p, c, n in zip(points, content["point"], normal, strict=True))


def _union(content: Mapping[str, Any], points: Points) -> np.ndarray:
    blend = float(content.get("blend", 0))
    return reduce(lambda a, b: smooth_minimum(a, b, blend), (level(part, points) for part in content["of"]))


def smooth_minimum(a: np.ndarray, b: np.ndarray, blend: float) -> np.ndarray:
    """Smaller of two levels, rounded where they differ by less than `blend` mm."""
    if blend == 0:
        return np.minimum(a, b)
    overlap = np.maximum(np.float32(blend) - np.abs(a - b), 0)
    return np.minimum(a, b) - overlap**2 / np.float32(4 * blend)


def _cut(content: Mapping[str, Any], points: Points) -> np.ndarray:
    return reduce(np.maximum, (-level(part, points) for part in content["by"]), level(content["from"], points))


def _both(content: Mapping[str, Any], points: Points) -> np.ndarray:
    return reduce(np.maximum, (level(part, points) for part in content["of"]))


def _repeat(content: Mapping[str, Any], points: Points) -> np.ndarray:
    steps = (index * np.asarray(content["step"], np.float32) for index in range(content["times"]))
    shifted = ([p - s for p, s in zip(points, step, strict=True)] for step in steps)
    return reduce(np.minimum, (level(content["of"], moved) for moved in shifted))


_KINDS: dict[str, Level] = {
    "ellipsoid": _ellipsoid, "tube": _tube, "side": _side, "union": _union, "cut": _cut, "both": _both,
    "repeat": _repeat,
}  # fmt: skip
