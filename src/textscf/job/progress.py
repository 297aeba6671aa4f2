"""Progress bar with an estimate of the remaining time, for terminals and log files."""

import sys

from tqdm import tqdm


def progress_bar(total: int, description: str, initial: int = 0) -> tqdm:
    """Progress bar on stderr, updated every 0.2 s on a terminal and every 20 s in a log file."""
    on_terminal = sys.stderr.isatty()
    return tqdm(
        total=total,
        initial=initial,
        desc=description,
        mininterval=0.2 if on_terminal else 20,
        dynamic_ncols=on_terminal,
        ncols=None if on_terminal else 110,
    )
