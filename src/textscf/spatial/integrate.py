"""Diffeomorphic integration of a stationary velocity field (paper, appendix D.2)."""

from torch import Tensor

from textscf.spatial.warp import warp


def compose(outer: Tensor, inner: Tensor) -> Tensor:
    """Displacement of ``phi_outer(phi_inner(x))``: ``inner(x) + outer(x + inner(x))``, both ``(B, 3, H, W, D)``.

    Warping with the result equals warping with `outer` first and its result with `inner` second.
    """
    return inner + warp(outer, inner, padding_mode="border")


def integrate(velocity: Tensor, steps: int) -> Tensor:
    """Displacement ``exp(velocity)`` by scaling and squaring with `steps` squarings; 0 steps return `velocity`."""
    displacement = velocity / 2**steps
    for _ in range(steps):
        displacement = compose(displacement, displacement)
    return displacement
