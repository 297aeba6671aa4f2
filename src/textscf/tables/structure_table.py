"""Tables of Dice per structure: one line per method, one column per structure, means over pairs and seeds."""

from pathlib import Path

import pandas as pd

from textscf.metrics.measures import METRICS
from textscf.results import captions
from textscf.results.items import Item, Results, Row
from textscf.results.statistics import ALL
from textscf.tables.content import Content
from textscf.tables.display import NOT_RUN, Cell, Column, Display, number

_DICE = METRICS["dice"]


def make(item: Item, results: Results, reported: Path) -> Content:
    """Make a table of Dice per structure, see `table_kinds.make`."""
    present = [row for row in item.rows if row.runs]
    lines = {row.run: _means(item, results, row) for row in present}
    frame = pd.DataFrame(lines).T.add_suffix(_DICE.column.removeprefix(_DICE.name))
    frame.insert(0, "method", [row.label for row in present])
    return Content(frame.rename_axis("run").reset_index(), _readable(item, results, lines))


def _means(item: Item, results: Results, row: Row) -> pd.Series:
    """Mean Dice in percent by structure; `ALL` is the mean over structures of each pair, averaged over pairs."""
    rows = results.seed_mean(row, item.convention)
    of_pairs = rows.groupby(["fixed", "moving"])[_DICE.name].mean()
    means = rows.groupby("structure", sort=False)[_DICE.name].mean()
    return _DICE.scale * pd.concat([means, pd.Series({ALL: of_pairs.mean()})])


def _readable(item: Item, results: Results, lines: dict[str, pd.Series]) -> Display:
    names = [Cell(captions.marked_label(row)) for row in item.rows]
    structures = list(next(iter(lines.values())).index) if lines else []
    columns = [Column("Method", "", names)]
    for structure in structures:
        texts = [number(lines[row.run][structure], _DICE.decimals) if row.runs else NOT_RUN for row in item.rows]
        columns.append(Column("mean" if structure == ALL else structure, "", [Cell(text) for text in texts]))
    labelled = (results.metrics(row)[0].groupby(["fixed", "moving"]).ngroups for row in item.rows if row.runs)
    pairs = sorted(set(labelled))
    caption = [
        *captions.subject_sentences(item),
        f"{_DICE.heading}, means over {captions.pairs_phrase(pairs)} and seeds.",
    ]
    caption.append(captions.convention_sentence(item.convention))
    notes = [*captions.leakage_sentences(item), *captions.not_run_sentences(item)]
    return Display(item.number, item.name, " ".join(caption), columns, notes)
