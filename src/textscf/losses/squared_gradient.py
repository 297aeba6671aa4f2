"""The regulariser of paper eq. (1)."""

from torch import Tensor


def smoothness(displacement: Tensor) -> Tensor:
    """Mean squared forward difference of a field ``(B, 3, H, W, D)``, averaged over the three axes.

    The value is ``||grad u||^2`` (paper, section 3.1) in squared voxels, as a mean instead of a sum.
    """
    total = displacement.new_zeros(())
    for axis in (2, 3, 4):
        total = total + displacement.diff(dim=axis).square().mean()
    return total / 3
