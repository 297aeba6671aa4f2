"""Complexity tables: parameters and multi-adds of every method's network at the volume size of its cohort."""

from pathlib import Path
from typing import Any

import pandas as pd

from textscf.errors import InputError
from textscf.results.captions import not_run_sentences, subject_sentences
from textscf.results.items import COUNTS, Item, Results, Row
from textscf.tables.content import Content
from textscf.tables.display import Cell, Column, Display, number

CONVENTION = [
    "Multi-adds: multiplications in one forward pass with the weights of convolutions, transposed convolutions and "
    "linear layers and with the filters of a spatially covariant head, one filter for each voxel; biases, activations, "
    "normalisation, resizing, warping and Fourier transforms count nothing.",
    "Inference: the filters of a text-driven head are stored, so that its MLP is not needed.",
]
_SEGMENTOR = "Segmentor: the network that gives the regions of the fixed scan, not among the other numbers."
_ATTENTION = "Attention: its multiplications of activations with each other, which are not among the multi-adds."


def make(item: Item, results: Results, reported: Path) -> Content:
    """Make a complexity table with one line per method that is run.

    The numbers are those of a run's first seed; they do not depend on the seed.
    Columns of the frame: method, run, then `parameters`, `multi_adds` and `attention_multi_adds`, each as
    `<count>_training` and `<count>_inference`, segmentor_parameters (of the network that gives the
    regions), shape (of the volumes, `HxWxD`), notice. InputError if a run has no network or the volumes of the runs
    differ in shape.
    """
    rows = item.without_missing().rows
    frame = pd.DataFrame([_line(results, row) for row in rows]).assign(notice="; ".join(item.notices))
    shapes = sorted(set(frame["shape"]))
    if len(shapes) > 1:
        raise InputError(f"{item.name}: its runs are of volumes of {' and '.join(shapes)}; expected one shape")
    return Content(frame, _display(item, frame))


def counts(values: "pd.Series[int]") -> list[Cell]:
    """Cells with whole numbers and thousands separators."""
    return [Cell(f"{value:,}") for value in values]


def giga(values: "pd.Series[int]") -> list[Cell]:
    """Cells with multi-adds in units of 1e9."""
    return [Cell(number(value / 1e9, 2)) for value in values]


def _line(results: Results, row: Row) -> dict[str, Any]:
    content = results.complexity(row)
    numbers = {f"{count}_{use}": content[use][count] for count in COUNTS for use in ("training", "inference")}
    numbers["segmentor_parameters"] = content["segmentor_parameters"]
    return {"method": row.label, "run": row.run, **numbers, "shape": "x".join(map(str, content["shape"]))}


def _display(item: Item, frame: pd.DataFrame) -> Display:
    columns = [
        Column("Method", "", [Cell(label) for label in frame["method"]]),
        Column("Parameters", "with MLP", counts(frame["parameters_training"])),
        Column("Parameters", "inference", counts(frame["parameters_inference"])),
        Column("Parameters", "segmentor", counts(frame["segmentor_parameters"])),
        Column("Multi-adds (G)", "training", giga(frame["multi_adds_training"])),
        Column("Multi-adds (G)", "inference", giga(frame["multi_adds_inference"])),
        Column("Attention (G)", "", giga(frame["attention_multi_adds_inference"])),
    ]
    shape = f"For a pair of volumes of {frame['shape'].iloc[0]} voxels."
    caption = " ".join([*subject_sentences(item), shape])
    return Display(
        item.number, item.name, caption, columns, [*CONVENTION, _SEGMENTOR, _ATTENTION, *not_run_sentences(item)]
    )
