"""Areas of the 256 neighbourhoods against explicit values of the 14 kinds and hand-computed geometry."""

import itertools

import numpy as np
import pytest

from textscf.metrics.surface_elements import surface_areas

TRIANGLE = np.sqrt(3) / 8
EDGE = np.sqrt(2) / 2
# one code of each kind with at most four inside corners, up to rotation -> its area at unit spacing
KINDS = {
    0b00000000: 0,
    0b00000001: TRIANGLE,
    0b00000011: EDGE,
    0b00000110: 2 * TRIANGLE,
    0b00011000: 2 * TRIANGLE,
    0b00000111: 1 / 2 + 3 * TRIANGLE,
    0b00010110: 3 * TRIANGLE,
    0b00011001: EDGE + TRIANGLE,
    0b00001111: 1,
    0b00010111: 6 * TRIANGLE,
    0b00011011: EDGE + 4 * TRIANGLE,
    0b00011101: EDGE + 4 * TRIANGLE,
    0b00011110: 1 / 2 + 4 * TRIANGLE,
    0b00111100: 2 * EDGE,
    0b01101001: 4 * TRIANGLE,
}


def cube(code: int) -> np.ndarray:
    return np.unpackbits(np.uint8(code)).reshape(2, 2, 2)


def turned(corners: np.ndarray) -> set[int]:
    """Codes of all 24 rotations."""
    codes = set()
    for first, second in itertools.permutations(range(3), 2):
        for n, m in itertools.product(range(4), repeat=2):
            rotated = np.rot90(np.rot90(corners, n, (first, second)), m, (second, 3 - first - second))
            codes.add(int(np.packbits(rotated.ravel())[0]))
    return codes


def explicit_unit_areas() -> np.ndarray:
    areas = np.full(256, np.nan)
    for code, area in KINDS.items():
        for rotated in turned(cube(code)):
            areas[[rotated, 255 - rotated]] = area
    return areas


def test_unit_areas_of_all_codes() -> None:
    np.testing.assert_allclose(surface_areas((1, 1, 1)), explicit_unit_areas(), atol=1e-14)


def test_complement_has_the_same_area_on_any_spacing() -> None:
    areas = surface_areas((0.7, 2.0, 3.1))
    np.testing.assert_allclose(areas, areas[::-1], rtol=1e-14)


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (1.0, 2.0, 3.0), (4.0, 0.5, 2.5)])
def test_anisotropic_areas_by_hand(spacing: tuple[float, float, float]) -> None:
    a, b, c = spacing
    diagonal = np.sqrt((b * c) ** 2 + (a * c) ** 2 + (a * b) ** 2)
    by_hand = {
        0b00000001: diagonal / 8,
        0b00000011: c * np.hypot(a, b) / 2,
        0b00000101: b * np.hypot(a, c) / 2,
        0b00010001: a * np.hypot(b, c) / 2,
        0b00001111: b * c,
        0b00110011: a * c,
        0b01010101: a * b,
        0b00010111: diagonal * 6 / 8,
        0b00000111: b * c / 2 + diagonal * 3 / 8,
        0b00011011: diagonal / 2 + a * np.hypot(b, c) / 4 + b * np.hypot(a, c) / 4,
    }
    areas = surface_areas(spacing)
    for code, area in by_hand.items():
        assert areas[code] == pytest.approx(area, rel=1e-14), f"{code:08b}"


def test_scaling_all_axes_scales_areas_by_the_square() -> None:
    np.testing.assert_allclose(surface_areas((3, 6, 9)), 9 * surface_areas((1, 2, 3)), rtol=1e-14)


def test_the_shared_table_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="read-only"):
        surface_areas((1, 1, 1))[3] = 0
