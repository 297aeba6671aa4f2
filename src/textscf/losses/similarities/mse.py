"""Mean squared error, the similarity term of the paper."""

from torch import Tensor
from torch.nn import functional


def dissimilarity(fixed: Tensor, warped: Tensor, stride: int) -> Tensor:
    """Mean squared error of two ``(B, 1, H, W, D)`` images on any grid (paper, section 3.1)."""
    return functional.mse_loss(warped, fixed)
