"""Diffeomorphic integration of a stationary velocity field (paper, appendix D.2)."""

from torch import Tensor

from textscf.spatial.warp import warp


def compose(outer: Tensor, inner: Tensor, padding_mode: str = "border") -> Tensor:
    """Displacement of ``phi_outer(phi_inner(x))``: ``inner(x) + outer(x + inner(x))``, both ``(B, 3, H, W, D)``.

    Warping with the result equals warping with `outer` first and then with `inner`. Outside the volume `outer` has its
    value at the border, or zero with `padding_mode` ``zeros``.
    """
    return inner + warp(outer, inner, padding_mode=padding_mode)


def integrate(velocity: Tensor, steps: int, padding_mode: str = "zeros") -> Tensor:
    """Displacement ``exp(velocity)`` by scaling and squaring with `steps` squarings; 0 steps return `velocity`.

    Outside the volume the velocity is zero, as in the released textSCF and VoxelMorph. With `padding_mode` ``border``
    it has its value at the border, as in LapIRN.

    Examples:
        A velocity of ``-0.5 x`` per unit of time, with x = 0 in the middle, takes a point from x to ``x exp(-0.5)``.
        The exact displacement at 4 is -1.574; each squaring adds a small error:

        >>> import torch
        >>> x = torch.linspace(-8, 8, 17)
        >>> velocity = torch.zeros(1, 3, 17, 17, 17)
        >>> velocity[:, 0] = -0.5 * x[:, None, None]
        >>> displacement = integrate(velocity, steps=7)
        >>> x[12], displacement[0, 0, 12, 8, 8]
        (tensor(4.), tensor(-1.5763))
    """
    displacement = velocity / 2**steps
    for _ in range(steps):
        displacement = compose(displacement, displacement, padding_mode)
    return displacement
