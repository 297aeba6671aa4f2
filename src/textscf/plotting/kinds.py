"""The kinds of figures: `kind` of a figure's specification names one module here."""

from importlib import import_module

from textscf.errors import InputError
from textscf.plotting.drawing import Drawing
from textscf.results import Item, Results

# Each module has `draw(item, results) -> Drawing` and is imported when used: one needs torch, most do not.
KINDS = {
    "dice_boxplot": "textscf.plotting.boxplot",
    "example": "textscf.plotting.example",
    "head_bars": "textscf.plotting.bars",
}


def draw(item: Item, results: Results) -> Drawing:
    """Draw a figure of any kind; InputError for an unknown one."""
    if item.kind not in KINDS:
        raise InputError(f"{item.name}: unknown figure kind '{item.kind}'; expected one of {', '.join(KINDS)}")
    return import_module(KINDS[item.kind]).draw(item, results)
