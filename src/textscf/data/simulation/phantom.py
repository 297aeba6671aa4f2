"""Check of a declarative phantom, before anything is drawn from it."""

from collections.abc import Mapping
from typing import Any

from textscf.data.simulation.checks import check_keys, check_list, check_numbers, check_shape
from textscf.data.simulation.tissues import FIRST_TISSUE, Tissue
from textscf.errors import InputError

_SECTIONS = (
    "title", "frame", "subject", "deformation", "sliding", "organs", "body", "tissues", "scanner",
)  # fmt: skip
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
_SCANNER = {"phase": 2, "grain": 0, "blur": 0, "drift": 0, "noise": 2, "noise_width": 0}


def check_phantom(phantom: Any, where: str) -> None:
    """InputError naming the first key of `phantom` that is missing, unknown or of the wrong kind.

    `where` says which file or config key the phantom comes from.
    """
    check_keys(phantom, _SECTIONS, (), where)
    check_numbers(phantom["frame"], 3, f"{where}.frame")
    _check_variation(phantom["subject"], f"{where}.subject", ())
    for index, scale in enumerate(check_list(phantom["deformation"], f"{where}.deformation")):
        _check_table(scale, {"width": 0, "amplitude": 0}, f"{where}.deformation[{index}]")
    for index, sliding in enumerate(check_list(phantom["sliding"], f"{where}.sliding")):
        _check_table(sliding, {"centre": 3, "radii": 3, "degrees": 3}, f"{where}.sliding[{index}]", ("name",))
    _check_organs(phantom, where)
    _check_body(phantom["body"], f"{where}.body")
    check_keys(phantom["tissues"], [t.name.lower() for t in Tissue], (), f"{where}.tissues")
    for name, entry in phantom["tissues"].items():
        _check_intensity(entry, f"{where}.tissues.{name}")
    _check_table(phantom["scanner"], _SCANNER, f"{where}.scanner")


def _check_table(content: Any, numbers: Mapping[str, int], where: str, others: tuple[str, ...] = ()) -> None:
    check_keys(content, [*others, *numbers], (), where)
    for key, count in numbers.items():
        check_numbers(content[key], count, f"{where}.{key}")


def _check_variation(content: Any, where: str, required: tuple[str, ...], *optional: str) -> None:
    check_keys(content, required, ("size", "turn", "place", *optional), where)
    for key, count in {"size": 0, "turn": 0, "place": 3, "filling": 2}.items():
        if key in content:
            check_numbers(content[key], count, f"{where}.{key}")


def _check_organs(phantom: Mapping[str, Any], where: str) -> None:
    names = [sliding["name"] for sliding in phantom["sliding"]]
    labels: list[int] = []
    for index, organ in enumerate(check_list(phantom["organs"], f"{where}.organs")):
        here = f"{where}.organs[{index}]"
        _check_variation(organ, here, ("label", "shape", "ct"), "filling", "slides")
        label = organ["label"]
        if not isinstance(label, int) or not 0 < label < FIRST_TISSUE or label in labels:
            raise InputError(f"{here}.label: found {label!r}; expected 1 to {FIRST_TISSUE - 1}, each once")
        labels.append(label)
        check_shape(organ["shape"], f"{here}.shape")
        _check_intensity(organ["ct"], f"{here}.ct")
        unknown = [name for name in organ.get("slides", ()) if name not in names]
        if unknown:
            raise InputError(f"{here}.slides: found '{unknown[0]}'; expected one of {', '.join(names)}")


def _check_body(body: Any, where: str) -> None:
    check_keys(body, [*_BODY, "filled"], (), where)
    for section, numbers in _BODY.items():
        _check_table(body[section], numbers, f"{where}.{section}", ("above",) if section == "lung" else ())
    check_numbers(body["lung"]["above"], None, f"{where}.lung.above")
    for index, filled in enumerate(check_list(body["filled"], f"{where}.filled")):
        here = f"{where}.filled[{index}]"
        check_keys(filled, ("label", "tissue", "wall"), ("gas", "ragged"), here)
        if str(filled["tissue"]).upper() not in Tissue.__members__:
            known = ", ".join(t.name.lower() for t in Tissue)
            raise InputError(f"{here}.tissue: found {filled['tissue']!r}; expected one of {known}")
        check_numbers(filled.get("gas", [0, 0]), 2, f"{here}.gas")


def _check_intensity(entry: Any, where: str) -> None:
    check_keys(entry, ("hu",), ("spread", "texture"), where)
    check_numbers(check_list(entry["hu"], f"{where}.hu"), None, f"{where}.hu")
    for key in ("spread", "texture"):
        check_numbers(entry.get(key, 0), 0, f"{where}.{key}")
