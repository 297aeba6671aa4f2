"""Feature networks, one module each. Importing this package registers them all."""

import importlib
import pkgutil

from textscf.models.backbones.base import BACKBONES, Backbone

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")

__all__ = ["BACKBONES", "Backbone"]
