"""Reference of all configuration keys, made from the schemas."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from textscf.files.io import read_yaml
from textscf.files.registry import entries

_FILES = {
    "study": "`config/STUDY.yaml`: a study",
    "run": "`defaults` and `runs` of a study: a run",
    "cohort": "`config/cohorts/NAME.yaml`",
    "data_set": "`config/data_sets/NAME.yaml`",
    "anatomy": "`config/anatomies/NAME.yaml`",
    "prompts": "`config/prompts/NAME.yaml`",
    "experiment": "`config/experiments/NAME.yaml`: runs, tables and figures",
}
_OPTIONS = {"backbones": "## `backbones: {{{}: ...}}`", "methods": "## `method: {}`: its `method_options`"}
_INTRODUCTION = """# Configuration keys

Made from `config/schemas/`, `config/backbones/` and `config/methods/` by `python src/key_reference.py`.

In `a.b`, the key `b` is inside the mapping `a`; in `a[].b`, it is inside each entry of the list `a`. NAME is a name of
your choice. A required key must be there if the mapping around it is there and is of the kind that has this key;
"default" is the value if the key is not there.

A run takes its settings from four places, of which later ones win: `config/run_defaults.yaml`, `defaults` of the study,
`runs` of the experiment, `runs` of the study. The defaults below are those of the first, which are the paper's."""
_TYPES = {
    "string": ("text", "texts"),
    "integer": ("integer", "integers"),
    "number": ("number", "numbers"),
    "boolean": ("true or false", "true or false"),
    "array": ("list", "lists"),
    "object": ("mapping", "mappings"),
}
_LIMITS = {"minimum": "from", "exclusiveMinimum": "above", "maximum": "to"}


class _Key(NamedTuple):
    """A key of a schema, with its explanation in words."""

    name: str
    required: bool
    about: str
    values: str


def key_reference(config: Path) -> str:
    """Markdown with a table of the keys of each kind of file.

    Args:
        config: the folder `config/`, with `run_defaults.yaml`, `schemas`, `backbones` and `methods` in it.
    """
    schemas = {path.stem: read_yaml(path) for path in sorted((config / "schemas").glob("*.yaml"))}
    schemas["run"] = _with_defaults(schemas["run"], read_yaml(config / "run_defaults.yaml"))
    parts = [_INTRODUCTION]
    for name, title in _FILES.items():
        parts += [f"## {title}", _table(_keys(schemas[name], name, schemas))]
    for folder, title in _OPTIONS.items():
        for path in sorted((config / folder).glob("*.yaml")):
            content = read_yaml(path)
            own = {"properties": content["options"], **content.get("rules", {})}
            options = _with_defaults(own, content["defaults"])
            parts += [title.format(path.stem), _table(_keys(options, "run", schemas))]
    return "\n\n".join(parts) + "\n"


def _with_defaults(schema: dict[str, Any], defaults: dict[str, Any]) -> dict[str, Any]:
    """A schema whose keys have the values of `defaults` as defaults."""
    keys = dict(schema.get("properties", {}))
    for key, value in defaults.items():
        keys[key] = _with_defaults(keys[key], value) if isinstance(value, dict) else {**keys[key], "default": value}
    return {**schema, "properties": keys}


def _table(keys: Iterable[_Key]) -> str:
    """Markdown table of keys; a key that several choices of a mapping have is one row."""
    by_name: dict[str, list[_Key]] = {}
    for key in keys:
        by_name.setdefault(key.name, []).append(key)
    rows = ["| key | what it is | values |", "|---|---|---|"]
    for name, same in by_name.items():
        required = " (required)" if all(key.required for key in same) else ""
        about, values = _joined((key.about for key in same), "; "), _joined((key.values for key in same), " or ")
        rows.append(f"| `{name}`{required} | {_cell(about)} | {_cell(values)} |")
    return "\n".join(rows)


def _keys(schema: dict[str, Any], file: str, schemas: dict[str, Any], prefix: str = "") -> Iterator[_Key]:
    """The keys of a schema and those below them, without the parts that have their own section."""
    for key, value in schema.get("properties", {}).items():
        part, home = _resolved(value, file, schemas)
        if part:
            about = " ".join(part.get("description", "").split())
            yield _Key(prefix + key, key in schema.get("required", ()), about, _values(part, home, schemas))
            if home == file or home not in _FILES:
                yield from _below(part, home, schemas, prefix + key)
    for choice in _choices(schema):
        yield from _keys(*_resolved(choice, file, schemas), schemas, prefix)


