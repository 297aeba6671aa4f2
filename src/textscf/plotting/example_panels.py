"""Panels of the example figure: images with outlines of structures, and warped grids.

A row is a slice plane, a column is a scan.
"""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import Normal, Stroke

from textscf.plotting.slices import AXIAL, CORONAL, View, grey_window, nice_length
from textscf.plotting.style import CHARACTER_WIDTH, INK, TEXT_WIDTH, legend_columns, new_figure

VIEWS = (AXIAL, CORONAL)

_GRID_LINES = 22
_RIM = 0.6
"""Width in points of the dark rims by which outlines stand out from any tissue, on both sides together."""
_LEGEND_SIZE, _LEGEND_COLUMN = 6.0, 7.0
_TITLE_LINE = 3.2
"""Height in mm of a line of a title."""


@dataclass(frozen=True)
class Picture:
    """A scan to show: `image` and `labels` (H, W, D), and for a warped scan the source `position` of each voxel.

    `position` is in voxels of the moving scan: (H, W, D, 3) as registration gives it, (3, H, W, D) in display axes.
    """

    title: str
    image: np.ndarray
    labels: np.ndarray
    position: np.ndarray | None = None

    def cropped(self, box: tuple[slice, slice, slice]) -> "Picture":
        """Crop a picture in display axes to `box`."""
        position = None if self.position is None else self.position[:, *box]
        return replace(self, image=self.image[box], labels=self.labels[box], position=position)


@dataclass(frozen=True)
class _Scene:
    """Settings that all panels share.

    Attributes:
        window: grey values shown as black and as white.
        spacing: mm per voxel along the display axes.
        step: mm between grid lines.
        colours: colour of each label.
        target: labels (H, W, D) of the fixed scan.
    """

    window: tuple[float, float]
    spacing: Sequence[float]
    step: float
    colours: Mapping[int, str]
    target: np.ndarray


