"""Tests of whether a CPU-only implementation may be used."""

import torch
from torch import Tensor


def on_cpu(x: Tensor) -> bool:
    """Whether `x` is on the CPU and the code runs eagerly: `torch.compile` optimises in its own way."""
    return x.device.type == "cpu" and not torch.compiler.is_compiling()


def in_single_precision(x: Tensor) -> bool:
    """Whether `x` is in single precision on the CPU, the code runs eagerly, and autocast is off."""
    return on_cpu(x) and x.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")
