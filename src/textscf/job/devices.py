"""Selection of the device that a job computes on."""

import fcntl
import logging
import os
import tempfile
import time
from pathlib import Path

import torch

from textscf.errors import InputError

logger = logging.getLogger(__name__)

_POLL_SECONDS = 5.0

_held: list[int] = []


def acquire_device(name: str | None = None) -> torch.device:
    """Lock a free CUDA device until this process ends and return it; return the CPU if the machine has no CUDA device.

    Each device has one lock file, which the jobs on a machine share. The file is named by the device's UUID, so a job
    whose queue set CUDA_VISIBLE_DEVICES locks only its own device. While all devices are taken, the function waits.
    `name` (such as ``cpu`` or ``cuda:1``) selects a device without a lock.
    """
    if name is not None:
        return _named(name)
    if not torch.cuda.is_available():
        return torch.device("cpu")
    count = torch.cuda.device_count()
    while True:
        for index in range(count):
            if _lock(torch.cuda.get_device_properties(index).uuid):
                logger.info("using CUDA device %d of %d: %s", index, count, torch.cuda.get_device_name(index))
                return torch.device("cuda", index)
        logger.info("all %d CUDA devices are taken; waiting", count)
        time.sleep(_POLL_SECONDS)


def _named(name: str) -> torch.device:
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise InputError(f"device '{name}': unknown; expected cpu, cuda or cuda:0") from error
    count = torch.cuda.device_count()
    if device.type == "cuda" and (device.index or 0) >= count:
        raise InputError(f"device '{name}': PyTorch finds {count} CUDA devices on this machine; expected cpu")
    return device


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """Autocast context for the loss of a training.

    If `precision` is ``bfloat16``, the operations that gain from it compute in bfloat16. On a device without bfloat16
    instructions bfloat16 would be slower than float32. Such a device computes in float32, and the log says so.
    """
    taken = taken_precision(device, precision)
    if taken != precision:
        logger.warning("%s has no bfloat16 instructions: computing in float32", device)
    return torch.autocast(device.type, torch.bfloat16, enabled=taken == "bfloat16")


def taken_precision(device: torch.device, precision: str) -> str:
    """Precision in which `autocast` lets a device compute: `precision`, or float32 instead of a missing bfloat16."""
    return precision if has_bfloat16(device) else "float32"


def has_bfloat16(device: torch.device) -> bool:
    """Whether the device has bfloat16 instructions: GPUs since Ampere, CPUs with AVX512-BF16 or AMX."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


def _lock(identity: object) -> bool:
    path = Path(tempfile.gettempdir()) / f"textscf-device-{identity}.lock"
    descriptor = _open_for_all(path)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return False
    _held.append(descriptor)
    return True


def _open_for_all(path: Path) -> int:
    """Open a file that several users share; create it only if it is missing.

    Opening for reading is enough for a lock. In a folder such as /tmp the system refuses to open another user's file
    for writing or with O_CREAT.
    """
    try:
        return os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        descriptor = os.open(path, os.O_RDONLY | os.O_CREAT)
        os.fchmod(descriptor, 0o644)
        return descriptor
