"""Codes of the tissue map, the link between labels and intensities."""

from collections.abc import Iterable, Mapping
from enum import IntEnum
from typing import Any


class Tissue(IntEnum):
    """Codes of air and of the tissues around and in the organs of a trunk; all are above every structure label."""

    AIR = 200
    SKIN = 201
    FAT = 202
    MUSCLE = 203
    BOWEL = 204
    BOWEL_CONTENT = 205
    GAS = 206
    LUNG = 207
    HEART = 208
    VESSEL = 209
    SPONGY_BONE = 210
    DENSE_BONE = 211
    DISC = 212
    CORD = 213
    CARTILAGE = 214
    CONTENT = 215
    MEDULLA = 216
    BRANCH = 217


FIRST_TISSUE = int(Tissue.AIR)


def tissue_codes(names: Iterable[str]) -> dict[str, int]:
    """Code of each tissue in `names`: its code in `Tissue`, or else a code after those, in alphabetical order."""
    fixed = {tissue.name.lower(): int(tissue) for tissue in Tissue}
    others = sorted(set(names) - set(fixed))
    return {name: fixed[name] for name in names if name in fixed} | {
        name: max(Tissue) + 1 + index for index, name in enumerate(others)
    }


def painted_codes(part: Mapping[str, Any], codes: Mapping[str, int]) -> list[int]:
    """Codes with which a part of a phantom and, if it has one, its mirror image are painted."""
    names = [part["label"] if "label" in part else part["tissue"], *([part["mirror"]] if "mirror" in part else [])]
    return [int(name) if "label" in part else codes[name] for name in names]


def structure_labels(phantom: Mapping[str, Any]) -> set[int]:
    """Labels of all structures that a phantom draws."""
    return {code for part in phantom["parts"] if "label" in part for code in painted_codes(part, {})}
