"""Panels of a slice with a box, and of displacement fields in the box, as arrows with a common scale."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from textscf.plotting.colours import REFERENCE_COLOUR
from textscf.plotting.looks import Look
from textscf.plotting.slices import grey_window, nice_length
from textscf.plotting.style import INK, TEXT_WIDTH, box_style, new_figure

_ARROWS_ACROSS = 26
_LONGEST_ARROW = 2.2
_GREYS = LinearSegmentedColormap.from_list("arrows", ["#BBBBBB", "#000000"])
_BOX = "#E69F00"
_RATIO_ASPECT = 0.6
_GAP, _TEXT = 2.0, 20.0
_TALLEST = 70.0


@dataclass(frozen=True)
class Cut:
    """A slice (rows, columns) of the fixed scan.

    Attributes:
        image, labels: grey values and labels of the slice.
        label: label of the structure of interest.
        spacing: mm per pixel along columns and rows.
        rows, columns: the box around the structure.
    """

    image: np.ndarray
    labels: np.ndarray
    label: int
    spacing: tuple[float, float]
    rows: slice
    columns: slice

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Left, top, width and height of the box in mm."""
        (left, right), (top, bottom) = (
            (part.start * step, part.stop * step)
            for part, step in zip((self.columns, self.rows), self.spacing, strict=True)
        )
        return left, top, right - left, bottom - top


@dataclass(frozen=True)
class Arrows:
    """A field in the plane of a cut: components in mm (rows, columns), with the panel's title and numbers."""

    title: str
    numbers: str
    along_columns: np.ndarray
    along_rows: np.ndarray


@dataclass(frozen=True)
class Ratios:
    """Ratios of jumps, columns method and ratio, one line per pair, with the looks of the methods."""

    values: pd.DataFrame
    looks: Mapping[str, Look]


def draw_panels(cut: Cut, name: str, fields: Sequence[Arrows], ratios: Ratios) -> tuple[Figure, float]:
    """Draw the cut with its box, the fields in the box, then boxes of the ratios, all with the same height.

    Returns:
        The figure, and the fraction of their true length at which arrows are drawn, so that they do not overlap.
    """
    _, _, width, height = cut.box
    aspects = [cut.image.shape[1] * cut.spacing[0] / (cut.image.shape[0] * cut.spacing[1])]
    aspects += [width / height] * len(fields) + [_RATIO_ASPECT]
    room = TEXT_WIDTH - _GAP * len(aspects)
    panel_height = min(room / sum(aspects), _TALLEST)
    figure = new_figure(panel_height * sum(aspects) + TEXT_WIDTH - room, panel_height + _TEXT)
    figure.set_layout_engine("compressed", w_pad=0.01, h_pad=0.01, wspace=0.02)
    axes = figure.subplots(1, len(aspects), gridspec_kw={"width_ratios": aspects})
    _draw_scan(axes[0], cut, name)
    longest = max(float(np.hypot(*_boxed(cut, field)).max()) for field in fields)
    shrunk = _share(_LONGEST_ARROW * _step(cut) * min(cut.spacing), longest)
    for place, field in zip(axes[1:-1], fields, strict=True):
        _draw_field(place, cut, field, longest, shrunk)
    _draw_key(axes[-2], cut, longest, shrunk)
    _draw_ratios(axes[-1], ratios)
    return figure, shrunk


def _draw_ratios(axes: Axes, ratios: Ratios) -> None:
    palette = {label: look.colour for label, look in ratios.looks.items()}
    sns.boxplot(
        ratios.values, x="method", y="ratio", hue="method", palette=palette, **box_style(), width=0.6, legend=False,
        ax=axes,
    )  # fmt: skip
    axes.axhline(1, color=INK, linewidth=0.6, linestyle="dotted", zorder=0)
    axes.set(xlabel="", ylabel="")
    axes.set_title("All pairs: jump across\nborders / inside", pad=3)
    axes.yaxis.tick_right()
    axes.spines["left"].set_visible(False)
    axes.spines["right"].set_visible(True)
    axes.tick_params(axis="x", length=0, labelrotation=40)


