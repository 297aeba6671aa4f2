"""Checks whether the parts of a declarative phantom fit each other; its form is that of config/schemas/phantom.yaml."""

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from textscf.data.simulation.shapes import bounds
from textscf.data.simulation.tissues import FIRST_TISSUE, Tissue
from textscf.errors import InputError


def check_phantom(phantom: Mapping[str, Any], where: str) -> None:
    """Raise InputError naming the first key of `phantom` that does not fit the others.

    `where` is the file or config key that the phantom comes from.
    """
    tissues = phantom["tissues"]
    needed = [tissue.name.lower() for tissue in (Tissue if "body" in phantom else (Tissue.AIR,))]
    for name in needed:
        if name not in tissues:
            raise InputError(f"{where}.tissues: key '{name}' is missing")
    labels: list[int] = []
    for index, part in enumerate(phantom["parts"]):
        here = f"{where}.parts[{index}]"
        _check_shape(part["shape"], f"{here}.shape")
        _check_painted(part, labels, tissues, here)
        for name in part.get("slides", ()):
            _check_known(name, [sliding["name"] for sliding in phantom.get("sliding", ())], f"{here}.slides")
        for name in part.get("folds", ()):
            _check_known(name, [folding["name"] for folding in phantom.get("folding", ())], f"{here}.folds")
    for index, filled in enumerate(phantom.get("body", {}).get("filled", ())):
        _check_known(filled["tissue"], needed, f"{where}.body.filled[{index}].tissue")
    for name in phantom["scanner"].get("blank", ()):
        _check_known(name, tissues, f"{where}.scanner.blank")
    painted = {part.get(key) for part in phantom["parts"] for key in ("tissue", "mirror")}
    for name in tissues:
        _check_known(name, [known for known in tissues if known in needed or known in painted], f"{where}.tissues")


def _check_shape(shape: Mapping[str, Any], where: str) -> None:
    try:
        box = bounds(shape)
    except ValueError:
        raise InputError(f"{where}: a tube's points and radii differ in number; expected as many of both") from None
    if not np.isfinite(box).all():
        raise InputError(f"{where}: has no end; expected a shape that 'side' only cuts")


def _check_painted(part: Mapping[str, Any], labels: list[int], tissues: Collection[str], where: str) -> None:
    """Check what a part is painted as and add its labels to `labels`, which holds those of earlier parts."""
    if "label" not in part and "tissue" not in part:
        raise InputError(f"{where}: neither label nor tissue; expected one of them, or both")
    if ("signal" in part) == ("tissue" in part):
        raise InputError(f"{where}: {'both' if 'tissue' in part else 'neither'} of tissue and signal; expected one")
    if "tissue" in part:
        _check_known(part["tissue"], tissues, f"{where}.tissue")
    if "label" not in part:
        _check_known(part.get("mirror", part["tissue"]), tissues, f"{where}.mirror")
        return
    for key in ("label", "mirror"):
        label = part.get(key, part["label"])
        if not isinstance(label, int) or label in labels:
            raise InputError(f"{where}.{key}: found {label!r}; expected 1 to {FIRST_TISSUE - 1}, each once")
    labels += {part["label"], part.get("mirror", part["label"])}


def _check_known(name: Any, known: Collection[str], where: str) -> None:
    if name not in known:
        expected = f"one of {', '.join(known)}" if known else "none"
        raise InputError(f"{where}: found {name!r}; expected {expected}")
