"""Drawing of an anatomy: unlabelled parts, mirror images, folds, and the order in which parts cover each other."""

from typing import Any

import numpy as np

from textscf.data.simulation.anatomy import draw_anatomy
from textscf.data.simulation.tissues import Tissue

SHAPE, SPACING = (40, 30, 30), (2.0, 2.0, 2.0)
BALL = {"ellipsoid": {"centre": [20, 0, 5], "radii": [12, 12, 12]}}
LARGE = {"ellipsoid": {"centre": [0, 0, 0], "radii": [34, 24, 24]}}


def draw(*parts: dict[str, Any], amplitude: float = 0.0, number: int = 0, **sections: Any) -> np.ndarray:
    phantom = {
        "frame": [80, 60, 60],
        "subject": {},
        "deformation": [{"width": 40, "amplitude": amplitude}],
        "parts": list(parts),
        "tissues": {"air": {"mean": [0]}, "soup": {"mean": [1]}, "broth": {"mean": [2]}},
        **sections,
    }
    return draw_anatomy(phantom, np.random.default_rng(number), SHAPE, SPACING)


def test_parts_are_painted_over_those_before_as_labels_or_tissues() -> None:
    drawn = draw({"tissue": "soup", "shape": LARGE}, {"label": 3, "tissue": "broth", "shape": BALL})
    soup = int(max(Tissue)) + 2  # after broth
    assert set(np.unique(drawn)) == {0, 3, soup}
    assert drawn[30, 15, 17] == 3
    assert drawn[10, 15, 15] == soup
    only = draw({"tissue": "soup", "shape": LARGE})
    assert np.array_equal(only > 0, drawn > 0)


def test_a_mirror_image_lies_at_the_other_side_under_its_own_label() -> None:
    drawn = draw({"label": 1, "mirror": 2, "tissue": "soup", "shape": BALL})
    assert np.array_equal(drawn[::-1] == 2, drawn == 1)
    assert np.argwhere(drawn == 1)[:, 0].min() > SHAPE[0] / 2
    same = draw({"tissue": "soup", "mirror": "soup", "shape": BALL})
    assert np.array_equal(same > 0, drawn > 0)


def test_both_sides_vary_for_themselves_but_are_filled_alike() -> None:
    pair = {"label": 1, "mirror": 2, "tissue": "soup", "shape": BALL}
    moved = draw(pair | {"place": [4, 4, 4]})
    assert not np.array_equal(moved[::-1] == 2, moved == 1)
    filled = draw(pair | {"filling": [-4, 4]})
    assert np.array_equal(filled[::-1] == 2, filled == 1)


def test_folds_lower_the_surface_along_sheets_by_their_depth_at_most() -> None:
    plain = {"tissue": "soup", "shape": LARGE}
    folded = [draw(plain | {"folds": {"gyri": 6}}, folding=[{"name": "gyri", "apart": 12, "width": 0.1}], number=n)
              for n in (1, 2)]  # fmt: skip
    smooth, inner = draw(plain) > 0, draw(plain | {"filling": [-6.5, -6.5]}) > 0
    for drawn in folded:
        assert not (drawn > 0)[~smooth].any()
        assert (drawn > 0)[inner].all()
        assert 0.1 < 1 - (drawn > 0)[smooth & ~inner].mean() < 0.7
    assert not np.array_equal(*folded)
