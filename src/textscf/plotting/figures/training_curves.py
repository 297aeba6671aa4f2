"""Training curves: loss and validation Dice over steps."""

from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from textscf.errors import InputError
from textscf.plotting.drawing import Drawing
from textscf.plotting.histories import histories
from textscf.plotting.points import looks, prepare
from textscf.plotting.style import TEXT_WIDTH, journal_style, legend_columns, new_figure
from textscf.results.items import Item, Results

_FIRST, _OTHERS = 1.1, 0.5
"""Line widths of the first seed and of the other seeds."""
_LEGEND_COLUMN = 16.0
"""Width in millimetres of a legend column without its text; it holds the line sample."""


def draw(item: Item, results: Results) -> Drawing:
    """Draw a line per run in its row's style, thin for further seeds; InputError for a row that is not trained."""
    for row in item.rows:
        if not results.is_trained(row):
            raise InputError(f"{item.name}: run '{row.run}' is not trained and has no curve")
    data = histories(item, results)
    with journal_style():
        figure = new_figure(TEXT_WIDTH, 62)
        left, right = figure.subplots(1, 2)
        prepare(left, "Step", "Training loss")
        prepare(right, "Step", "Validation Dice (%)")
        styles = {label: {"color": look.colour, "linestyle": look.line} for label, look in looks(item).items()}
        for label, style in styles.items():
            for n, (_, line) in enumerate(data[data["method"] == label].groupby("run", sort=False)):
                look = {**style, "linewidth": _OTHERS if n else _FIRST}
                left.plot(line["step"], line["loss"], **look)
                right.plot(line["step"], line["validation_dice"], **look)
        _legend(figure, styles)
    return Drawing(figure, _explanations(item, data), data)


def _legend(figure: Figure, styles: dict[str, dict[str, Any]]) -> None:
    handles = [Line2D([], [], **style, linewidth=_FIRST, label=label) for label, style in styles.items()]
    columns = legend_columns(handles, TEXT_WIDTH, beside=_LEGEND_COLUMN)
    figure.legend(handles=handles, ncols=columns, loc="outside upper center", handlelength=2.5)


def _explanations(item: Item, data: pd.DataFrame) -> list[str]:
    if data["validation_dice"].isna().all():
        return ["Means over the steps of an epoch.", "No validation pair has labels: there is no validation Dice."]
    best = data.groupby(["method", "run"], sort=False)["validation_dice"].max().groupby("method", sort=False)
    values = [f"{label} {', '.join(f'{dice:.2f}' for dice in group)}" for label, group in best]
    seeds = ["Thin lines: further seeds."] if any(len(row.runs) > 1 for row in item.rows) else []
    return ["Means over the steps of an epoch.", *seeds, f"Best validation Dice (%): {'; '.join(values)}."]
