"""Reuse of freed memory between training steps."""

import ctypes
import sys

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of malloc.h
_LARGEST_MMAP_THRESHOLD = 32 * 2**20
_KEPT = 2**30


def keep_freed_memory() -> bool:
    """Let glibc keep up to 1 GiB of freed memory, in blocks below 32 MiB, instead of returning it to the system.

    A training step frees memory that the next step allocates again. Getting memory from the system is slow: each page
    costs a page fault, and the system fills it with zeros.

    Returns:
        Whether the C library accepted the setting; only glibc has it.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except AttributeError:
        return False
    return bool(mallopt(_MMAP_THRESHOLD, _LARGEST_MMAP_THRESHOLD) and mallopt(_TRIM_THRESHOLD, _KEPT))
