"""Drawing a figure of any kind."""

import dataclasses
from pathlib import Path

from textscf.errors import InputError
from textscf.files.io import atomic_path, write_csv
from textscf.files.registry import FIGURES, entry
from textscf.plotting.drawing import Drawing, note
from textscf.plotting.style import save_figure
from textscf.results.captions import not_run_sentences, subject_sentences
from textscf.results.items import Item, Results
from textscf.results.reported import printed_of


def write_figure(item: Item, results: Results, reported: Path, pdf: Path) -> None:
    """Draw a figure to `pdf`; a `.png`, the plotted values (`.csv`) and the caption (`.txt`) go beside it.

    `reported` is the file with the paper's printed values. Raises InputError as `draw` does.
    """
    item = dataclasses.replace(item, printed=printed_of(item, reported))
    drawing = draw(item, results)
    save_figure(drawing.figure, pdf)
    write_csv(pdf.with_suffix(".csv"), drawing.data)
    with atomic_path(pdf.with_suffix(".txt")) as caption:
        text = " ".join([f"{item.number}.", *subject_sentences(item), *drawing.sentences])
        caption.write_text(f"{text}\n", encoding="utf-8")


def draw(item: Item, results: Results) -> Drawing:
    """Draw a figure of any kind, without the rows that were not run.

    If no test pair has labels, a kind that `NEEDS_DICE` is a note that says so. Raises InputError for an unknown kind,
    or if no row is left.
    """
    module = entry(FIGURES, str(item.kind), item.name)
    present = item.without_missing()
    if not present.rows:
        raise InputError(f"{item.name}: none of its rows is run in this study; nothing to draw")
    needs_dice = getattr(module, "NEEDS_DICE", False)
    if needs_dice and not any(results.has_labels(row) for row in present.rows):
        return note("No test pair has labels of both scans: there is no Dice to show.")
    drawing = module.draw(present, results)
    return dataclasses.replace(drawing, sentences=[*drawing.sentences, *not_run_sentences(item)])
