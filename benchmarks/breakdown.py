"""Breakdown of a training step's time by operation, and throughput of its convolutions against the machine's limit."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode, conv_flop_count

from textscf.job.devices import autocast

_STEPS = 3
_REPEATS = 10
_NAMED = 5
_CONVOLUTIONS = ("convolution", "conv3d")
_LIMIT_CHANNELS, _LIMIT_SHAPE = 64, (48, 40, 64)


@dataclass(frozen=True)
class Breakdown:
    """Breakdown of a training step.

    Attributes:
        seconds: time of a step.
        shares: share of each operation in the time, largest first; all convolutions count as one operation.
        throughput: throughput of the step's convolutions, forward and backward, in GFLOP/s.
        limit: throughput in GFLOP/s of a single convolution with many channels on the device.
    """

    seconds: float
    shares: dict[str, float]
    throughput: float
    limit: float

    def __str__(self) -> str:
        rest = ", ".join(f"{name} {share:.0%}" for name, share in list(self.shares.items())[1 : _NAMED + 1])
        largest = next(iter(self.shares))
        return (
            f"Of the step's {self.seconds:.3g} s the largest part, {largest}, takes {self.shares[largest]:.0%}; then "
            f"{rest}. Its convolutions reach {self.throughput:.0f} GFLOP/s, "
            f"{self.throughput / self.limit:.0%} of the {self.limit:.0f} GFLOP/s that one convolution of "
            f"{_LIMIT_CHANNELS} channels, kernel 3, at {'x'.join(map(str, _LIMIT_SHAPE))}, forward and backward, "
            "reaches alone."
        )


def break_down(step: Callable[[], Any], device: str, precision: str) -> Breakdown:
    """Measure a training step that runs on `device` and computes in `precision`."""
    step()
    flops = convolution_flops(step)
    on_cuda = device != "cpu"
    activities = [ProfilerActivity.CUDA if on_cuda else ProfilerActivity.CPU]
    with profile(activities=activities) as profiler:
        seconds = statistics.median(_timed(step, device) for _ in range(_STEPS))
    busy: dict[str, float] = {}
    for event in profiler.key_averages():
        name = "convolutions" if any(part in event.key for part in _CONVOLUTIONS) else event.key.removeprefix("aten::")
        spent = event.self_device_time_total if on_cuda else event.self_cpu_time_total
        busy[name] = busy.get(name, 0.0) + spent / 1e6 / _STEPS
    total = sum(busy.values())
    shares = {name: spent / total for name, spent in sorted(busy.items(), key=lambda item: -item[1])}
    return Breakdown(seconds, shares, flops / busy["convolutions"] / 1e9, _limit(device, precision))


def convolution_flops(step: Callable[[], Any]) -> int:
    """Work of a step's convolutions, forward and backward."""
    with FlopCounterMode(display=False, custom_mapping={torch.ops.aten.mkldnn_convolution: _flops}) as counter:
        step()
    return sum(count for name, count in counter.get_flop_counts()["Global"].items() if "conv" in str(name))


def _flops(x: torch.Size, weight: torch.Size, *others: Any, out_shape: torch.Size, **named: Any) -> int:
    """FLOPs of `mkldnn_convolution`, which PyTorch's counter does not know."""
    return conv_flop_count(list(x), list(weight), list(out_shape))


def _limit(device: str, precision: str) -> float:
    """Throughput in GFLOP/s of one convolution with many channels, forward and backward, at a favourable size."""
    convolution = torch.nn.Conv3d(_LIMIT_CHANNELS, _LIMIT_CHANNELS, 3, padding=1, device=device)
    x = torch.randn(1, _LIMIT_CHANNELS, *_LIMIT_SHAPE, device=device, requires_grad=True)
    gradient = torch.randn_like(x)

    def once() -> None:
        with autocast(torch.device(device), precision):
            out = convolution(x)
        out.backward(gradient.to(out.dtype))

    once()
    with FlopCounterMode(display=False) as counter:
        once()
    return counter.get_total_flops() / min(_timed(once, device) for _ in range(_REPEATS)) / 1e9


def _timed(function: Callable[[], Any], device: str) -> float:
    started = time.perf_counter()
    function()
    if device != "cpu":
        torch.cuda.synchronize()
    return time.perf_counter() - started
