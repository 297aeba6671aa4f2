"""Lock that allows one workflow at a time in a folder; the kernel releases it when the process ends, even by a kill."""

import fcntl
import logging
import os
from pathlib import Path

from textscf.errors import InputError

logger = logging.getLogger(__name__)

_held: list[int] = []


def hold_folder(folder: Path) -> None:
    """Lock `folder` until this process ends; InputError if another process holds the lock.

    On a file system without locks the function only warns that a second workflow would not be noticed.
    """
    path = folder / ".snakemake" / "textscf.job.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(descriptor, 20).decode(errors="replace").strip() or "unknown"
        os.close(descriptor)
        raise InputError(
            f"{folder}: another workflow is at work here (process {holder}); wait for it, or work in another folder"
        ) from None
    except OSError as error:
        os.close(descriptor)
        logger.warning("%s: not locked (%s); nothing notices a second workflow here", folder, error.strerror)
        return
    os.truncate(descriptor, 0)
    os.write(descriptor, f"{os.getpid()}\n".encode())
    _held.append(descriptor)
