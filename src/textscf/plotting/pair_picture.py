"""Picture of a registered pair in three planes: fixed, moving and warped scan, checkerboard, warped grid."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from textscf.plotting.slices import View, nice_length
from textscf.plotting.style import INK, TEXT_WIDTH, new_figure

_TITLES = ("Fixed", "Moving, aligned", "Warped", "Checkerboard", "Warped grid")
_SQUARES = 8
_LINES = 24
_PERCENTILES = (1, 99)


@dataclass(frozen=True)
class Plane:
    """Slices of a registered pair in one plane, as pictures (rows, columns).

    Attributes:
        view: the plane.
        fixed, moving, warped: the scans.
        position: where the pixels come from, in voxels along columns and rows, ``(2, rows, columns)``.
    """

    view: View
    fixed: NDArray[np.float32]
    moving: NDArray[np.float32]
    warped: NDArray[np.float32]
    position: NDArray[np.floating]


def draw_pair(planes: Sequence[Plane], spacing: float, title: str) -> Figure:
    """Draw the slices of a registered pair, one row for each plane.

    Args:
        planes: the slices.
        spacing: edge length of the pixels in mm.
        title: title of the figure.
    """
    widest = max(plane.fixed.shape[1] for plane in planes)
    rows = [plane.fixed.shape[0] / widest for plane in planes]
    figure = new_figure(TEXT_WIDTH, sum(rows) * (TEXT_WIDTH / len(_TITLES) - 1) + 16)
    figure.set_layout_engine("compressed", w_pad=0.01, h_pad=0.01, wspace=0.01, hspace=0.01)
    axes = figure.subplots(len(planes), len(_TITLES), squeeze=False, gridspec_kw={"height_ratios": rows})
    windows = [_window([getattr(plane, name) for plane in planes]) for name in ("fixed", "moving")]
    step = nice_length(max(max(plane.fixed.shape) for plane in planes) * spacing / _LINES) / spacing
    for row, plane in zip(axes, planes, strict=True):
        _draw_row(row, plane, windows, step)
    for each, name in zip(axes[0], _TITLES, strict=True):
        each.set_title(name, fontsize=7)
    figure.suptitle(title, fontsize=7)
    return figure


def _window(slices: Sequence[NDArray[np.float32]]) -> tuple[float, float]:
    """Grey values shown as black and white: percentiles of what is brighter than the darkest value."""
    values = np.concatenate([part.ravel() for part in slices])
    content = values[values > values.min()]
    low, high = np.percentile(content if content.size else values, _PERCENTILES)
    return float(low), float(high)


def _draw_row(row: Sequence[Axes], plane: Plane, windows: Sequence[tuple[float, float]], step: float) -> None:
    fixed, moving, warped = (
        np.clip((image - low) / max(high - low, 1e-9), 0, 1)
        for image, (low, high) in zip((plane.fixed, plane.moving, plane.warped), [*windows, windows[1]], strict=True)
    )
    for axes, picture in zip(row, (fixed, moving, warped, _checkerboard(fixed, warped)), strict=False):
        axes.imshow(picture, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    _draw_lines(row[-1], plane.position, step)
    for axes in row:
        axes.set(xticks=[], yticks=[])
    row[0].set_ylabel(plane.view.name)
    style: dict[str, Any] = {"transform": row[0].transAxes, "color": "white", "fontsize": 5}
    row[0].text(0.02, 0.5, plane.view.left, ha="left", va="center", **style)
    row[0].text(0.5, 0.97, plane.view.top, ha="center", va="top", **style)


def _checkerboard(first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.float32]:
    side = max(2, max(first.shape) // _SQUARES)
    rows, columns = (np.arange(n) // side for n in first.shape)
    return np.where((rows[:, None] + columns) % 2 == 0, first, second)


def _draw_lines(axes: Axes, position: NDArray[np.floating], step: float) -> None:
    for places in position:
        levels = np.arange(np.ceil(places.min() / step), np.floor(places.max() / step) + 1) * step
        if levels.size:
            axes.contour(places, levels=levels, colors=INK, linewidths=0.35, linestyles="solid")
    rows, columns = position.shape[1:]
    axes.set(xlim=(-0.5, columns - 0.5), ylim=(rows - 0.5, -0.5), aspect="equal")
