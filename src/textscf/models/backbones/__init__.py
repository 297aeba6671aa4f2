"""Feature networks, one module each, of the name that a run gives them.

A module is imported when its network is asked for, as what some of them build on takes many seconds to import.
"""

import importlib
import pkgutil

from textscf.errors import InputError
from textscf.models.backbones.base import Backbone

__all__ = ["Backbone", "backbone_class", "backbone_names"]


def backbone_names() -> list[str]:
    """All backbones, sorted."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if module.name != "base")


def backbone_class(name: str) -> type[Backbone]:
    """`BACKBONE` of the module of this name; InputError if there is none."""
    if name not in backbone_names():
        raise InputError(f"unknown backbone '{name}'; expected one of {', '.join(backbone_names())}")
    found: type[Backbone] = importlib.import_module(f"{__name__}.{name}").BACKBONE
    return found
