"""Histories of the trainings that a figure shows."""

import pandas as pd

from textscf.results.items import Item, Results, read_csv


def histories(item: Item, results: Results) -> pd.DataFrame:
    """Training histories of all trained runs of an item's rows, one line per epoch.

    Columns: method, run (its id), step, loss, validation_dice (%).
    """
    columns = ["step", "loss", "validation_dice"]
    frames = []
    for row in filter(results.is_trained, item.rows):
        for run in row.runs:
            path = results.training_folder(run) / "history.csv"
            history = read_csv(path, columns, "the history of a training")[columns]
            shown = history.assign(method=row.label, run=run, validation_dice=100 * history["validation_dice"])
            frames.append(shown[["method", "run", *columns]])
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=["method", "run", *columns])
