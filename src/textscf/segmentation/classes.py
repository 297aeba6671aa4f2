"""Maps a pretrained network's channels to the regions of an anatomy, by name."""

from collections.abc import Mapping, Sequence
from typing import Any

from textscf.errors import InputError
from textscf.files.names import suggest

BACKGROUND = "background"


def region_channels(classes: Sequence[str], anatomy: Mapping[str, Any], source: str) -> list[int]:
    """Channel of each region of `anatomy`, background first, then structures by label.

    Args:
        classes: region of each channel of the network, `background` or the name of a structure.
        anatomy: `{structures: [{label, name}, ...]}`.
        source: where the classes come from, for messages.

    Raises:
        InputError: the names are not the regions of the anatomy, each once.
    """
    structures = sorted(anatomy["structures"], key=lambda structure: structure["label"])
    regions = [BACKGROUND, *(structure["name"] for structure in structures)]
    for name in classes:
        if name not in regions:
            raise InputError(f"{source}: classes: the anatomy has no '{name}'{suggest(name, regions)}")
        if classes.count(name) > 1:
            raise InputError(f"{source}: classes: '{name}' is there {classes.count(name)} times; expected once")
    missing = [name for name in regions if name not in classes]
    if missing:
        raise InputError(f"{source}: classes: nothing stands for '{missing[0]}'; expected each region of the anatomy")
    return [classes.index(name) for name in regions]
