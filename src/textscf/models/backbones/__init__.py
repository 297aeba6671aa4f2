"""Backbones, one module each; the module's name is the backbone's name in a run's settings.

A module is imported only when its backbone is requested, because some of their libraries take many seconds to import.
"""

import importlib
import pkgutil

from textscf.errors import InputError
from textscf.models.backbones.base import Backbone

__all__ = ["Backbone", "backbone_class", "backbone_names"]


def backbone_names() -> list[str]:
    """Names of all backbones, sorted."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if module.name != "base")


def backbone_class(name: str) -> type[Backbone]:
    """The backbone class of this name: `BACKBONE` of its module. Raises InputError if there is none."""
    if name not in backbone_names():
        raise InputError(f"unknown backbone '{name}'; expected one of {', '.join(backbone_names())}")
    found: type[Backbone] = importlib.import_module(f"{__name__}.{name}").BACKBONE
    return found
