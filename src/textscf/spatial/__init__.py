"""Warping, resizing and integrating displacement fields, in torch."""

from textscf.spatial.integrate import compose, integrate
from textscf.spatial.resize import halve, resize_displacement, scale_components
from textscf.spatial.warp import identity_grid, warp, warp_labels

__all__ = [
    "compose",
    "halve",
    "identity_grid",
    "integrate",
    "resize_displacement",
    "scale_components",
    "warp",
    "warp_labels",
]
