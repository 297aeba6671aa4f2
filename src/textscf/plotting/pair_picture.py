"""Picture of a registered pair in three planes: fixed, moving and warped scan, checkerboard, warped grid."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from textscf.plotting.slices import AXIAL, CORONAL, SAGITTAL, View, nice_length
from textscf.plotting.style import INK, TEXT_WIDTH, new_figure

_VIEWS = (AXIAL, CORONAL, SAGITTAL)
_TITLES = ("Fixed", "Moving, aligned", "Warped", "Checkerboard", "Warped grid")
_SQUARES = 8
_LINES = 24
_PERCENTILES = (1, 99)


def draw_pair(
    images: Sequence[NDArray[np.float32]], position: NDArray[np.floating], spacing: float, title: str
) -> Figure:
    """Draw the middle slices of a registered pair.

    Args:
        images: fixed, moving and warped scan (H, W, D), in display axes (`textscf.plotting.slices.DISPLAY_AXES`).
        position: where the voxels of the fixed scan come from, in voxels, ``(3, H, W, D)`` in display axes.
        spacing: edge length of the voxels in mm.
        title: title of the figure.
    """
    shape = images[0].shape
    widest = max(shape[view.in_plane[0]] for view in _VIEWS)
    rows = [shape[view.in_plane[1]] / widest for view in _VIEWS]
    figure = new_figure(TEXT_WIDTH, sum(rows) * (TEXT_WIDTH / len(_TITLES) - 1) + 16)
    figure.set_layout_engine("compressed", w_pad=0.01, h_pad=0.01, wspace=0.01, hspace=0.01)
    axes = figure.subplots(len(_VIEWS), len(_TITLES), squeeze=False, gridspec_kw={"height_ratios": rows})
    fixed, moving, warped = images
    scaled = [_scaled(fixed, fixed), _scaled(moving, moving), _scaled(warped, moving)]
    for row, view in zip(axes, _VIEWS, strict=True):
        _draw_row(row, view, scaled, position, spacing)
    figure.suptitle(title, fontsize=7)
    return figure


def _scaled(image: NDArray[np.float32], like: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scale to [0, 1] between percentiles of what is brighter than the darkest value in another image."""
    content = like[like > like.min()]
    low, high = np.percentile(content if content.size else like, _PERCENTILES)
    return np.clip((image - low) / max(high - low, 1e-9), 0, 1)


def _draw_row(
    row: Sequence[Axes], view: View, images: Sequence[NDArray[np.float32]], position: NDArray[np.floating],
    spacing: float,
) -> None:  # fmt: skip
    index = images[0].shape[view.axis] // 2
    slices = [view.cut(image, index) for image in images]
    shown = [*slices, _checkerboard(slices[0], slices[2])]
    for axes, picture in zip(row, shown, strict=False):
        axes.imshow(picture, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    _draw_lines(row[-1], view, position, index, nice_length(max(images[0].shape) * spacing / _LINES) / spacing)
    for axes, title in zip(row, _TITLES, strict=True):
        axes.set(xticks=[], yticks=[])
        if view is _VIEWS[0]:
            axes.set_title(title, fontsize=7)
    row[0].set_ylabel(view.name)
    for place, text in (((0.02, 0.5), view.left), ((0.5, 0.97), view.top)):
        row[0].text(*place, text, transform=row[0].transAxes, color="white", fontsize=5, ha="left" if text == view.left
                    else "center", va="center" if text == view.left else "top")  # fmt: skip


def _checkerboard(first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.float32]:
    side = max(2, max(first.shape) // _SQUARES)
    rows, columns = (np.arange(n) // side for n in first.shape)
    return np.where((rows[:, None] + columns) % 2 == 0, first, second)


def _draw_lines(axes: Axes, view: View, position: NDArray[np.floating], index: int, step: float) -> None:
    for axis in view.in_plane:
        places = view.cut(position[axis], index)
        levels = np.arange(np.ceil(places.min() / step), np.floor(places.max() / step) + 1) * step
        if levels.size:
            axes.contour(places, levels=levels, colors=INK, linewidths=0.35, linestyles="solid")
    shape = view.cut(position[0], index).shape
    axes.set(xlim=(-0.5, shape[1] - 0.5), ylim=(shape[0] - 0.5, -0.5), aspect="equal")
