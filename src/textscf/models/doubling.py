"""Transposed convolution that doubles a grid; on the CPU in single precision it is computed as a matrix product."""

from torch import Tensor, nn
from torch.nn import functional

from textscf.models.eager import in_single_precision


class Doubling(nn.ConvTranspose3d):
    """`torch.nn.ConvTranspose3d` with kernel 2 and stride 2: each voxel becomes eight voxels without overlap."""

    def __init__(self, inputs: int, outputs: int, bias: bool = True) -> None:
        super().__init__(inputs, outputs, 2, 2, bias=bias)

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        """Map ``(B, inputs, H, W, D)`` to ``(B, outputs, 2 H, 2 W, 2 D)``."""
        if not in_single_precision(x):
            return super().forward(x)
        b, _, h, w, d = x.shape
        kernel = self.weight.permute(2, 3, 4, 1, 0).flatten(0, 3)
        bias = None if self.bias is None else self.bias.repeat(8)
        eight = functional.linear(x.movedim(1, -1), kernel, bias).view(b, h, w, d, 2, 2, 2, -1)
        return eight.permute(0, 1, 4, 2, 5, 3, 6, 7).reshape(b, 2 * h, 2 * w, 2 * d, -1).movedim(-1, 1)
