"""PReLU with one slope; on the CPU, forward and backward take few passes over the features."""

from typing import Any

import torch
from torch import Tensor, nn

from textscf.models.eager import on_cpu

_leaky_backward = torch.ops.aten.leaky_relu_backward


class PReLU(nn.PReLU):
    """`torch.nn.PReLU` with one slope for all channels."""

    def __init__(self) -> None:
        super().__init__()

    def forward(self, x: Tensor) -> Tensor:
        """Map features of any shape to the same shape and type."""
        if not on_cpu(x):
            return super().forward(x)
        result: Tensor = _PReLU.apply(x, self.weight)
        return result


class _PReLU(torch.autograd.Function):
    """A leaky ReLU whose slope is trained.

    PyTorch's own PReLU allocates a volume as large as the features for the gradient of the slope.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, slope: Tensor) -> Tensor:
        ctx.save_for_backward(x, slope)
        return torch.nn.functional.leaky_relu(x, slope.item())

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None]:
        x, slope = ctx.saved_tensors
        of_x, of_slope = ctx.needs_input_grad
        dx = _leaky_backward(gradient, x, slope.item(), False) if of_x else None
        if not of_slope:
            return dx, None
        total = x.clamp(max=0).mul_(gradient).sum(dtype=torch.promote_types(x.dtype, torch.float32))
        return dx, total.to(slope.dtype).reshape(slope.shape)
