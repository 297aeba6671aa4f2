"""Where a computation may be written for the CPU alone."""

import torch
from torch import Tensor


def on_cpu(x: Tensor) -> bool:
    """Whether the CPU computes with `x` now, and no compiler looks on that has its own ways."""
    return x.device.type == "cpu" and not torch.compiler.is_compiling()


def in_single_precision(x: Tensor) -> bool:
    """Whether the CPU computes with `x` now, in single precision: without autocast."""
    return on_cpu(x) and x.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")
