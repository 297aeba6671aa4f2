"""Scans: structures of a tissue share its signal; bias, blank tissues and the range of the scanner."""

from typing import Any

import numpy as np

from textscf.data.simulation.scan import scan
from textscf.data.simulation.tissues import Tissue, tissue_codes

BALL = {"ellipsoid": {"centre": [0, 0, 0], "radii": [9, 9, 9]}}
TISSUES = {"air": {"mean": [20]}, "soup": {"mean": [200, 400], "spread": 30}}
PARTS = [
    {"label": 1, "mirror": 2, "tissue": "soup", "shape": BALL},
    {"label": 3, "signal": {"mean": [90]}, "shape": BALL},
]


def image_of(codes: np.ndarray, seed: int = 0, **scanner: Any) -> np.ndarray:
    settings = {"contrast": [0, 1], "grain": 5, "blur": 0, "noise": [0, 0], "noise_width": 1, "range": [0, 4095]}
    phantom = {"tissues": TISSUES, "parts": PARTS, "scanner": settings | scanner}
    return scan(codes, phantom, (2.0, 2.0, 2.0), np.random.default_rng(seed))


def blocks() -> np.ndarray:
    """The structures 1, 2, 3, the tissue soup and air, side by side."""
    columns = [1, 2, 3, tissue_codes(TISSUES)["soup"], int(Tissue.AIR)]
    return np.broadcast_to(np.repeat(np.array(columns, np.uint8), 8)[:, None, None], (40, 16, 16)).copy()


def test_codes_of_the_trunk_stay_and_others_follow_in_alphabetical_order() -> None:
    codes = tissue_codes(["zest", "fat", "air", "broth"])
    assert codes == {"air": 200, "fat": 202, "broth": 218, "zest": 219}


def test_structures_of_a_tissue_have_its_signal_and_those_with_their_own_keep_it() -> None:
    soups = []
    for seed in range(6):
        image = image_of(blocks(), seed)
        means = [float(image[start + 2 : start + 6].mean()) for start in range(0, 40, 8)]
        assert means[0] == means[1] == means[3]
        assert means[2::2] == [90, 20]
        soups.append(means[0])
    assert 100 < min(soups) < max(soups) - 30 < 500


def test_bias_multiplies_and_the_range_is_kept() -> None:
    plain, biased = image_of(blocks()), image_of(blocks(), bias=0.1)
    ratio = biased / plain
    assert 0.02 < ratio.std() < 0.2
    assert abs(biased[36] - plain[36]).max() < 10
    assert image_of(blocks(), range=[50, 100]).max() == 100
    assert image_of(blocks(), range=[50, 100]).min() == 50


def test_blank_tissues_are_black_whatever_the_noise() -> None:
    noisy = image_of(blocks(), noise=[20, 20], blank=["air"])
    air = blocks() == Tissue.AIR
    assert not noisy[air].any()
    assert noisy[~air].std() > 0
