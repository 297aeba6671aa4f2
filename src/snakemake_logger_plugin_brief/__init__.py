"""Brief output of Snakemake, `--logger brief`: one line per finished job, and warnings and errors in full.

Snakemake finds the plugin by the name of this module, if `src/` is on the module path. The whole output is in
`.snakemake/log/` as ever.
"""

import sys
import time
from logging import WARNING, LogRecord

from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent

ALWAYS = "always"
"""Attribute of a log record that is shown whatever its level."""

_NOTHING = "Nothing to be done"
"""Beginning of Snakemake's message that all files are there."""

_QUICK = "settings"
"""Rule whose jobs are not worth a line."""


class LogHandler(LogHandlerBase):
    """Prints to stderr what a user who waits wants to know."""

    def __post_init__(self) -> None:
        self._started = time.monotonic()
        self._jobs: dict[int, str] = {}
        self._finished: list[str] = []

    writes_to_stream = True
    writes_to_file = False
    has_filter = True
    has_formatter = False
    needs_rulegraph = False

    def emit(self, record: LogRecord) -> None:
        """Print a line for each finished job, and warnings and errors as Snakemake prints them."""
        event = getattr(record, "event", None)
        if event == LogEvent.JOB_INFO:
            self._jobs[record.jobid] = " ".join([record.rule_name, *record.wildcards.values()])
        elif event == LogEvent.JOB_FINISHED:
            self._finished.append(self._jobs.get(record.job_id, ""))
        elif event == LogEvent.PROGRESS:
            self._progress(record.done, record.total)
        elif record.levelno >= WARNING or hasattr(record, ALWAYS) or str(record.msg).startswith(_NOTHING):
            print(self.format(record), file=sys.stderr, flush=True)

    def _progress(self, done: int, total: int) -> None:
        minutes, seconds = divmod(int(time.monotonic() - self._started), 60)
        names = [name for name in self._finished if name and name.split()[0] != _QUICK]
        self._finished.clear()
        if names or done == total:
            width = len(str(total))
            line = f"{minutes:3d}:{seconds:02d}  {done:{width}d} of {total} jobs  {', '.join(names)}"
            print(line.rstrip(), file=sys.stderr, flush=True)
