"""Common style of all figures: journal page sizes, colours safe for colour-blind readers, reproducible files."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.artist import Artist
from matplotlib.figure import Figure

from textscf.files.io import atomic_path

COLUMN_WIDTH, TEXT_WIDTH = 85.0, 175.0
"""Widths in millimetres of one column of a journal page and of the whole page."""

CHARACTER_WIDTH = 1.45
"""Estimated width in millimetres of a character of small text, used for the layout before drawing."""

LEGEND_SIZE, LEGEND_COLUMN = 7.0, 9.0
"""Text size of legends in points, and width in millimetres of a legend column without its text."""

INK, PALE = "#222222", "#DDDDDD"

_MM = 1 / 25.4
_RC: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 7.5,
    "axes.titlesize": 7.5,
    "axes.labelsize": 7.5,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": LEGEND_SIZE,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "hatch.linewidth": 0.4,
    "pdf.fonttype": 42,
    "savefig.dpi": 300,
}


@contextmanager
def journal_style() -> Iterator[None]:
    """Draw and save in the project's style, independent of the user's matplotlib settings."""
    logging.getLogger("fontTools").setLevel(logging.WARNING)
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_RC)
        yield


def new_figure(width: float, height: float) -> Figure:
    """Create an empty figure of `width` x `height` millimetres whose layout makes room for labels."""
    return Figure(figsize=(width * _MM, height * _MM), layout="constrained")


def box_style() -> dict[str, Any]:
    """Arguments of seaborn's boxplot: thin lines, a diamond at the mean, small outliers."""
    return {
        "saturation": 1,
        "linecolor": INK,
        "linewidth": 0.5,
        "showmeans": True,
        "medianprops": {"linewidth": 1, "color": "black"},
        "meanprops": {"marker": "D", "markersize": 2, "markerfacecolor": "white", "markeredgecolor": INK}
        | {"markeredgewidth": 0.4},
        "flierprops": {"marker": "o", "markersize": 1.4, "markeredgecolor": "#555555", "markeredgewidth": 0.2},
    }


def legend_columns(
    handles: Sequence[Artist], width: float, fontsize: float = LEGEND_SIZE, beside: float = LEGEND_COLUMN
) -> int:
    """Number of legend columns that fit into `width` millimetres; like matplotlib, it fills column after column.

    `beside` is the width of a column without its text, in millimetres at the default text size.
    """
    width = width * LEGEND_SIZE / fontsize
    lengths = np.array([len(str(handle.get_label())) for handle in handles])
    for columns in range(len(handles), 1, -1):
        longest = [int(column.max()) for column in np.array_split(lengths, columns)]
        if sum(longest) * CHARACTER_WIDTH + columns * beside <= width:
            return columns
    return 1


def save_figure(figure: Figure, pdf: Path) -> None:
    """Write `pdf` and a `.png` beside it; the same figure always gives the same bytes."""
    for path, metadata in ((pdf, {"CreationDate": None}), (pdf.with_suffix(".png"), {"Software": None})):
        with journal_style(), atomic_path(path) as temporary:
            figure.savefig(temporary, metadata=metadata)


def save_picture(figure: Figure, png: Path) -> None:
    """Write a PNG; the same figure always gives the same bytes."""
    with journal_style(), atomic_path(png) as temporary:
        figure.savefig(temporary, metadata={"Software": None})
