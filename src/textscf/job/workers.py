"""Mapping of a function over items in worker processes, with a progress bar and clear errors."""

import contextlib
import functools
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, Protocol, TypeVar

from tqdm import tqdm

from textscf.errors import InputError

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


class ParallelMap(Protocol):
    """Type of the map that `parallel_map` yields."""

    def __call__(self, function: Callable[[_Item], _Result], items: list[_Item], doing: str) -> list[_Result]:
        """Results in the order of `items`; the progress bar has the text `doing`."""


@contextlib.contextmanager
def parallel_map(workers: int) -> Iterator[ParallelMap]:
    """Yield a map over `workers` processes, or within this one if `workers` is 1.

    Functions and items must be picklable. The map raises InputError if a process dies, for example without enough
    memory, and passes on exceptions of the function. Leaving the block cancels calls that have not begun. Worker
    processes end with this process, even if it is killed.
    """
    if workers <= 1:
        yield functools.partial(_collect, map)
        return
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=end_with_parent)
    try:
        yield functools.partial(_collect, pool.map)
    except BrokenProcessPool as error:
        raise InputError(
            f"one of {workers} worker processes died, perhaps for want of memory; try fewer workers"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _collect(
    mapping: Callable[[Callable[[Any], Any], Iterable[Any]], Iterable[Any]],
    function: Callable[[Any], Any],
    items: list[Any],
    doing: str,
) -> list[Any]:
    return list(tqdm(mapping(function, items), total=len(items), desc=doing, disable=not items))


def end_with_parent() -> None:
    """Initialise a worker process: it ignores SIGINT and exits with its parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_wait_for_parent, daemon=True).start()


def _wait_for_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
