"""Filling of settings dataclasses from mappings, with errors that name file and key."""

import dataclasses
from collections.abc import Mapping
from typing import Any, TypeVar

from textscf.errors import InputError
from textscf.files.names import suggest

T = TypeVar("T")


def fill(kind: type[T], content: Any, source: object) -> T:
    """Make an instance of the dataclass `kind` from `content`, which was read from the file `source`.

    Raises InputError if `content` is not a mapping, has an unknown key (the message suggests the nearest known key) or
    lacks a key. A ValueError that `kind` raises, such as for a value out of range, becomes an InputError that names
    `source`.
    """
    if not isinstance(content, Mapping):
        raise InputError(f"{source}: holds {type(content).__name__}; expected a mapping of settings")
    fields = {field.name: field for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    for key in content:
        if key not in fields:
            raise InputError(f"{source}: unknown key '{key}'{suggest(str(key), fields)}")
    required = [name for name, field in fields.items() if _is_required(field)]
    missing = [name for name in required if name not in content]
    if missing:
        raise InputError(f"{source}: key '{missing[0]}' is missing")
    try:
        return kind(**content)
    except ValueError as error:
        raise InputError(f"{source}: {error}") from error


def _is_required(field: "dataclasses.Field[Any]") -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
