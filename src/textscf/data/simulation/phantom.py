"""Checks a declarative phantom before it is drawn."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from textscf.data.simulation.checks import check_keys, check_list, check_numbers, check_shape
from textscf.data.simulation.shapes import bounds
from textscf.data.simulation.tissues import FIRST_TISSUE, Tissue
from textscf.errors import InputError

_SECTIONS = ("title", "frame", "subject", "deformation", "parts", "tissues", "scanner")
_OPTIONAL_SECTIONS = ("sliding", "folding", "body")
_BODY: dict[str, dict[str, int]] = {
    "spine": {"aorta": 0, "cava": 0, "behind": 0, "radii": 2, "pitch": 0, "disc": 0, "reach": 0, "aorta_radius": 0},
    "ribs": dict.fromkeys(
        ("margin_from_dome", "margin_rise", "slope", "pitch", "width", "depth", "thickness", "cartilage_from",
         "hip_below"), 0),
    "cavity": dict.fromkeys(("margin", "power", "behind_spine", "thorax", "smooth"), 0),
    "wall": {"muscle": 0, "fat": 0, "fat_spread": 0, "skin": 0, "back": 3},
    "lung": {"liver": 0, "diaphragm": 0, "smooth": 0, "recess_width": 0, "recess_depth": 0, "pleura": 0,
             "mediastinum": 0, "heart_from_liver": 3, "heart_radii": 3},
    "bowel": dict.fromkeys(("width", "threshold", "wall", "gas"), 0),
    "branches": dict.fromkeys(("label", "apart", "width"), 0),
}  # fmt: skip
_SCANNER = {"contrast": 2, "grain": 0, "blur": 0, "noise": 2, "noise_width": 0, "range": 2}
_SLOW_CHANGES = ("drift", "bias")


def check_phantom(phantom: Any, where: str) -> None:
    """Raise InputError naming the first key of `phantom` that is missing, unknown or of the wrong kind.

    `where` is the file or config key that the phantom comes from.
    """
    check_keys(phantom, _SECTIONS, _OPTIONAL_SECTIONS, where)
    check_numbers(phantom["frame"], 3, f"{where}.frame")
    _check_variation(phantom["subject"], f"{where}.subject", ())
    _check_tables(phantom["deformation"], {"width": 0, "amplitude": 0}, f"{where}.deformation")
    if "sliding" in phantom:
        _check_tables(phantom["sliding"], {"centre": 3, "radii": 3, "degrees": 3}, f"{where}.sliding", ("name",))
    if "folding" in phantom:
        _check_tables(phantom["folding"], {"apart": 0, "width": 0}, f"{where}.folding", ("name",))
    if "body" in phantom:
        _check_body(phantom["body"], f"{where}.body")
    needed = [t.name.lower() for t in (Tissue if "body" in phantom else (Tissue.AIR,))]
    check_keys(phantom["tissues"], needed, phantom["tissues"], f"{where}.tissues")
    _check_parts(phantom, where)
    painted = [part.get(key) for part in phantom["parts"] for key in ("tissue", "mirror")]
    used = [name for name in phantom["tissues"] if name in painted and name not in needed]
    check_keys(phantom["tissues"], needed, used, f"{where}.tissues")
    for name, signal in phantom["tissues"].items():
        _check_signal(signal, f"{where}.tissues.{name}")
    _check_scanner(phantom["scanner"], list(phantom["tissues"]), f"{where}.scanner")


def _check_tables(content: Any, numbers: Mapping[str, int], where: str, others: tuple[str, ...] = ()) -> None:
    for index, entry in enumerate(check_list(content, where)):
        _check_table(entry, numbers, f"{where}[{index}]", others)


def _check_table(content: Any, numbers: Mapping[str, int], where: str, others: tuple[str, ...] = ()) -> None:
    check_keys(content, [*others, *numbers], (), where)
    for key, count in numbers.items():
        check_numbers(content[key], count, f"{where}.{key}")


def _check_variation(content: Any, where: str, required: tuple[str, ...], *optional: str) -> None:
    check_keys(content, required, ("size", "turn", "place", *optional), where)
    for key, count in {"size": 0, "turn": 0, "place": 3, "filling": 2}.items():
        if key in content:
            check_numbers(content[key], count, f"{where}.{key}")


def _check_parts(phantom: Mapping[str, Any], where: str) -> None:
    labels: list[int] = []
    for index, part in enumerate(check_list(phantom["parts"], f"{where}.parts")):
        here = f"{where}.parts[{index}]"
        _check_variation(part, here, ("shape",), "label", "tissue", "signal", "mirror", "filling", "slides", "folds")
        check_shape(part["shape"], f"{here}.shape")
        if not np.isfinite(bounds(part["shape"])).all():
            raise InputError(f"{here}.shape: has no end; expected a shape that 'side' only cuts")
        if "label" not in part and "tissue" not in part:
            raise InputError(f"{here}: neither label nor tissue; expected one of them, or both")
        if ("signal" in part) == ("tissue" in part):
            raise InputError(f"{here}: {'both' if 'tissue' in part else 'neither'} of tissue and signal; expected one")
        _check_painted(part, labels, list(phantom["tissues"]), here)
        for name in part.get("slides", ()):
            _check_known(name, [sliding["name"] for sliding in phantom.get("sliding", ())], f"{here}.slides")
        check_keys(part.get("folds", {}), (), [f["name"] for f in phantom.get("folding", ())], f"{here}.folds")
        for name, depth in part.get("folds", {}).items():
            check_numbers(depth, 0, f"{here}.folds.{name}")
        if "signal" in part:
            _check_signal(part["signal"], f"{here}.signal")


def _check_painted(part: Mapping[str, Any], labels: list[int], tissues: list[str], where: str) -> None:
    """Check the label or tissue of a part and add its labels to `labels`, which holds those of earlier parts."""
    if "tissue" in part:
        _check_known(part["tissue"], tissues, f"{where}.tissue")
    if "label" not in part:
        _check_known(part.get("mirror", part["tissue"]), tissues, f"{where}.mirror")
        return
    for key in ("label", "mirror"):
        label = part.get(key, part["label"])
        if not isinstance(label, int) or not 0 < label < FIRST_TISSUE or label in labels:
            raise InputError(f"{where}.{key}: found {label!r}; expected 1 to {FIRST_TISSUE - 1}, each once")
    labels += {part["label"], part.get("mirror", part["label"])}


def _check_known(name: Any, known: list[str], where: str) -> None:
    if name not in known:
        expected = f"one of {', '.join(known)}" if known else "none"
        raise InputError(f"{where}: found {name!r}; expected {expected}")


def _check_body(body: Any, where: str) -> None:
    check_keys(body, [*_BODY, "filled"], (), where)
    for section, numbers in _BODY.items():
        _check_table(body[section], numbers, f"{where}.{section}", ("above",) if section == "lung" else ())
    check_numbers(body["lung"]["above"], None, f"{where}.lung.above")
    for index, filled in enumerate(check_list(body["filled"], f"{where}.filled")):
        here = f"{where}.filled[{index}]"
        check_keys(filled, ("label", "tissue", "wall"), ("gas", "ragged"), here)
        _check_known(filled["tissue"], [t.name.lower() for t in Tissue], f"{here}.tissue")
        check_numbers(filled.get("gas", [0, 0]), 2, f"{here}.gas")


def _check_signal(signal: Any, where: str) -> None:
    check_keys(signal, ("mean",), ("spread", "texture"), where)
    check_numbers(check_list(signal["mean"], f"{where}.mean"), None, f"{where}.mean")
    for key in ("spread", "texture"):
        check_numbers(signal.get(key, 0), 0, f"{where}.{key}")


def _check_scanner(scanner: Any, tissues: list[str], where: str) -> None:
    check_keys(scanner, _SCANNER, (*_SLOW_CHANGES, "blank"), where)
    for key, count in (_SCANNER | dict.fromkeys(_SLOW_CHANGES, 0)).items():
        if key in scanner:
            check_numbers(scanner[key], count, f"{where}.{key}")
    for name in scanner.get("blank", ()):
        _check_known(name, tissues, f"{where}.blank")
