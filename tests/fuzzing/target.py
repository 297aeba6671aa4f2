"""A reader to fuzz, and one attempt at it with a damaged file."""

import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from textscf.errors import InputError

SLOWEST = 10.0
"""Seconds that a reader may take for a file of some kilobytes."""


@dataclass(frozen=True)
class Target:
    """A reader and the files to damage.

    Attributes:
        name: name of the damaged file, with the suffix that the reader expects.
        read: the reader. It gets the path of the file, alone in a folder of its own.
        forms: functions that turn the damaged bytes into the file's bytes, such as compression.
        seeds: good inputs. The first byte is the index of the form, the rest is damaged before the form is applied.
        largest: largest input in bytes.
    """

    name: str
    read: Callable[[Path], object]
    seeds: tuple[bytes, ...]
    forms: tuple[Callable[[bytes], bytes], ...] = (bytes,)
    largest: int = 4096


def each_of(*readers: Callable[[Path], object]) -> Callable[[Path], None]:
    """Reader that gives a file to all of `readers`, each for itself, and raises their first refusal at the end."""

    def read(path: Path) -> None:
        refusals = []
        for reader in readers:
            try:
                reader(path)
            except InputError as error:
                refusals.append(error)
        if refusals:
            raise refusals[0]

    return read


def attempt(target: Target, data: bytes) -> str | None:
    """Give `data` to the reader; return the message of its InputError, or None if it read the file.

    Raises:
        AssertionError: the message has several lines or does not name the file, or the reader was slow.
        Exception: whatever else the reader raised.
    """
    form, content = (data[0], data[1:]) if data else (0, b"")
    folder = Path(tempfile.mkdtemp(prefix="fuzzing_"))
    path = folder / target.name
    try:
        path.write_bytes(target.forms[form % len(target.forms)](content))
        start = time.perf_counter()
        message = _refusal(target, path)
        seconds = time.perf_counter() - start
    finally:
        shutil.rmtree(folder)
    assert seconds < SLOWEST, f"took {seconds:.0f} s"
    if message is not None:
        assert target.name in message, f"does not name the file: {message}"
        assert "\n" not in message, f"has several lines: {message}"
    return message


def _refusal(target: Target, path: Path) -> str | None:
    try:
        target.read(path)
    except InputError as error:
        return str(error)
    return None
