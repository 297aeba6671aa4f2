"""Measures time and peak memory of two versions of a computation, in turn, each in its own process."""

import multiprocessing
import resource
import statistics
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

Timed = Callable[[], Any]
"""Runs one repetition and returns numbers that must be the same for both versions."""
Prepare = Callable[[str], Timed]
"""Makes the inputs on a device and returns the function to time. It must be picklable, as it is sent to a process."""


@dataclass(frozen=True)
class Case:
    """A computation and its plain version.

    Attributes:
        name: name of the computation, with its size.
        fast, plain: the two versions.
        tolerance: largest difference of their results, relative to the largest result.
        repeats: repetitions of each version, after a first one that is not counted.
    """

    name: str
    fast: Prepare
    plain: Prepare
    tolerance: float
    repeats: int = 5


def measure(case: Case, device: str) -> dict[str, Any]:
    """Measure a case: medians of both versions, the median of their ratios, and their memory beyond the inputs."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as fast, ProcessPoolExecutor(1, mp_context=context) as plain:
        for pool, prepare in ((fast, case.fast), (plain, case.plain)):
            pool.submit(_prepare, prepare, device).result()
        rounds = [[pool.submit(_once).result() for pool in (fast, plain)] for _ in range(case.repeats + 1)]
    values = [np.asarray(result.value, dtype=np.float64) for result in rounds[-1]]
    difference = float(np.abs(values[0] - values[1]).max() / np.abs(values[1]).max())
    if not difference <= case.tolerance:
        raise SystemExit(f"{case.name}: results differ by {difference:.0e}; expected at most {case.tolerance:.0e}")
    seconds = np.array([[result.seconds for result in pair] for pair in rounds[1:]])
    return {
        "case": case.name,
        "seconds": statistics.median(seconds[:, 0]),
        "plain": statistics.median(seconds[:, 1]),
        "ratio": statistics.median(seconds[:, 1] / seconds[:, 0]),
        "GiB": max(pair[0].gib for pair in rounds),
        "plain GiB": max(pair[1].gib for pair in rounds),
        "difference": difference,
    }


@dataclass(frozen=True)
class _Result:
    seconds: float
    gib: float
    value: Any


_state: dict[str, Any] = {}


def _prepare(prepare: Prepare, device: str) -> None:
    _state.update(device=device, timed=prepare(device))


def _once() -> _Result:
    on_gpu = _state["device"] != "cpu"
    before = _reset_peak(on_gpu)
    started = time.perf_counter()
    value = _state["timed"]()
    if on_gpu:
        torch.cuda.synchronize()
    seconds = time.perf_counter() - started
    peak = torch.cuda.max_memory_allocated() if on_gpu else _status("VmHWM")
    return _Result(seconds, (peak - before) / 2**30, value)


def _reset_peak(on_gpu: bool) -> int:
    """Reset the peak memory; returns the bytes in use now."""
    if on_gpu:
        torch.cuda.reset_peak_memory_stats()
        return torch.cuda.memory_allocated()
    if sys.platform == "linux":
        Path("/proc/self/clear_refs").write_text("5")
    return _status("VmRSS")


def _status(field: str) -> int:
    """Memory of this process in bytes, from /proc; on other systems than Linux, the peak so far for every field."""
    if sys.platform != "linux":
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(lines[field].split()[0]) * 1024
