"""Memory that a process keeps for its next step."""

import ctypes
import sys

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of malloc.h
_LARGEST_MMAP_THRESHOLD = 32 * 2**20
_KEPT = 2**30


def keep_freed_memory() -> bool:
    """Let glibc keep up to 1 GiB that is freed, in blocks below 32 MiB, instead of giving it back to the system.

    A training step frees what the next one asks for again; each page that comes back from the system is an interrupt,
    and is filled with zeros first.

    Returns:
        Whether the C library has taken the setting; others than glibc have none.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except AttributeError:
        return False
    return bool(mallopt(_MMAP_THRESHOLD, _LARGEST_MMAP_THRESHOLD) and mallopt(_TRIM_THRESHOLD, _KEPT))
