"""Checks of names in settings: safety in paths, and suggestions for misspelt names."""

import difflib
import re
from collections.abc import Iterable

from textscf.errors import InputError

_SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


def safe_name(name: str, where: str) -> str:
    """Return `name` if it is safe as a file name and as a shell word; else InputError that begins with `where`."""
    if not _SAFE_NAME.fullmatch(name):
        raise InputError(f"{where}: {name!r} is not a valid name; expected letters, digits, '_', '-' and '.'")
    return name


def suggest(found: str, known: Iterable[str]) -> str:
    """Message part: ``; did you mean 'x'?`` if a known name is close, else ``; expected one of ...``."""
    known = sorted(map(str, known))
    close = difflib.get_close_matches(found, known, n=1)
    return f"; did you mean '{close[0]}'?" if close else f"; expected one of {', '.join(known) or 'none'}"
