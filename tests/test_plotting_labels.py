"""Texts beside points: none touches a marker, another text or the edge, and each is nearest to its own marker."""

import itertools

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.transforms import Bbox

from textscf.plotting.point_labels import Anchor, write_labels
from textscf.plotting.style import COLUMN_WIDTH, journal_style, new_figure


@pytest.fixture
def axes() -> Axes:
    with journal_style():
        axes = new_figure(COLUMN_WIDTH, 60).subplots()
        axes.set(xlim=(0, 10), ylim=(0, 10))
    return axes


def _extents(axes: Axes) -> list[Bbox]:
    return [text.get_window_extent() for text in axes.texts]


def _markers(axes: Axes, anchors: list[Anchor]) -> list[Bbox]:
    centres = axes.transData.transform([(anchor.x, anchor.y) for anchor in anchors])
    reach = [anchor.radius * axes.get_figure().dpi / 72 for anchor in anchors]
    return [Bbox([centre - r, centre + r]) for centre, r in zip(centres, reach, strict=True)]


@pytest.mark.parametrize("seed", range(5))
def test_texts_touch_neither_markers_nor_each_other_nor_the_edge(axes: Axes, seed: int) -> None:
    places = np.random.default_rng(seed).uniform(1, 9, (12, 2))
    anchors = [Anchor(x, y, 2 + n % 5, f"text {n}" if n % 3 else "") for n, (x, y) in enumerate(places)]
    assert write_labels(axes, anchors)
    assert [text.get_text() for text in axes.texts] == [anchor.text for anchor in anchors if anchor.text]
    boxes = [*_extents(axes), *_markers(axes, [anchor for anchor in anchors if anchor.text])]
    others = _markers(axes, [anchor for anchor in anchors if not anchor.text])
    for text, other in itertools.product(_extents(axes), others):
        assert not text.overlaps(other)
    n_texts = len(axes.texts)
    assert not any(boxes[a].overlaps(boxes[b]) for a in range(n_texts) for b in range(a + 1, len(boxes)))
    frame = axes.get_window_extent()
    assert all(frame.contains(*text.min) and frame.contains(*text.max) for text in _extents(axes))


def test_where_not_all_find_room_none_is_written_unless_they_must_be(axes: Axes) -> None:
    crowd = [Anchor(5 + n / 100, 5, 3, "a long text") for n in range(12)]
    assert not write_labels(axes, crowd, only_if_free=True)
    assert not axes.texts
    assert not write_labels(axes, crowd)
    assert len(axes.texts) == len(crowd)


def test_a_text_keeps_off_lines(axes: Axes) -> None:
    axes.plot([0, 5, 10], [5, 5, 5])
    assert write_labels(axes, [Anchor(5, 5, 2, "x")])
    (text,) = _extents(axes)
    height = axes.transData.transform((0, 5))[1]
    assert not text.y0 < height < text.y1


def test_a_text_stays_inside_the_axes(axes: Axes) -> None:
    assert write_labels(axes, [Anchor(9.9, 9.9, 2, "a long text")])
    (text,), frame = _extents(axes), axes.get_window_extent()
    assert (text.x1, text.y1) < (frame.x1, frame.y1)
    assert text.y1 < frame.y1


def test_a_text_is_nearest_to_its_own_marker(axes: Axes) -> None:
    """The first place, on the right, is free but nearer to another marker."""
    own = Anchor(5, 5, 2, "text")
    write_labels(axes, [own])
    (first,) = _extents(axes)
    axes.texts[0].remove()
    right = axes.transData.inverted().transform((first.x1 + 4, 0))[0]
    other = Anchor(right, 5, 2)
    assert write_labels(axes, [own, other])
    (text,) = _extents(axes)
    centres = axes.transData.transform([(own.x, own.y), (other.x, other.y)])
    away = np.maximum(np.maximum(text.min - centres, centres - text.max), 0)
    near, far = np.hypot(*away.T)
    assert near < far
