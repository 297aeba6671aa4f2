"""Registries: packages in which each module is one entry, found by its file name. A new file is a new entry."""

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


def entry(package: str, name: str, where: str) -> Any:
    """The module `name` of a registry, imported; InputError that begins with `where` if there is none."""
    known = entries(package)
    if name not in known:
        raise InputError(f"{where}: unknown {package.rpartition('.')[2][:-1]} '{name}'{suggest(name, known)}")
    return importlib.import_module(f"{package}.{name}")