def _boxed(cut: Cut, field: Arrows) -> tuple[np.ndarray, np.ndarray]:
    return field.along_columns[cut.rows, cut.columns], field.along_rows[cut.rows, cut.columns]


def _step(cut: Cut) -> int:
    """Pixels between two arrows."""
    longer = max(cut.columns.stop - cut.columns.start, cut.rows.stop - cut.rows.start)
    return max(1, round(longer / _ARROWS_ACROSS))


def _share(available: float, longest: float) -> float:
    """The fraction of `longest` that fits in `available`: 1, or rounded down to tenths, at least 0.1."""
    return 1.0 if longest <= available else max(np.floor(10 * available / longest), 1) / 10


def _draw_scan(axes: Axes, cut: Cut, name: str) -> None:
    columns, rows = cut.spacing
    extent = (0.0, cut.image.shape[1] * columns, cut.image.shape[0] * rows, 0.0)
    low, high = grey_window(cut.image)
    axes.imshow(cut.image, cmap="gray", vmin=low, vmax=high, extent=extent, interpolation="nearest")
    _outline(axes, cut.labels == cut.label, cut.spacing, REFERENCE_COLOUR, 1.0)
    left, top, width, height = cut.box
    axes.add_patch(Rectangle((left, top), width, height, fill=False, edgecolor=_BOX, linewidth=1.0))
    axes.set_title(f"Fixed scan, {name}", pad=3)
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)


def _draw_field(axes: Axes, cut: Cut, field: Arrows, longest: float, shrunk: float) -> None:
    (columns, rows), step = cut.spacing, _step(cut)
    every = slice(step // 2, None, step), slice(step // 2, None, step)
    u, v = (part[every] for part in _boxed(cut, field))
    left, top, width, height = cut.box
    x = left + (np.arange(step // 2, cut.columns.stop - cut.columns.start, step) + 0.5) * columns
    y = top + (np.arange(step // 2, cut.rows.stop - cut.rows.start, step) + 0.5) * rows
    _quiver(axes, x, y, u, v, longest, shrunk)
    for label in np.unique(cut.labels[cut.labels > 0]):
        if label != cut.label:
            _outline(axes, cut.labels == label, cut.spacing, INK, 0.4)
    _outline(axes, cut.labels == cut.label, cut.spacing, REFERENCE_COLOUR, 1.2)
    axes.set(xlim=(left, left + width), ylim=(top + height, top), aspect="equal", xticks=[], yticks=[])
    axes.set_title(field.title, pad=3, loc="left")
    axes.set_xlabel(field.numbers, labelpad=2)
    axes.spines[:].set(visible=True, color=_BOX)


def _quiver(
    axes: Axes, x: np.ndarray, y: np.ndarray, u: np.ndarray, v: np.ndarray, longest: float, shrunk: float,
    clip: bool = True,
) -> None:  # fmt: skip
    axes.quiver(
        x, y, u, v, np.hypot(u, v), cmap=_GREYS, norm=Normalize(0, longest), angles="xy", scale_units="xy",
        scale=1 / shrunk, units="inches", width=0.011, headwidth=3.5, headlength=4, headaxislength=3.5, minshaft=1.5,
        clip_on=clip,
    )  # fmt: skip


def _draw_key(axes: Axes, cut: Cut, longest: float, shrunk: float) -> None:
    """Draw a reference arrow with a round length above the right end of a panel."""
    left, top, width, height = cut.box
    length, place = nice_length(longest), top - 0.045 * height
    start = left + width - length * shrunk
    x, y, u, v = (np.array([value]) for value in (start, place, length, 0.0))
    _quiver(axes, x, y, u, v, longest, shrunk, clip=False)
    axes.text(start - 0.01 * width, place, f"{length:g} mm", ha="right", va="center", fontsize=6)


def _outline(axes: Axes, mask: np.ndarray, spacing: tuple[float, float], colour: str, width: float) -> None:
    padded = np.pad(mask, 1).astype(np.float32)
    x = (np.arange(padded.shape[1]) - 0.5) * spacing[0]
    y = (np.arange(padded.shape[0]) - 0.5) * spacing[1]
    axes.contour(x, y, padded, levels=[0.5], colors=[colour], linewidths=width)
