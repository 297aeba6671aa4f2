"""Checks of tables and figures that their schema cannot make."""

from collections.abc import Mapping
from typing import Any

from textscf.errors import InputError
from textscf.files.names import suggest

Settings = Mapping[str, Any]
RULES = frozenset(
    {"all", "claims", "complexity_claim", "complexity_table", "download", "download_weights", "embed_prompts",
     "evaluate", "export", "figure", "figures", "learning_rate_table", "models", "preprocess", "prompts", "quick",
     "release", "report", "run_complexity", "segment", "segmentor_accuracy", "segmentors", "settings", "simulate",
     "structure_table", "table", "tables", "train", "train_segmentor", "viewer"}
)  # fmt: skip
"""Rules of the workflow; tables and figures are targets beside them."""


def check_name(name: str, where: str) -> None:
    """Raise InputError for a table or figure that has the name of a rule."""
    if name in RULES:
        raise InputError(f"{where}: '{name}' is a rule of the workflow; expected another name, as each is a target")


def check_structure(name: str | None, cohort: Settings, where: str) -> None:
    """Raise InputError for a structure to be drawn that the cohort does not have."""
    names = [structure["name"] for structure in cohort["anatomy"]["structures"]]
    if name is not None and name not in names:
        found = f"'{name}' is no structure of cohort {cohort['name']}"
        raise InputError(f"{where}: structure: {found}{suggest(name, names)}")


def check_item(item: str, spec: Settings, reported: Mapping[str, Any], where: str) -> None:
    """Check what a table or figure says of its rows and of the paper's values.

    Args:
        item: name with its kind, such as ``tables.table3``.
        spec: settings, with all rows.
        reported: content of `config/reported.yaml`.
        where: beginning of messages.

    Raises:
        InputError: the reference is not the run of a row, the rows of a table of accuracy have details under different
            headings, or the paper has no such values.
    """
    runs = [row["run"] for row in spec["rows"]]
    if spec.get("reference") not in (None, *runs):
        reference = spec["reference"]
        raise InputError(f"{where}: reference '{reference}' is not the run of a row{suggest(reference, runs)}")
    is_table = item.startswith("tables.")
    headings = [list(row.get("details", {})) for row in spec["rows"]]
    if is_table and spec.get("kind", "accuracy") == "accuracy":
        other = next((n for n, each in enumerate(headings) if each != headings[0]), None)
        if other is not None:
            found = f"{headings[other]} in row '{runs[other]}'"
            raise InputError(f"{where}: details: {found}; expected {headings[0]} in each row, as in the first")
    if "reported" in spec:
        _check_reported(spec, {name: each for name, each in reported.items() if "rows" in each or not is_table}, where)


def _check_reported(spec: Settings, reported: Mapping[str, Any], where: str) -> None:
    name = spec["reported"]
    if name not in reported:
        raise InputError(f"{where}: reported: the paper's values have no '{name}'{suggest(name, list(reported))}")
    if "rows" not in reported[name]:
        return
    lines = [str(next(iter(line.values()))) for line in reported[name]["rows"]]
    for row in spec["rows"]:
        if row.get("reported", lines[0]) not in lines:
            wrong = row["reported"]
            raise InputError(f"{where}: row '{row['run']}': reported: {name} has no '{wrong}'{suggest(wrong, lines)}")
