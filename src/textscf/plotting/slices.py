"""Slices of volumes in radiological view: the patient's right on the left, front or head at the top."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from textscf.data.geometry import axis_order, reorient

_NICE = np.array([1, 2, 2.5, 5, 10, 20, 25, 50, 100])

DISPLAY_AXES = "LPI"
"""Axis codes of a volume whose transposed slices are pictures.

Columns go to the patient's left, rows to the back or feet.
"""


@dataclass(frozen=True)
class View:
    """One plane: its `name`, the `axis` of `DISPLAY_AXES` that it cuts, and directions at the left and top edges."""

    name: str
    axis: int
    left: str
    top: str

    @property
    def in_plane(self) -> tuple[int, int]:
        """Axes of `DISPLAY_AXES` along which columns (rightwards) and rows (downwards) of the picture are counted."""
        first, second = (axis for axis in range(3) if axis != self.axis)
        return first, second

    def cut(self, volume: np.ndarray, index: int) -> np.ndarray:
        """Picture (rows, columns) of a volume in `DISPLAY_AXES` at slice `index`."""
        return np.take(volume, index, axis=self.axis).T


AXIAL = View("axial", 2, "R", "A")
CORONAL = View("coronal", 1, "R", "S")
SAGITTAL = View("sagittal", 0, "A", "S")


def to_display(volume: np.ndarray, codes: str) -> np.ndarray:
    """Reorient a volume (H, W, D) from axis codes `codes` to `DISPLAY_AXES`."""
    return reorient(volume, codes, DISPLAY_AXES)


def position_to_display(position: np.ndarray, codes: str) -> np.ndarray:
    """Reorient positions (H, W, D, 3) in voxels from axis codes `codes` to (3, H', W', D') in display axes.

    The grid is reoriented, but only the order of the components changes: each still counts voxels from the start of its
    stored axis, so its level lines are those of a regular grid.
    """
    order = axis_order(codes, DISPLAY_AXES)
    return np.stack([to_display(position[..., axis], codes) for axis in order])


def grey_window(image: np.ndarray) -> tuple[float, float]:
    """Grey values (low, high) between which most of the content lies."""
    content = image[image > 0.05] if (image > 0.05).any() else image
    low, high = np.percentile(content, [2, 98])
    return float(low), float(high)


def nice_length(length: float) -> float:
    """Round a length in mm to the nearest round number."""
    return float(_NICE[np.abs(np.log(_NICE / length)).argmin()])


def organ_centre(labels: np.ndarray) -> list[int]:
    """Voxel at the mean of the structures' centres of mass, without weighting by size; the middle of an empty map."""
    present = [label for label in np.unique(labels) if label]
    if not present:
        return [n // 2 for n in labels.shape]
    centres = [np.argwhere(labels == label).mean(axis=0) for label in present]
    return [round(float(c)) for c in np.mean(centres, axis=0)]


def content_box(images: Sequence[np.ndarray], threshold: float = 0.05) -> tuple[slice, slice, slice]:
    """Smallest box with all voxels of the images (H, W, D) above `threshold`; the full volume if there are none."""
    content = np.any([image > threshold for image in images], axis=0)
    if not content.any():
        content[:] = True
    places = [np.flatnonzero(content.any(axis=tuple(a for a in range(3) if a != axis))) for axis in range(3)]
    first, second, third = (slice(int(p[0]), int(p[-1]) + 1) for p in places)
    return first, second, third
