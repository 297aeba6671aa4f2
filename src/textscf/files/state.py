"""Training states on disk, and the stop signal; every training of the project uses both."""

import logging
import os
import pickle
import signal
import warnings
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import torch

from textscf.errors import InputError
from textscf.files.io import atomic_path

logger = logging.getLogger(__name__)

SAVE_EVERY_SECONDS = 120.0
"""Time after which a training saves its state, wherever it is."""

_scalar = np.float64(0).__reduce__()[0]
_NUMPY_SCALARS: list[Any] = [  # numbers in published checkpoints, under the names of all NumPy versions
    *((_scalar, f"numpy.{package}.multiarray.scalar") for package in ("core", "_core")),
    *(np.dtype, np.dtypes.Float64DType, np.dtypes.Float32DType, np.dtypes.Int64DType),
]


def save_state(path: Path, state: Mapping[str, Any]) -> None:
    """Write `state` (tensors, numbers, strings, lists, dicts) atomically; the same state gives the same bytes."""
    with atomic_path(path) as temporary, temporary.open("wb") as stream:
        torch.save(dict(state), stream)
        stream.flush()
        os.fsync(stream.fileno())


def load_state(path: Path, device: torch.device | str = "cpu") -> dict[str, Any]:
    """Load a file of `save_state`, or another PyTorch file of tensors, to `device`; never unpickles code.

    InputError if the file is missing, truncated, or not a mapping of tensors and plain values.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; expected a PyTorch checkpoint")
    try:
        _check_stream(path)
        with warnings.catch_warnings(), torch.serialization.safe_globals(_NUMPY_SCALARS):
            warnings.simplefilter("ignore")
            state = torch.load(path, map_location=device, weights_only=True)
    except torch.OutOfMemoryError:
        raise
    except pickle.UnpicklingError as error:
        raise InputError(
            f"{path}: cannot be read: holds more than tensors and plain values, or no such thing"
        ) from error
    except Exception as error:  # a broken file can make the unpickler raise any exception
        reason = " ".join(str(error).split())[:160] or type(error).__name__
        raise InputError(f"{path}: cannot be read as a PyTorch checkpoint ({reason})") from error
    if not isinstance(state, dict):
        raise InputError(f"{path}: holds {type(state).__name__}; expected a mapping")
    return state


def _check_stream(path: Path) -> None:
    """Raise ValueError if parts of a checkpoint are compressed or have a wrong checksum; PyTorch does not check that.

    PyTorch writes parts as they are. Compressed or overlapping parts could fill the memory from a small file.
    """
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            if sum(part.file_size for part in archive.infolist()) > path.stat().st_size:
                raise ValueError("its parts are larger than the file; expected parts that are not compressed")
            damaged = archive.testzip()
        if damaged:
            raise ValueError(f"the checksum of {damaged} is wrong")


def load_newest(paths: Sequence[Path], device: torch.device | str, fingerprint: str) -> dict[str, Any] | None:
    """First state of `paths` that is readable and has `fingerprint`, else None; logs why it skips a file."""
    for path in paths:
        if not path.is_file():
            continue
        try:
            state = load_state(path, device)
        except InputError as error:
            logger.warning("%s; looking for an older state", error)
            continue
        if state.get("fingerprint") == fingerprint:
            return state
        logger.info("%s belongs to other settings or data", path)
    return None


def random_state(device: torch.device) -> dict[str, torch.Tensor]:
    """State of PyTorch's random numbers, of the CPU and of `device`, by the kind of device."""
    cuda = {"cuda": torch.cuda.get_rng_state(device)} if device.type == "cuda" else {}
    return {"cpu": torch.get_rng_state(), **cuda}


def set_random_state(state: Mapping[str, torch.Tensor], device: torch.device) -> None:
    """Set a state of `random_state`; a device of a kind that it does not have keeps its own."""
    torch.set_rng_state(state["cpu"].cpu())
    if device.type == "cuda" and "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"].cpu(), device)


class StopSignal:
    """Context that turns SIGTERM and Ctrl-C into the flag `requested`; works in the main thread only.

    A second Ctrl-C interrupts at once.
    """

    def __init__(self) -> None:
        self.requested = False
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> "StopSignal":
        self._previous = {number: signal.signal(number, self._request) for number in (signal.SIGTERM, signal.SIGINT)}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _request(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT and self.requested:
            raise KeyboardInterrupt
        self.requested = True
