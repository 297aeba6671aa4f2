"""Warping, resizing and integration of displacement fields in torch."""

from textscf.spatial.integrate import compose, integrate
from textscf.spatial.resize import halve, scale_components, upsample_displacement
from textscf.spatial.warp import identity_grid, warp, warp_labels

__all__ = [
    "compose",
    "halve",
    "identity_grid",
    "integrate",
    "scale_components",
    "upsample_displacement",
    "warp",
    "warp_labels",
]
