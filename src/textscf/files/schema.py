"""JSON schema validation; its messages name file and key and suggest a correction of a typo."""

import difflib
import math
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import jsonschema
import referencing
import referencing.jsonschema

from textscf.errors import InputError
from textscf.files.io import read_yaml

_SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


def safe_name(name: str, where: str) -> str:
    """Return `name` if it is safe as a file name and as a shell word; else InputError that begins with `where`."""
    if not _SAFE_NAME.fullmatch(name):
        raise InputError(f"{where}: {name!r} is not a valid name; expected letters, digits, '_', '-' and '.'")
    return name


def read_validated(path: Path, schema: Path) -> dict[str, Any]:
    """Read a YAML file and validate it; InputError for the first error."""
    content = read_yaml(path)
    validate(content, schema, str(path))
    return content


def validate(content: Any, schema: Path, source: str) -> None:
    """Raise InputError ``source: key: what was found; what was expected`` if `content` does not fit the schema."""
    registry = referencing.Registry(retrieve=lambda uri: _resource(schema.parent / uri))  # type: ignore[call-arg]
    validator = jsonschema.Draft202012Validator(read_yaml(schema), registry=registry)
    error = jsonschema.exceptions.best_match(validator.iter_errors(content))
    if error is not None:
        raise InputError(f"{source}: {_describe(error)}")
    _check_numbers(content, source)


def _resource(path: Path) -> referencing.Resource[Any]:
    return referencing.jsonschema.DRAFT202012.create_resource(read_yaml(path))


def _check_numbers(content: Any, source: str, key: str = "") -> None:
    """Raise InputError for NaN and infinity, because the bounds of a schema do not exclude them."""
    if isinstance(content, float) and not math.isfinite(content):
        raise InputError(f"{source}: {key.removeprefix('.')}: found {content}; expected a finite number")
    parts = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for name, value in parts:
        _check_numbers(value, source, f"{key}.{name}")


def suggest(found: str, known: Iterable[str]) -> str:
    """Message part: ``; did you mean 'x'?`` if a known name is close, else ``; expected one of ...``."""
    known = sorted(map(str, known))
    close = difflib.get_close_matches(found, known, n=1)
    return f"; did you mean '{close[0]}'?" if close else f"; expected one of {', '.join(known) or 'none'}"


def _describe(error: jsonschema.ValidationError) -> str:
    key = ".".join(map(str, error.absolute_path))
    schema: Any = error.schema
    prefix = f"{key}: " if key else ""
    if error.validator == "additionalProperties" and isinstance(error.instance, dict):
        known = schema.get("properties", {})
        patterns = schema.get("patternProperties", {})
        unknown = str(next(k for k in error.instance if k not in known))
        if patterns and not known:
            return f"{prefix}'{unknown}' is not a valid name; expected letters, digits, '_', '-' and '.'"
        return f"{prefix}unknown key '{unknown}'{suggest(unknown, known)}"
    if error.validator == "required" and isinstance(error.instance, dict):
        missing = [k for k in schema["required"] if k not in error.instance]
        return f"{prefix}key '{missing[0]}' is missing"
    if error.validator == "enum":
        return f"{prefix}found {error.instance!r}{suggest(str(error.instance), schema['enum'])}"
    if error.validator == "type":
        expected = schema["type"]
        names = expected if isinstance(expected, str) else " or ".join(expected)
        return f"{prefix}found {error.instance!r}; expected {names}"
    expected = schema.get("description")
    return prefix + " ".join(error.message.split()) + (f"; expected: {expected}" if expected else "")
