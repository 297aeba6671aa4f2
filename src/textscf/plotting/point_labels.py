"""Small texts beside the points of a scatter plot, placed by adjustText."""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
from adjustText import adjust_text
from matplotlib.axes import Axes
from matplotlib.collections import Collection
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from textscf.plotting.style import INK

_HALO = withStroke(linewidth=1.5, foreground="white")
_SAMPLES = 8
"""Places along a line between two points that texts keep off."""


def write_labels(axes: Axes, points: Collection, texts: Sequence[str]) -> None:
    """Write a text beside each point, off all markers and lines; a thin line leads to its point if it is farther off.

    The axes must have its final limits and all its markers and lines; an empty text is not written.
    """
    look: dict[str, Any] = {"fontsize": 6, "color": INK, "path_effects": [_HALO], "zorder": 2.6, "in_layout": False}
    labels = [
        axes.text(x, y, text, ha="center", va="center", **look)
        for (x, y), text in zip(np.asarray(points.get_offsets()), texts, strict=True)
        if text
    ]
    others = [np.asarray(marker.get_offsets()) for marker in axes.collections if marker is not points]
    adjust_text(
        labels, *np.concatenate([_along_lines(axes), *others]).T, objects=points, ax=axes, iter_lim=100,
        expand=(1.1, 1.3), force_text=(0.3, 0.4), arrowprops={"arrowstyle": "-", "color": INK, "linewidth": 0.3},
    )  # fmt: skip


def _along_lines(axes: Axes) -> np.ndarray:
    """Places along all lines in data coordinates, (N, 2)."""
    assert isinstance(axes.figure, Figure)
    axes.figure.draw_without_rendering()
    share = np.linspace(0, 1, _SAMPLES)[:, None]
    lines = [axes.transData.transform(np.asarray(line.get_xydata())) for line in axes.lines]
    places = [start + share * (end - start) for line in lines for start, end in itertools.pairwise(line)]
    return axes.transData.inverted().transform(np.concatenate([np.empty((0, 2)), *places]))
