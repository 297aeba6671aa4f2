"""Small texts beside the points of a scatter plot, placed so that they touch neither points nor each other."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Annotation
from matplotlib.transforms import Bbox

from textscf.plotting.style import INK

_SIZE = 6
_GAPS = (1.5, 3.5)
_DIRECTIONS = [(1, 0), (1, 1), (0, 1), (-1, 1), (-1, 0), (-1, -1), (0, -1), (1, -1)]
_LINE_SAMPLES = 40
_TOUCHING, _ASTRAY, _ON_A_LINE, _FARTHER = 100.0, 50.0, 2.0, 0.5


@dataclass(frozen=True)
class Anchor:
    """A marker at data coordinates `x`, `y` with a `radius` in points, and the text beside it (empty for no text)."""

    x: float
    y: float
    radius: float
    text: str = ""


def write_labels(axes: Axes, anchors: Sequence[Anchor], only_if_free: bool = False) -> bool:
    """Write the text of each anchor at a free place next to its marker, or at the place where it touches least.

    A place is free if the text touches nothing but lines, and no other marker is nearer to it than its own.

    Args:
        axes: axes with final limits and with all lines that texts should avoid.
        anchors: all markers, including those without a text; no text may touch a marker.
        only_if_free: whether to write no text at all if one text has no free place.

    Returns:
        Whether all texts have a free place.
    """
    assert isinstance(axes.figure, Figure)
    axes.figure.draw_without_rendering()
    room = _Room(axes, anchors)
    written = [room.write(anchor) for anchor in anchors if anchor.text]
    free = all(is_free for _, is_free in written)
    if only_if_free and not free:
        for text, _ in written:
            text.remove()
    return free


class _Room:
    """The occupied parts of an axes, in pixels."""

    def __init__(self, axes: Axes, anchors: Sequence[Anchor]) -> None:
        self._axes, self._frame, self._pixels = axes, axes.get_window_extent(), axes.figure.dpi / 72
        self._anchors = list(anchors)
        self._centres = axes.transData.transform([(anchor.x, anchor.y) for anchor in anchors])
        self._radii = np.array([anchor.radius for anchor in anchors]) * self._pixels
        self._taken = [Bbox([c - r, c + r]) for c, r in zip(self._centres, self._radii, strict=True)]
        self._beneath = np.concatenate([np.empty((0, 2)), *map(self._along, axes.lines)])

    def write(self, anchor: Anchor) -> tuple[Annotation, bool]:
        """Write the text of an anchor; also return whether its place is free."""
        text = self._axes.annotate(anchor.text, (anchor.x, anchor.y), (0, 0), textcoords="offset points", color=INK)
        text.set(fontsize=_SIZE, ha="center", va="center", in_layout=False)
        extent = text.get_window_extent()
        places = [
            (self._badness(anchor, extent.translated(*(shift * self._pixels))) + _FARTHER * gap, tuple(shift))
            for gap in _GAPS
            for shift in self._shifts(anchor, extent, gap)
        ]
        badness, shift = min(places, key=lambda place: place[0])
        text.set_position(shift)
        self._taken.append(extent.translated(*(np.array(shift) * self._pixels)))
        return text, badness < _ASTRAY

    def _shifts(self, anchor: Anchor, extent: Bbox, gap: float) -> list[np.ndarray]:
        """Shifts in points from the marker's centre to the text's centre, one per direction."""
        half = np.array([extent.width, extent.height]) / self._pixels / 2
        ways = [np.array(way) for way in _DIRECTIONS]
        return [way * (anchor.radius / np.linalg.norm(way) + gap + half) for way in ways]

    def _badness(self, anchor: Anchor, place: Bbox) -> float:
        touched = sum(place.overlaps(other) for other in self._taken)
        outside = not all(self._frame.contains(*corner) for corner in (place.min, place.max))
        away = np.maximum(np.maximum(place.min - self._centres, self._centres - place.max), 0)
        distances = np.hypot(*away.T) - self._radii
        astray = distances.min() < distances[self._anchors.index(anchor)]
        crossed = ((self._beneath > place.min) & (self._beneath < place.max)).all(axis=1).any()
        return _TOUCHING * (touched + 3 * outside) + _ASTRAY * float(astray) + _ON_A_LINE * float(crossed)

    def _along(self, line: Line2D) -> np.ndarray:
        """Sample positions along a line in pixels, (N, 2)."""
        corners = self._axes.transData.transform(np.asarray(line.get_xydata()))
        share = np.linspace(0, 1, _LINE_SAMPLES)[:, None]
        return np.concatenate([corners, *(a + share * (b - a) for a, b in itertools.pairwise(corners))])
