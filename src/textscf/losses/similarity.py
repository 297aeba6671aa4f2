"""Image dissimilarities between the fixed and the warped image, by the name a run gives them."""

from collections.abc import Callable

from torch import Tensor
from torch.nn import functional


def mse(fixed: Tensor, warped: Tensor) -> Tensor:
    """Mean squared error of two ``(B, 1, H, W, D)`` images (paper, section 3.1)."""
    return functional.mse_loss(warped, fixed)


SIMILARITIES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"mse": mse}
