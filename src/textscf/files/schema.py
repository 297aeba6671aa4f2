"""JSON schema validation; its messages name file and key and suggest a correction of a typo."""

import functools
import math
import re
from pathlib import Path
from typing import Any

import jsonschema
import referencing
import referencing.jsonschema

from textscf.errors import InputError
from textscf.files.io import read_yaml
from textscf.files.names import suggest
from textscf.files.registry import entries

_LONGEST = 1000
"""Characters of an error in a message; what was found may be a long list."""


def _is_integer(checker: Any, value: Any) -> bool:
    """Whether a value is a whole number of type int; JSON schema takes 5.0 for one too, which PyTorch does not."""
    return isinstance(value, int) and not isinstance(value, bool)


_Validator = jsonschema.validators.extend(
    jsonschema.Draft202012Validator,
    type_checker=jsonschema.Draft202012Validator.TYPE_CHECKER.redefine("integer", _is_integer),
)


def read_validated(path: Path, schema: Path) -> dict[str, Any]:
    """Read a YAML file and validate it; InputError for the first error."""
    content = read_yaml(path)
    validate(content, schema, str(path))
    return content


def validate(content: Any, schema: Path, source: str, part: str = "") -> None:
    """Raise InputError ``source: key: what was found; what was expected`` if `content` does not fit the schema.

    The message has all errors of the content, the most telling first.

    Args:
        content: settings.
        schema: YAML file with a JSON schema. It may have two keys of our own: `entries_of`, a registry whose entries
            are allowed (see `textscf.files.registry`), and `options_of`, a folder of `config/` with a YAML file for
            each allowed key. The `options` of such a file are the schemas of the keys beneath, and its `rules` are
            further keywords of the schema.
        source: file of the settings, for messages.
        part: JSON pointer to the part of the schema that counts, such as ``/properties/loss``.
    """
    _check_keys(content, source)
    registry = referencing.Registry(retrieve=lambda uri: _schema(schema.parent / uri))  # type: ignore[call-arg]
    validator = _Validator({"$ref": f"{schema.name}#{part}"}, registry=registry)
    errors = sorted(validator.iter_errors(content), key=jsonschema.exceptions.relevance, reverse=True)
    if errors:
        described = dict.fromkeys(_describe(jsonschema.exceptions.best_match([error])) for error in errors)
        raise InputError(f"{source}: {' | '.join(text[:_LONGEST] for text in described)}")
    _check_numbers(content, source)


def _schema(path: Path) -> referencing.Resource[Any]:
    config = path.parents[1]
    read = [path, *sorted((*config.glob("backbones/*.yaml"), *config.glob("methods/*.yaml")))]
    return _resource(path, tuple((file, file.stat().st_mtime_ns) for file in read))


@functools.cache
def _resource(path: Path, state: object) -> referencing.Resource[Any]:
    """The schema in a file, read once for each `state` of this file and of those from which it takes options."""
    schema = _expand(read_yaml(path), path.parents[1])
    del schema["$schema"]  # it would make jsonschema take its own validator in place of ours
    return referencing.jsonschema.DRAFT202012.create_resource(schema)


def _expand(node: Any, config: Path) -> Any:
    """A schema with `entries_of` and `options_of` replaced by what they stand for."""
    if isinstance(node, list):
        return [_expand(part, config) for part in node]
    if not isinstance(node, dict):
        return node
    expanded = {key: _expand(value, config) for key, value in node.items()}
    if registry := expanded.pop("entries_of", None):
        expanded["enum"] = sorted([*expanded.get("enum", []), *entries(registry)])
    if folder := expanded.pop("options_of", None):
        closed = {"type": "object", "additionalProperties": False}
        files = {path.stem: read_yaml(path) for path in sorted((config / folder).glob("*.yaml"))}
        keys = {name: {**closed, "properties": own["options"], **own.get("rules", {})} for name, own in files.items()}
        expanded |= {**closed, "properties": keys}
    return expanded


def _check_keys(content: Any, source: str) -> None:
    """Raise InputError for a key that is not text, because patterns of a schema cannot be compared with it."""
    for key in content if isinstance(content, dict) else ():
        if not isinstance(key, str):
            raise InputError(f"{source}: found the key {key!r}; expected text, such as '{key}' in quotation marks")
    for part in content.values() if isinstance(content, dict) else content if isinstance(content, list) else ():
        _check_keys(part, source)


def _check_numbers(content: Any, source: str, key: str = "") -> None:
    """Raise InputError for NaN and infinity, because the bounds of a schema do not exclude them."""
    if isinstance(content, float) and not math.isfinite(content):
        raise InputError(f"{source}: {key.removeprefix('.')}: found {content}; expected a finite number")
    parts = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for name, value in parts:
        _check_numbers(value, source, f"{key}.{name}")


def _describe(error: jsonschema.ValidationError) -> str:
    key = ".".join(map(str, error.absolute_path))
    schema: Any = error.schema
    prefix = f"{key}: " if key else ""
    if error.validator == "additionalProperties" and isinstance(error.instance, dict):
        known = schema.get("properties", {})
        patterns = schema.get("patternProperties", {})
        unknown = [str(k) for k in error.instance if k not in known]
        if patterns and not known:
            lower = all("A-Z" not in pattern for pattern in patterns)
            expected = "lower-case letters, digits and '_'" if lower else "letters, digits, '_', '-' and '.'"
            wrong = next(name for name in unknown if not any(re.search(pattern, name) for pattern in patterns))
            return f"{prefix}'{wrong}' is not a valid name; expected {expected}"
        return " | ".join(f"{prefix}unknown key '{name}'{suggest(name, known)}" for name in unknown)
    if error.validator == "required" and isinstance(error.instance, dict):
        missing = next(k for k in schema["required"] if error.message.startswith(repr(k)))
        return f"{prefix}key '{missing}' is missing"
    if error.validator == "enum":
        return f"{prefix}found {error.instance!r}{suggest(str(error.instance), schema['enum'])}"
    if error.validator == "type":
        expected = schema["type"]
        names = expected if isinstance(expected, str) else " or ".join(expected)
        return f"{prefix}found {error.instance!r}; expected {names}"
    expected = schema.get("description")
    return prefix + " ".join(error.message.split()) + (f"; expected: {expected}" if expected else "")
