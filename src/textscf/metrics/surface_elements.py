"""Area of the surface inside a 2x2x2 neighbourhood of voxels, for each of its 256 occupancies.

The neighbourhood's voxel centres are the corners of a cell. Marching cubes (Lorensen & Cline 1987) puts a polygon
through the midpoints of the cell's edges that join an inside and an outside corner. Two choices settle the areas:

- On a face whose inside corners are diagonal the rarer kind of corner of the cell is kept separate, so that a
  neighbourhood and its complement have the same surface.
- A polygon is cut into a fan of triangles; of a bent polygon's fans the largest, measured on unit spacing, is taken.

With these the areas are those of the surface-distance algorithm that the Learn2Reg evaluator uses, for any spacing.
"""

import itertools
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Corner = tuple[int, int, int]

_CORNERS: list[Corner] = [(i, j, k) for i in (0, 1) for j in (0, 1) for k in (0, 1)]


@lru_cache(maxsize=8)
def surface_areas(spacing: tuple[float, float, float]) -> NDArray[np.float64]:
    """Areas ``(256,)`` in squared units of `spacing`, by neighbour code.

    The bit of neighbour ``(i, j, k)``, each 0 or 1, in a code is ``128 >> (4 i + 2 j + k)``.
    """
    a, b, c = spacing
    stretch = np.array([b * c, a * c, a * b])
    areas = [np.linalg.norm(normals * stretch, axis=1).sum() for normals in _unit_normals()]
    table = np.array(areas, dtype=np.float64)
    table.setflags(write=False)
    return table


@lru_cache(maxsize=1)
def _unit_normals() -> tuple[NDArray[np.float64], ...]:
    """For each code the normals ``(T, 3)`` of its triangles at unit spacing; their lengths are the areas."""
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
    """The corners of one face of the cell in the order in which they turn around the outward normal."""
    square = [(0, 0), (1, 0), (1, 1), (0, 1)]
    ring: list[Corner] = []
    for first, second in square if side else reversed(square):
        corner = [0, 0, 0]
        corner[axis], corner[(axis + 1) % 3], corner[(axis + 2) % 3] = side, first, second
        ring.append((corner[0], corner[1], corner[2]))
    return ring


def _face_segments(ring: list[Corner], inside: set[Corner]) -> dict[Corner, Corner]:
    """Segments that cut each run of inside corners off a face, as edge midpoints (doubled) start -> end."""
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
