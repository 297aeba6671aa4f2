"""Time and memory of a stage: the stage logs them in its last line, and the report reads them there."""

import re
import resource
import time
from dataclasses import dataclass
from pathlib import Path

from textscf.files.io import read_text

_STARTED = time.monotonic()
_LINE = re.compile(r"took (\S+) s, (\S+) s of CPU, (\S+) GiB$")


@dataclass(frozen=True)
class Usage:
    """Wall time, CPU time including child processes, and peak memory of the largest process.

    On Linux the peak memory can be that of the process that started this one, if that process was larger.
    """

    seconds: float
    cpu_seconds: float
    memory_gib: float

    def __str__(self) -> str:
        return f"took {self.seconds:.1f} s, {self.cpu_seconds:.1f} s of CPU, {self.memory_gib:.2f} GiB"


def usage() -> Usage:
    """Usage of this process since it imported this module."""
    parts = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    cpu = sum(part.ru_utime + part.ru_stime for part in parts)
    return Usage(time.monotonic() - _STARTED, cpu, max(part.ru_maxrss for part in parts) / 2**20)


def read_usage(log: Path) -> Usage | None:
    """Usage from the last line of a log; None if the stage has not finished or the line does not report it."""
    lines = read_text(log).splitlines()
    found = _LINE.search(lines[-1]) if lines else None
    return Usage(*map(float, found.groups())) if found else None
