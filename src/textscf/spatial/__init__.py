"""Warping, resizing and integrating displacement fields, in torch."""

from textscf.spatial.integrate import compose, integrate
from textscf.spatial.resize import resize_displacement
from textscf.spatial.warp import identity_grid, warp

__all__ = ["compose", "identity_grid", "integrate", "resize_displacement", "warp"]
