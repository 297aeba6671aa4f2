"""Registries: packages in which each module is one entry, found by its file name. A new file is a new entry."""

import ast
import importlib
from pathlib import Path
from typing import Any

import textscf
from textscf.errors import InputError
from textscf.files.names import suggest

BACKBONES = "textscf.models.backbones"
SIMILARITIES = "textscf.losses.similarities"
ENCODERS = "textscf.prompts.encoders"
METHODS = "textscf.registration.methods"
FIGURES = "textscf.plotting.figures"
MEASURES = "textscf.metrics.measures"


def entries(package: str) -> list[str]:
    """Sorted names of the modules of a registry. Nothing is imported: some modules take seconds."""
    folder = Path(textscf.__file__).parent.joinpath(*package.split(".")[1:])
    return sorted(path.stem for path in folder.glob("[!_]*.py"))


def entries_with(package: str, keyword: str) -> list[str]:
    """Sorted names of the modules that pass ``keyword=True`` to a call. They are read, not imported."""
    folder = Path(textscf.__file__).parent.joinpath(*package.split(".")[1:])
    return [name for name in entries(package) if _passes(folder / f"{name}.py", keyword)]


def _passes(path: Path, keyword: str) -> bool:
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    given = (node for node in nodes if isinstance(node, ast.keyword) and node.arg == keyword)
    return any(isinstance(node.value, ast.Constant) and node.value.value is True for node in given)


def entry(package: str, name: str, where: str) -> Any:
    """The module `name` of a registry, imported; InputError that begins with `where` if there is none."""
    known = entries(package)
    if name not in known:
        raise InputError(f"{where}: unknown {package.rpartition('.')[2][:-1]} '{name}'{suggest(name, known)}")
    return importlib.import_module(f"{package}.{name}")
