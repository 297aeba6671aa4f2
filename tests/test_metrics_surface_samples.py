"""Samples of all labels' surfaces against the neighbourhoods of each label's mask."""

import numpy as np
import pytest
from scipy import ndimage

from textscf.metrics.surface_samples import surface_samples


def of_a_mask(mask: np.ndarray) -> set[tuple[int, ...]]:
    """Position and code of each sample, by correlating the padded mask with powers of two."""
    kernel = 2 ** np.arange(7, -1, -1).reshape(2, 2, 2)
    codes = ndimage.correlate(np.pad(mask, 1).astype(np.uint8), kernel, mode="constant", origin=-1)[:-1, :-1, :-1]
    places = np.argwhere((codes > 0) & (codes < 255))
    return {(*place, codes[tuple(place)]) for place in places}


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int64])
@pytest.mark.parametrize("smoothness", [0.0, 1.5])
def test_samples_are_the_mixed_neighbourhoods_of_each_label(dtype: type, smoothness: float) -> None:
    noise = np.random.default_rng(0).normal(size=(6, 9, 8, 7))
    labels = np.stack([ndimage.gaussian_filter(part, smoothness) for part in noise]).argmax(0).astype(dtype)
    found = surface_samples(labels, 7)
    assert len(found) == 7
    for label, samples in enumerate(found, start=1):
        rows = [(*place, code) for place, code in zip(samples.places.T, samples.codes, strict=True)]
        assert set(rows) == of_a_mask(labels == label)
        assert len(rows) == len(set(rows))


def test_labels_above_255_and_labels_beyond_those_asked_for() -> None:
    labels = np.zeros((3, 3, 3), np.uint16)
    labels[0, 0, 0], labels[1, 1, 1], labels[2, 2, 2] = 256, 300, 301
    found = surface_samples(labels, 300)
    assert [n for n, samples in enumerate(found, start=1) if samples.codes.size] == [256, 300]
    assert set(found[255].codes) == {1 << n for n in range(8)}


def test_an_empty_map_has_no_samples() -> None:
    assert [samples.codes.size for samples in surface_samples(np.zeros((2, 3, 4), np.uint8), 2)] == [0, 0]