def draw_pictures(
    pictures: Sequence[Picture], centre: Sequence[int], spacing: Sequence[float], structures: Sequence[dict[str, Any]]
) -> tuple[Figure, float]:
    """Draw all views of all pictures, which are in display axes; after a warped scan comes its grid.

    Args:
        pictures: fixed, moving, then warped scans.
        centre: voxel through which the slices go.
        spacing: mm per voxel along the display axes.
        structures: the anatomy's structures, with label, name and colour.

    Returns:
        The figure, and the distance between grid lines in mm.
    """
    extent = np.array(pictures[0].image.shape) * spacing
    colours = {structure["label"]: structure["colour"] for structure in structures}
    step = nice_length(extent.max() / _GRID_LINES)
    scene = _Scene(grey_window(pictures[0].image), spacing, step, colours, pictures[0].labels)
    n_columns = len(pictures) + sum(picture.position is not None for picture in pictures)
    heights = [extent[view.in_plane[1]] / extent[view.in_plane[0]] for view in VIEWS]
    handles = _structures_shown(pictures, centre, structures)
    columns = legend_columns(handles, TEXT_WIDTH, _LEGEND_SIZE, _LEGEND_COLUMN) if handles else 1
    width = (TEXT_WIDTH - 5) / n_columns - 1
    pictures = [replace(picture, title=_wrapped(picture.title, width)) for picture in pictures]
    above = _TITLE_LINE * max(picture.title.count("\n") for picture in pictures)
    below = 3.2 * -(-len(handles) // columns)
    figure = new_figure(TEXT_WIDTH, sum(heights) * width + above + below + 8)
    figure.set_layout_engine("compressed", w_pad=0.01, h_pad=0.01, wspace=0.01, hspace=0.01)
    axes = figure.subplots(len(VIEWS), n_columns, squeeze=False, gridspec_kw={"height_ratios": heights})
    for row, view in zip(axes, VIEWS, strict=True):
        _draw_row(row, view, pictures, centre[view.axis], scene)
    if handles:
        figure.legend(
            handles=handles, ncols=columns, loc="outside lower center", fontsize=_LEGEND_SIZE, handlelength=1,
            handletextpad=0.5, columnspacing=1.2, borderpad=0.2,
        )  # fmt: skip
    return figure, step


def _wrapped(title: str, width: float) -> str:
    """Title with line breaks, so that no line is wider than `width` mm."""
    return "\n".join(textwrap.fill(line, int(width / CHARACTER_WIDTH)) for line in title.splitlines())


def _draw_row(row: Sequence[Axes], view: View, pictures: Sequence[Picture], index: int, scene: _Scene) -> None:
    remaining = iter(row)
    for picture in pictures:
        axes = next(remaining)
        _draw_image(axes, view, picture, index, scene)
        _frame(axes, picture.title if view is VIEWS[0] else "")
        if picture.position is not None:
            axes = next(remaining)
            _draw_grid(axes, view, picture, index, scene)
            _frame(axes, "Warped grid" if view is VIEWS[0] else "")
    row[0].set_ylabel(view.name)
    _draw_directions(row[0], view)
    _draw_scale_bar(row[0])


def _draw_image(axes: Axes, view: View, picture: Picture, index: int, scene: _Scene) -> None:
    image = view.cut(picture.image, index)
    columns, rows = (scene.spacing[axis] for axis in view.in_plane)
    extent = (0.0, image.shape[1] * columns, image.shape[0] * rows, 0.0)
    axes.imshow(image, cmap="gray", vmin=scene.window[0], vmax=scene.window[1], extent=extent, interpolation="nearest")
    if picture.position is not None:
        white = dict.fromkeys(scene.colours, "white")
        _draw_outlines(axes, view, scene.target, index, replace(scene, colours=white), 0.5, "dotted")
    _draw_outlines(axes, view, picture.labels, index, scene, 0.9)


def _draw_grid(axes: Axes, view: View, picture: Picture, index: int, scene: _Scene) -> None:
    assert picture.position is not None
    shape = view.cut(picture.labels, index).shape
    columns, rows = (scene.spacing[axis] for axis in view.in_plane)
    for axis in view.in_plane:
        voxels = view.cut(picture.position[axis], index)
        step = scene.step / scene.spacing[axis]
        levels = np.arange(np.ceil(voxels.min() / step), np.floor(voxels.max() / step) + 1) * step
        if levels.size:
            axes.contour(*_centres(shape, columns, rows), voxels, levels=levels, colors=INK, linewidths=0.35)
    _draw_outlines(axes, view, picture.labels, index, scene, 0.7)
    axes.set(xlim=(0, shape[1] * columns), ylim=(shape[0] * rows, 0), aspect="equal")


def _draw_outlines(
    axes: Axes, view: View, labels: np.ndarray, index: int, scene: _Scene, width: float, style: str = "solid"
) -> None:
    labels = view.cut(labels, index)
    columns, rows = (scene.spacing[axis] for axis in view.in_plane)
    for label in np.unique(labels[labels > 0]):
        mask = np.pad(labels == label, 1).astype(np.float32)
        x, y = _centres(mask.shape, columns, rows)
        colour = scene.colours[int(label)]
        lines = axes.contour(
            x - columns, y - rows, mask, levels=[0.5], colors=[colour], linewidths=width, linestyles=style
        )
        lines.set_path_effects([Stroke(linewidth=width + _RIM, foreground="black"), Normal()])


def _centres(shape: tuple[int, ...], columns: float, rows: float) -> tuple[np.ndarray, np.ndarray]:
    """Positions in mm of the pixels' centres along columns and rows."""
    return (np.arange(shape[1]) + 0.5) * columns, (np.arange(shape[0]) + 0.5) * rows


def _frame(axes: Axes, title: str) -> None:
    axes.set_title(title, pad=3)
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)


def _draw_directions(axes: Axes, view: View) -> None:
    _write(axes, 0.02, 0.5, view.left, ha="left", va="center", transform=axes.transAxes)
    _write(axes, 0.5, 0.98, view.top, ha="center", va="top", transform=axes.transAxes)


def _draw_scale_bar(axes: Axes) -> None:
    """Draw a scale bar of about a quarter of the picture's width, with its length."""
    width, bottom = axes.get_xlim()[1], axes.get_ylim()[0]
    length, left, place = nice_length(width / 4), 0.05 * width, bottom - 0.05 * width
    effects = [Stroke(linewidth=2.2, foreground="black"), Normal()]
    axes.plot([left, left + length], [place, place], "w", linewidth=1.2, solid_capstyle="butt", path_effects=effects)
    _write(axes, left + length / 2, place - 0.015 * width, f"{length:g} mm", ha="center", va="bottom")


def _write(axes: Axes, x: float, y: float, text: str, **place: Any) -> None:
    """Write white text with a dark rim, readable on any image."""
    rim = [Stroke(linewidth=1.2, foreground="black"), Normal()]
    axes.text(x, y, text, color="white", fontsize=6, path_effects=rim, **place)


def _structures_shown(
    pictures: Sequence[Picture], centre: Sequence[int], structures: Sequence[dict[str, Any]]
) -> list[Line2D]:
    """Legend entries of the structures that appear in any panel."""
    cuts = [view.cut(picture.labels, centre[view.axis]) for view in VIEWS for picture in pictures]
    shown = set(np.concatenate([np.unique(cut) for cut in cuts]).tolist())
    return [Line2D([], [], color=s["colour"], label=s["name"]) for s in structures if s["label"] in shown]
