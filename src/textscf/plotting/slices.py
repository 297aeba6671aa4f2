"""Slices of volumes as a radiologist looks at them: the patient's right on the left, front or head upwards."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from textscf.data.geometry import axis_order, reorient

_NICE = np.array([1, 2, 2.5, 5, 10, 20, 25, 50, 100])

DISPLAY_AXES = "LPI"
"""Axis codes of a volume whose slices, transposed, are pictures: columns run to the left, rows to the back or feet."""


@dataclass(frozen=True)
class View:
    """One plane: its `name`, the axis of `DISPLAY_AXES` that it cuts, what is at the picture's left and top edges."""

    name: str
    axis: int
    left: str
    top: str

    @property
    def in_plane(self) -> tuple[int, int]:
        """Axes of `DISPLAY_AXES` along columns (rightwards) and rows (downwards) of the picture."""
        first, second = (axis for axis in range(3) if axis != self.axis)
        return first, second

    def cut(self, volume: np.ndarray, index: int) -> np.ndarray:
        """Picture (rows, columns) of a volume in `DISPLAY_AXES` at slice `index`."""
        return np.take(volume, index, axis=self.axis).T


AXIAL = View("axial", 2, "R", "A")
CORONAL = View("coronal", 1, "R", "S")


def to_display(volume: np.ndarray, codes: str) -> np.ndarray:
    """`volume` (H, W, D) with axis codes `codes` in `DISPLAY_AXES`."""
    return reorient(volume, codes, DISPLAY_AXES)


def position_to_display(position: np.ndarray, codes: str) -> np.ndarray:
    """Positions (H, W, D, 3) in voxels with axis codes `codes` as (3, H', W', D'): grid and components in display axes.

    Only the order of the components changes: each still counts voxels from the start of its stored axis, so that its
    level lines are those of a regular grid.
    """
    order = axis_order(codes, DISPLAY_AXES)
    return np.stack([to_display(position[..., axis], codes) for axis in order])


def grey_window(image: np.ndarray) -> tuple[float, float]:
    """Grey values between which most of the content lies."""
    content = image[image > 0.05] if (image > 0.05).any() else image
    low, high = np.percentile(content, [2, 98])
    return float(low), float(high)


def nice_length(length: float) -> float:
    """The round number nearest to a length in mm."""
    return float(_NICE[np.abs(np.log(_NICE / length)).argmin()])


def organ_centre(labels: np.ndarray) -> list[int]:
    """Voxel at the mean of the structures' centres of mass, each counting once; the middle of an empty map."""
    present = [label for label in np.unique(labels) if label]
    if not present:
        return [n // 2 for n in labels.shape]
    centres = [np.argwhere(labels == label).mean(axis=0) for label in present]
    return [round(float(c)) for c in np.mean(centres, axis=0)]


def content_box(images: Sequence[np.ndarray], threshold: float = 0.05) -> tuple[slice, slice, slice]:
    """Smallest box with all voxels of the images (H, W, D) above `threshold`; everything if there are none."""
    content = np.any([image > threshold for image in images], axis=0)
    if not content.any():
        content[:] = True
    places = [np.flatnonzero(content.any(axis=tuple(a for a in range(3) if a != axis))) for axis in range(3)]
    first, second, third = (slice(int(p[0]), int(p[-1]) + 1) for p in places)
    return first, second, third
