"""A contact sheet: one slice of every scan with its labels, to see mistakes before anything is trained."""

from pathlib import Path

import numpy as np
from matplotlib.colors import ListedColormap

from textscf.data.geometry import reorient
from textscf.data.recipe import Recipe
from textscf.data.releases import Files
from textscf.data.scans import StoredScan, read_scan
from textscf.plotting.slices import AXIAL, DISPLAY_AXES, organ_centre
from textscf.plotting.style import TEXT_WIDTH, journal_style, new_figure, save_picture

_COLUMNS = 8
_MOST = 64


def write_contact_sheet(files: Files, recipe: Recipe, colours: list[str], png: Path) -> None:
    """Write a picture with an axial slice of each scan, at most 64 of them, through the middle of its labels.

    Args:
        files: image and label map of each subject; a scan without one is cut in its own middle.
        recipe: how the scans are read.
        colours: colour of label 1, 2, ...
        png: file of the picture.
    """
    scans = {name: read_scan(name, *paths, recipe) for name, paths in list(files.items())[:_MOST]}
    shown = {name: scan for name, scan in scans.items() if isinstance(scan, StoredScan)}
    rows = -(-len(shown) // _COLUMNS) or 1
    with journal_style():
        figure = new_figure(TEXT_WIDTH, rows * TEXT_WIDTH / _COLUMNS * 1.2)
        axes = figure.subplots(rows, _COLUMNS, squeeze=False).ravel()
        for each in axes:
            each.axis("off")
        for each, (name, scan) in zip(axes, shown.items(), strict=False):
            stored = np.zeros(scan.image.shape, np.uint8) if scan.labels is None else scan.labels
            image, labels = (reorient(part, scan.axes, DISPLAY_AXES) for part in (scan.image, stored))
            index = organ_centre(labels)[AXIAL.axis]
            low, high = np.percentile(image, [1, 99])
            each.imshow(AXIAL.cut(image, index), cmap="gray", vmin=low, vmax=high, interpolation="nearest")
            cut = AXIAL.cut(labels, index)
            masked = np.ma.masked_equal(cut, 0)
            each.imshow(masked, cmap=ListedColormap(colours), vmin=1, vmax=max(2, len(colours)), alpha=0.5,
                        interpolation="nearest")  # fmt: skip
            each.set_title(name, fontsize=5, pad=1)
        save_picture(figure, png)
