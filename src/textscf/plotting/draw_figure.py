"""Drawing a figure of any kind."""

import dataclasses

from textscf.errors import InputError
from textscf.files.registry import FIGURES, entry
from textscf.plotting.drawing import Drawing
from textscf.results.captions import not_run_sentences
from textscf.results.items import Item, Results


def draw(item: Item, results: Results) -> Drawing:
    """Draw a figure of any kind, without the rows that were not run.

    Raises InputError for an unknown kind, or if no row is left.
    """
    module = entry(FIGURES, str(item.kind), item.name)
    present = item.without_missing()
    if not present.rows:
        raise InputError(f"{item.name}: none of its rows is run in this study; nothing to draw")
    drawing = module.draw(present, results)
    return dataclasses.replace(drawing, sentences=[*drawing.sentences, *not_run_sentences(item)])
