"""How trainings went: loss and validation Dice over steps."""

import pandas as pd

from textscf.errors import InputError
from textscf.plotting.drawing import Drawing
from textscf.plotting.points import legend_of, looks, prepare
from textscf.plotting.style import TEXT_WIDTH, journal_style, new_figure
from textscf.results import Item, Results, read_csv

_LINES = ["solid", "dashed", "dotted", "dashdot"]


def draw(item: Item, results: Results) -> Drawing:
    """A line per run: a colour for each row, a line style for each seed; InputError for a row that is not trained."""
    data = histories(item, results)
    with journal_style():
        figure = new_figure(TEXT_WIDTH, 62)
        left, right = figure.subplots(1, 2)
        prepare(left, "Step", "Training loss")
        prepare(right, "Step", "Validation Dice (%)")
        for label, colour, _ in looks(item):
            for n, (_, line) in enumerate(data[data["method"] == label].groupby("run", sort=False)):
                look = {"color": colour, "linewidth": 0.9, "linestyle": _LINES[n % len(_LINES)]}
                left.plot(line["step"], line["loss"], **look)
                right.plot(line["step"], line["validation_dice"], **look)
        legend_of(figure, item, TEXT_WIDTH, marker="s")
    return Drawing(figure, _explanations(item, data), data)


def histories(item: Item, results: Results) -> pd.DataFrame:
    """Columns method, run (its id), step, loss, validation_dice (%), a line per epoch."""
    frames = []
    for row in item.rows:
        if not results.is_trained(row):
            raise InputError(f"{item.name}: run '{row.run}' is not trained and has no curve")
        for run in row.runs:
            path = results.run_folder(run) / "history.csv"
            history = read_csv(path, ["step", "loss", "validation_dice"], "the history of a training")
            shown = history[["step", "loss"]].assign(validation_dice=100 * history["validation_dice"])
            frames.append(shown.assign(method=row.label, run=run))
    return pd.concat(frames, ignore_index=True)[["method", "run", "step", "loss", "validation_dice"]]


def _explanations(item: Item, data: pd.DataFrame) -> list[str]:
    best = data.groupby(["method", "run"], sort=False)["validation_dice"].max().groupby("method", sort=False)
    values = [f"{label} {', '.join(f'{dice:.2f}' for dice in group)}" for label, group in best]
    seeds = ["Line styles: seeds."] if any(len(row.runs) > 1 for row in item.rows) else []
    return ["Means over the steps of an epoch.", *seeds, f"Best validation Dice (%): {'; '.join(values)}."]
