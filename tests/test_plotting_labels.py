"""Texts beside points: none touches a marker, another text or the edge, and each stays near its own marker."""

import itertools

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.transforms import Bbox

from textscf.plotting.point_labels import write_labels
from textscf.plotting.style import COLUMN_WIDTH, journal_style, new_figure

_AREA = 20.0


def _scattered(seed: int) -> tuple[Axes, PathCollection]:
    with journal_style():
        axes = new_figure(COLUMN_WIDTH, 60).subplots()
        axes.set(xlim=(0, 10), ylim=(0, 10))
        return axes, axes.scatter(*np.random.default_rng(seed).uniform(1, 9, (2, 12)), s=_AREA)


def _markers(axes: Axes, points: PathCollection) -> list[Bbox]:
    reach = np.sqrt(_AREA) / 2 * axes.figure.dpi / 72
    return [Bbox([centre - reach, centre + reach]) for centre in axes.transData.transform(points.get_offsets())]


@pytest.mark.parametrize("seed", range(5))
def test_texts_touch_neither_markers_nor_each_other_nor_the_edge(seed: int) -> None:
    axes, points = _scattered(seed)
    texts = [f"text {n}" if n % 3 else "" for n in range(12)]
    write_labels(axes, points, texts)
    assert [text.get_text() for text in axes.texts] == [text for text in texts if text]
    extents, markers = [text.get_window_extent() for text in axes.texts], _markers(axes, points)
    assert not any(a.overlaps(b) for a, b in itertools.combinations(extents, 2))
    assert not any(text.overlaps(marker) for text, marker in itertools.product(extents, markers))
    frame = axes.get_window_extent().padded(1)
    assert all(frame.contains(*text.min) and frame.contains(*text.max) for text in extents)
    own = [marker for marker, text in zip(markers, texts, strict=True) if text]
    for text, marker in zip(extents, own, strict=True):
        assert text.padded(40).overlaps(marker)


def test_a_text_keeps_off_lines_and_other_markers() -> None:
    axes, _ = _scattered(0)
    axes.plot([0, 5, 10], [5, 5, 5])
    others = axes.scatter([5.3], [4.5], s=_AREA)
    write_labels(axes, axes.scatter([5], [5], s=_AREA), ["text"])
    (text,) = [text.get_window_extent() for text in axes.texts]
    assert not text.y0 < axes.transData.transform((0, 5))[1] < text.y1
    assert not text.overlaps(_markers(axes, others)[0])


def test_the_same_points_have_their_texts_at_the_same_places() -> None:
    positions = []
    for _ in range(2):
        axes, points = _scattered(1)
        write_labels(axes, points, ["text"] * 12)
        positions.append([text.get_position() for text in axes.texts])
    assert positions[0] == positions[1]
