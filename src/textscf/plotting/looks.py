"""Colours, markers, lines and hatches of methods: a method looks the same in all figures and on all pages."""

from collections.abc import Iterable
from dataclasses import dataclass

from textscf.plotting.colours import REFERENCE_COLOUR


@dataclass(frozen=True)
class Look:
    """Look of a method in figures: colour, marker of a point, style of a line, hatch of an area."""

    colour: str
    marker: str
    line: str = "solid"
    hatch: str = ""


METHODS = {
    "Initial": Look("#C4C4C4", "o"),
    "ANTs SyN": Look("#505050", "p"),
    "VoxelMorph": Look("#E69F00", "s"),
    "TransMorph": Look("#56B4E9", "^"),
    "TM-TVF": Look("#1F2FA8", "v", "dashed"),
    "Fourier-Net": Look("#009E73", "<", hatch="////"),
    "LKU-Net": Look("#C06C9C", "D"),
    "im2grid": Look("#D55E00", "X"),
    "LapIRN": Look("#6B3A0A", ">"),
    "LapIRN, lambda of its code": Look("#CFC77A", "h", "dashed"),
    "LapIRN diff": Look("#8A5CFF", "d", "dashdot"),
    "textSCF": Look(REFERENCE_COLOUR, "P"),
}
"""Looks by label. Any two colours differ by at least 17 in CIELAB, also for deuteranopes and protanopes (simulated as
in Machado et al. 2009)."""

_SHADES = ["#16324A", "#6F91AC", "#B7CBDA", "#3F6685", "#93AFC4"]
_MARKERS = ["o", "s", "^", "D", "v", "P", "X", "<", ">"]
_LINES = ["solid", "dashed", "dotted", "dashdot"]
_HATCHES = ["", "////", "...."]


def looks_of(labels: Iterable[str]) -> dict[str, Look]:
    """Looks by label; labels that are no known method, such as settings of one, get shades that no method has."""
    looks: dict[str, Look] = {}
    for label in labels:
        turn, shade = divmod(sum(known not in METHODS for known in looks), len(_SHADES))
        other = Look(
            _SHADES[shade],
            _MARKERS[(turn * len(_SHADES) + shade) % len(_MARKERS)],
            _LINES[turn % len(_LINES)],
            _HATCHES[turn % len(_HATCHES)],
        )
        looks.setdefault(label, METHODS.get(label, other))
    return looks