def _below(part: dict[str, Any], file: str, schemas: dict[str, Any], name: str) -> Iterator[_Key]:
    """The keys of the mappings that the key `name` holds."""
    named = (part.get("additionalProperties"), *part.get("patternProperties", {}).values())
    nested = [(part, "."), (part.get("items"), "[]."), *((inner, ".NAME.") for inner in named)]
    for inner, tail in nested:
        found, place = _resolved(inner, file, schemas)
        if place == file or place not in _FILES:
            yield from _keys(found, place, schemas, name + tail)


def _choices(schema: dict[str, Any]) -> list[Any]:
    """The schemas of which a value has to fit one or all."""
    several = [choice for word in ("oneOf", "anyOf", "allOf") for choice in schema.get(word, ())]
    return several + [schema[word] for word in ("then", "else") if word in schema]


def _resolved(schema: Any, file: str, schemas: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """The schema that a reference stands for, and the file that it is in."""
    while isinstance(schema, dict) and "$ref" in schema:
        place, _, pointer = schema["$ref"].partition("#")
        file = Path(place).stem or file
        target = schemas[file]
        for step in filter(None, pointer.split("/")):
            target = target[step]
        schema = {**target, **{key: value for key, value in schema.items() if key != "$ref"}}
    return schema if isinstance(schema, dict) else {}, file


def _values(schema: Any, file: str, schemas: dict[str, Any], plural: bool = False) -> str:
    """The values that a schema allows, in words."""
    schema, file = _resolved(schema, file, schemas)
    default = [f"default {_literal(schema['default'])}"] if "default" in schema else []
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    texts = [_of_type(kind, schema, file, schemas, plural) for kind in kinds if kind != "null"]
    if fixed := _fixed(schema):
        texts = [fixed]
    elif not texts:
        texts = [_values(choice, file, schemas, plural) for choice in _choices(schema)]
    null = ["null"] if "null" in kinds else []
    return "; ".join([_joined(sorted([*texts, *null], key="null".__eq__), " or "), *default])


def _fixed(schema: dict[str, Any]) -> str:
    """The values that a schema lists; empty if it lists none."""
    if "options_of" in schema:
        return "mapping of backbones to mappings, see below"
    listed = [schema["const"]] if "const" in schema else list(schema.get("enum", ()))
    listed += entries(schema["entries_of"]) if "entries_of" in schema else []
    return ", ".join(map(_literal, listed))


def _of_type(kind: str, schema: dict[str, Any], file: str, schemas: dict[str, Any], plural: bool) -> str:
    """The values of one type that a schema allows."""
    text = _TYPES[kind][plural]
    if kind == "array":
        return text + _size(schema) + _of_entries(schema, file, schemas)
    if kind == "object":
        named = [*schema.get("patternProperties", {}).values(), schema.get("additionalProperties")]
        return f"{text} of names to {_values(named[0], file, schemas, True)}" if named[0] else text
    limits = [f" {word} {schema[key]}" for key, word in _LIMITS.items() if key in schema]
    multiple = f", multiple of {schema['multipleOf']}" if "multipleOf" in schema else ""
    return text + "".join(limits) + multiple


def _size(schema: dict[str, Any]) -> str:
    least, most = schema.get("minItems", 0), schema.get("maxItems")
    if least == most:
        return f" of {least}"
    return f" of at least {least}" if least > 1 else " of"


def _of_entries(schema: dict[str, Any], file: str, schemas: dict[str, Any]) -> str:
    if "prefixItems" in schema:
        return f" ({'; '.join(_values(entry, file, schemas) for entry in schema['prefixItems'])})"
    return f" {_values(schema['items'], file, schemas, True)}" if "items" in schema else " values"


def _joined(texts: Iterable[str], separator: str) -> str:
    """The different texts that are not empty, in order."""
    return separator.join(dict.fromkeys(filter(None, texts)))


def _literal(value: Any) -> str:
    """A value in YAML notation."""
    return f"`{value if isinstance(value, str) else json.dumps(value)}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
