"""Area of the surface inside a 2x2x2 neighbourhood of voxels, for each of the 256 occupancy codes.

The neighbourhood's voxel centres are the corners of a cell. Marching cubes (Lorensen & Cline 1987) puts a polygon
through the midpoints of the cell's edges that join an inside and an outside corner. Two choices determine the areas:

- If the two inside corners of a face are diagonal, the polygons separate the corners of the kind (inside or outside)
  that is rarer in the cell. A neighbourhood and its complement then have the same surface.
- Each polygon is divided into a fan of triangles. A bent polygon has fans of different areas; the fan with the largest
  area at unit spacing is used.

With these choices the areas equal those of the Learn2Reg evaluator's surface-distance algorithm, for any spacing.
"""

import itertools
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Corner = tuple[int, int, int]

_CORNERS: list[Corner] = [(i, j, k) for i in (0, 1) for j in (0, 1) for k in (0, 1)]


@lru_cache(maxsize=8)
def surface_areas(spacing: tuple[float, float, float]) -> NDArray[np.float64]:
    """Areas ``(256,)`` in squared units of `spacing`, indexed by neighbour code.

    In a code, the bit of neighbour ``(i, j, k)``, each 0 or 1, is ``128 >> (4 i + 2 j + k)``.
    """
    a, b, c = spacing
    stretch = np.array([b * c, a * c, a * b])
    areas = [np.linalg.norm(normals * stretch, axis=1).sum() for normals in _unit_normals()]
    table = np.array(areas, dtype=np.float64)
    table.setflags(write=False)
    return table


@lru_cache(maxsize=1)
def _unit_normals() -> tuple[NDArray[np.float64], ...]:
    """Triangle normals ``(T, 3)`` of each code at unit spacing; the length of a normal is the triangle's area."""
    return tuple(_triangle_normals(code) for code in range(256))


def _triangle_normals(code: int) -> NDArray[np.float64]:
    inside = {corner for bit, corner in enumerate(_CORNERS) if code >> (7 - bit) & 1}
    if len(inside) > 4:
        inside = set(_CORNERS) - inside
    normals = [_largest_fan(polygon) for polygon in _polygons(inside)]
    return np.concatenate([np.zeros((0, 3)), *normals])


def _polygons(inside: set[Corner]) -> list[NDArray[np.float64]]:
    """Closed polygons ``(V, 3)`` between inside and outside corners, in units of the cell."""
    following: dict[Corner, Corner] = {}
    for axis, side in itertools.product(range(3), (0, 1)):
        following |= _face_segments(_face_ring(axis, side), inside)
    polygons = []
    while following:
        start, vertex = following.popitem()
        polygon = [start]
        while vertex != start:
            polygon.append(vertex)
            vertex = following.pop(vertex)
        polygons.append(np.array(polygon) / 2)
    return polygons


def _face_ring(axis: int, side: int) -> list[Corner]:
    """Corners of one face of the cell, in counterclockwise order around the outward normal."""
    square = [(0, 0), (1, 0), (1, 1), (0, 1)]
    ring: list[Corner] = []
    for first, second in square if side else reversed(square):
        corner = [0, 0, 0]
        corner[axis], corner[(axis + 1) % 3], corner[(axis + 2) % 3] = side, first, second
        ring.append((corner[0], corner[1], corner[2]))
    return ring


def _face_segments(ring: list[Corner], inside: set[Corner]) -> dict[Corner, Corner]:
    """Segments that cut each run of inside corners off a face: start -> end, both doubled edge midpoints."""
    segments = {}
    for first in range(4):
        if ring[first] in inside and ring[first - 1] not in inside:
            last = first
            while ring[(last + 1) % 4] in inside:
                last += 1
            segments[_midpoint(ring[first - 1], ring[first])] = _midpoint(ring[last % 4], ring[(last + 1) % 4])
    return segments


def _midpoint(a: Corner, b: Corner) -> Corner:
    return (a[0] + b[0], a[1] + b[1], a[2] + b[2])


def _largest_fan(polygon: NDArray[np.float64]) -> NDArray[np.float64]:
    fans = []
    for apex in range(len(polygon)):
        spokes = np.roll(polygon, -apex, axis=0)[1:] - polygon[apex]
        fans.append(np.cross(spokes[:-1], spokes[1:]) / 2)
    return max(fans, key=lambda normals: round(float(np.linalg.norm(normals, axis=1).sum()), 9))
