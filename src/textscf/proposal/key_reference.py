"""Reference of all configuration keys, made from the schemas."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from textscf.files.io import read_yaml

_FILES = {
    "study": "`config/STUDY.yaml`: a study",
    "run": "`defaults` and `runs` of a study: a run",
    "cohort": "`config/cohorts/NAME.yaml`",
    "data_set": "`config/data_sets/NAME.yaml`",
    "anatomy": "`config/anatomies/NAME.yaml`",
    "prompts": "`config/prompts/NAME.yaml`",
    "experiment": "`config/experiments/NAME.yaml`: runs, tables and figures",
}


def key_reference(config: Path) -> str:
    """Markdown with a table of the keys of each kind of file.

    Args:
        config: the folder `config/`, with `schemas` and `backbones` in it.
    """
    schemas = {path.stem: read_yaml(path) for path in sorted((config / "schemas").glob("*.yaml"))}
    parts = ["# Configuration keys", "Made from `config/schemas/` by `python src/key_reference.py`."]
    for name, title in _FILES.items():
        parts.append(f"## {title}")
        parts.append(
            "\n".join(["| key | what it is | values |", "|---|---|---|", *_rows(schemas[name], name, schemas)])
        )
    for path in sorted((config / "backbones").glob("*.yaml")):
        options = {"properties": read_yaml(path)["options"]}
        parts.append(f"## `backbones: {{{path.stem}: ...}}`")
        rows = list(_rows(options, "run", schemas))
        parts.append("\n".join(["| key | what it is | values |", "|---|---|---|", *rows]) if rows else "No options.")
    return "\n\n".join(parts) + "\n"


def _rows(schema: dict[str, Any], file: str, schemas: dict[str, Any], prefix: str = "") -> Iterator[str]:
    """Rows of the keys of a schema and of those below them, but for parts that have a section of their own."""
    for key, value in schema.get("properties", {}).items():
        part, home = _resolved(value, file, schemas)
        required = " (required)" if key in schema.get("required", ()) else ""
        about = " ".join(str(value.get("description") or part.get("description", "")).split())
        yield f"| `{prefix}{key}`{required} | {_cell(about)} | {_cell(_values(part))} |"
        nested = [(part, "."), (part.get("items"), "[]."), (part.get("additionalProperties"), ".NAME.")]
        nested += [(choice, ".") for choice in (*part.get("oneOf", ()), *part.get("anyOf", ()))]
        for inner, tail in nested:
            found, place = _resolved(inner, home, schemas)
            if place == file or place not in _FILES:
                yield from _rows(found, place, schemas, f"{prefix}{key}{tail}")


def _resolved(schema: Any, file: str, schemas: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """The schema that a reference stands for, and the file that it is in."""
    while isinstance(schema, dict) and "$ref" in schema:
        place, _, pointer = schema["$ref"].partition("#")
        file = Path(place).stem or file
        target = schemas[file]
        for step in filter(None, pointer.split("/")):
            target = target[step]
        if target is schema:
            break
        schema = {**target, **{key: value for key, value in schema.items() if key != "$ref"}}
    return schema if isinstance(schema, dict) else {}, file


def _values(schema: dict[str, Any]) -> str:
    if "const" in schema:
        return f"{schema['const']}"
    if "enum" in schema:
        return ", ".join("null" if value is None else str(value) for value in schema["enum"])
    if "entries_of" in schema:
        return f"one of the registered {schema['entries_of']}"
    kinds = schema.get("type", [])
    text = " or ".join([kinds] if isinstance(kinds, str) else kinds)
    limits = [f"{word} {schema[key]}" for key, word in (("minimum", "from"), ("maximum", "to")) if key in schema]
    default = f"default {schema['default']}" if "default" in schema else ""
    return ", ".join(filter(None, [" ".join([text, *limits]).strip(), default]))


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
