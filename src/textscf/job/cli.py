"""Command line of every stage script: arguments, logging, error messages, exit codes."""

import argparse
import logging
import sys
from collections.abc import Callable
from pathlib import Path

from textscf.errors import InputError, TrainingStopped
from textscf.job.usage import usage

BAD_INPUT = 2
STOPPED = 75
"""SIGTERM or Ctrl-C stopped a training, which can resume from its state (sysexits: EX_TEMPFAIL)."""
INTERRUPTED = 130
NO_MEMORY = 71
"""Memory is exhausted (sysexits: EX_OSERR)."""


def stage_parser(description: str | None, computes: bool = False) -> argparse.ArgumentParser:
    """Argument parser of a stage with `--log`; `computes` adds `--threads` and `--device` for stages that use torch."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--log", type=Path, help="file that the log goes to as well")
    if computes:
        parser.add_argument("--threads", type=positive_integer, default=1, help="CPU threads (default: %(default)s)")
        parser.add_argument("--device", help="torch device (default: a free GPU, else the CPU)")
    return parser


def positive_integer(text: str) -> int:
    """Parse a positive integer; used as the type of arguments that are counts."""
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"'{text}' is not a positive integer")
    return int(text)


def count(text: str) -> int:
    """Parse an integer of 0 or more."""
    return 0 if text == "0" else positive_integer(text)


def parse_arguments(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """Parse the arguments of a `stage_parser`; set up the log and the number of threads."""
    arguments = parser.parse_args()
    setup_logging(arguments.log)
    if "threads" in arguments:
        import torch  # the import takes seconds; only stages that compute need it

        torch.set_num_threads(arguments.threads)
    return arguments


_NO_MEMORY_SIGNS = ("can't allocate memory", "can't start new thread")


def _what_to_lower(error: Exception) -> str | None:
    """Message for an error that means exhausted memory, with settings to lower; None for any other error."""
    reason = " ".join(str(error).split())
    if type(error).__name__ == "OutOfMemoryError":
        memory, advice = "the GPU's memory", "lower start_channels or preprocess.shape, or use precision: bfloat16"
    elif isinstance(error, MemoryError) or any(sign in reason for sign in _NO_MEMORY_SIGNS):
        memory, advice = "the memory of this machine", "lower --workers, start_channels or preprocess.shape"
    else:
        return None
    found = f" ({reason[:160]})" if reason else ""
    return f"{memory} is exhausted{found}; {advice}"


def setup_logging(log_file: Path | None = None) -> None:
    """Log INFO and above to stderr, and also to `log_file` if given."""
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stderr)]
    if log_file is not None:
        log_file.parent.mkdir(parents=True, exist_ok=True)
        handlers.append(logging.FileHandler(log_file))
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", handlers=handlers, force=True
    )


def run(main: Callable[[], int | None]) -> None:
    """Call `main` and exit the process.

    Exit codes: 0 or the return value of `main`, 2 for bad input, 71 for exhausted memory, 75 for a training that was
    stopped and saved its state, 130 for Ctrl-C elsewhere. After success, the last line of the log reports time and
    memory (see `textscf.job.usage`).
    """
    try:
        code = main()
        if not code:
            logging.getLogger(__name__).info("%s", usage())
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        code = BAD_INPUT
    except TrainingStopped as stopped:
        logging.getLogger(__name__).warning("%s", stopped)
        code = STOPPED
    except OSError as error:
        reason = error.strerror or " ".join(str(error).split()) or type(error).__name__
        print(f"error: {error.filename or 'file system'}: {reason}", file=sys.stderr)
        code = BAD_INPUT
    except (MemoryError, RuntimeError) as error:
        lower = _what_to_lower(error)
        if lower is None:
            raise
        print(f"error: {lower}", file=sys.stderr)
        code = NO_MEMORY
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        code = INTERRUPTED
    sys.exit(code)
