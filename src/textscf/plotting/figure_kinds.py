"""The kinds of figures; `kind` in a figure's specification is a key of `KINDS`."""

import dataclasses
from importlib import import_module

from textscf.errors import InputError
from textscf.plotting.drawing import Drawing
from textscf.results.captions import not_run_sentences
from textscf.results.items import Item, Results

# Each module has `draw(item, results) -> Drawing`. It is imported when used, because only some modules need torch.
KINDS = {
    "cost": "textscf.plotting.cost",
    "dice_boxplot": "textscf.plotting.boxplot",
    "example": "textscf.plotting.example",
    "field": "textscf.plotting.field",
    "head_bars": "textscf.plotting.bars",
    "smoothness": "textscf.plotting.smoothness_plot",
    "sweep_line": "textscf.plotting.sweep_line",
    "tradeoff": "textscf.plotting.tradeoff",
    "training_curves": "textscf.plotting.training_curves",
}


def draw(item: Item, results: Results) -> Drawing:
    """Draw a figure of any kind, without the rows that were not run.

    Raises InputError for an unknown kind, or if no row is left.
    """
    if item.kind not in KINDS:
        raise InputError(f"{item.name}: unknown figure kind '{item.kind}'; expected one of {', '.join(KINDS)}")
    present = item.without_missing()
    if not present.rows:
        raise InputError(f"{item.name}: none of its rows is run in this study; nothing to draw")
    drawing = import_module(KINDS[item.kind]).draw(present, results)
    return dataclasses.replace(drawing, sentences=[*drawing.sentences, *not_run_sentences(item)])
