"""What every stage script shares: logging, clear errors, exit codes."""

import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path

from textscf.errors import InputError

BAD_INPUT = 2
INTERRUPTED = 130


def setup_logging(log_file: Path | None = None) -> None:
    """Log INFO and above to stderr and, when given, to `log_file` too."""
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stderr)]
    if log_file is not None:
        log_file.parent.mkdir(parents=True, exist_ok=True)
        handlers.append(logging.FileHandler(log_file))
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", handlers=handlers, force=True
    )


def run(main: Callable[[], int | None]) -> None:
    """Call `main` and leave the process: 0, its own code, 2 for bad input, 130 for Ctrl-C."""
    try:
        code = main()
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        code = BAD_INPUT
    except OSError as error:
        print(f"error: {error.filename or 'file system'}: {os.strerror(error.errno or 0)}", file=sys.stderr)
        code = BAD_INPUT
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        code = INTERRUPTED
    sys.exit(code)
