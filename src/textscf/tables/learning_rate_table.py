"""Learning rate tables: choose each method's learning rate by validation Dice; test pairs are not used."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from textscf.errors import InputError
from textscf.results.captions import not_run_sentences, schedule_phrase, subject_sentences, training_sentences
from textscf.results.items import Item, Results, Row
from textscf.tables.content import Content
from textscf.tables.display import UNDEFINED, Cell, Column, Display, number

_RATE = "training.learning_rate"
_DIVERGED = "*"


def make(item: Item, results: Results, reported: Path) -> Content:
    """Make a learning rate table with one line per method and learning rate.

    Columns of the frame: method, run, learning_rate, best_validation_dice (percent; mean over seeds), seeds, restarts
    (number of restarts after divergence, over all seeds), training (length in words), chosen (whether the rate is the
    method's best), notice. InputError for a row that is not a sweep over only the learning rate.
    """
    rows = item.without_missing().rows
    frame = pd.DataFrame([line for row in rows for line in _lines(item, results, row)])
    best = frame.groupby("method")["best_validation_dice"].transform("max")
    frame["chosen"] = frame["best_validation_dice"].eq(best) & ~frame[["method", "best_validation_dice"]].duplicated()
    frame = frame.assign(notice="; ".join(item.notices))
    return Content(frame, _display(item, frame))


def _lines(item: Item, results: Results, row: Row) -> list[dict[str, Any]]:
    if not row.points or any(list(point.swept) != [_RATE] for point in row.points):
        raise InputError(f"{item.name}: '{row.run}' is no sweep over {_RATE} alone")
    return [_line(results, row, point) for point in row.points]


def _line(results: Results, row: Row, point: Row) -> dict[str, Any]:
    timings, training = [results.timing(run) for run in point.runs], results.settings(point.runs[0])["training"]
    return {
        "method": row.label,
        "run": point.run,
        "learning_rate": point.swept[_RATE],
        "best_validation_dice": 100 * float(np.mean([_dice(timing) for timing in timings])),
        "seeds": len(timings),
        "restarts": sum(len(timing["restarts"]) for timing in timings),
        "training": schedule_phrase(training["epochs"], training["steps_per_epoch"]),
    }


def _dice(timing: dict[str, Any]) -> float:
    """Best validation Dice; NaN for a training without labels of validation pairs."""
    best = timing["best_validation_dice"]
    return np.nan if best is None else float(best)


def _display(item: Item, frame: pd.DataFrame) -> Display:
    methods = list(dict.fromkeys(frame["method"]))
    columns = [Column("Method", "", [Cell(method) for method in methods])]
    for rate in sorted(set(frame["learning_rate"])):
        at_rate = frame[frame["learning_rate"] == rate].set_index("method")
        cells = [_cell(at_rate.loc[method]) if method in at_rate.index else Cell(UNDEFINED) for method in methods]
        columns.append(Column("Validation Dice (%) ↑", f"{rate:g}", cells))
    caption = " ".join([*subject_sentences(item), "By learning rate; each method's best in bold."])
    notes = training_sentences(dict(zip(frame["method"], frame["training"], strict=True)))
    if frame["restarts"].any():
        notes.append(f"{_DIVERGED} diverged, and went on from an earlier state with half the rate, or a quarter.")
    return Display(item.number, item.name, caption, columns, [*notes, *not_run_sentences(item)])


def _cell(line: pd.Series) -> Cell:
    mark = _DIVERGED if line["restarts"] else ""
    return Cell(number(line["best_validation_dice"], 2) + mark, bool(line["chosen"]))
