"""Figure 7 of the paper: mean Dice of each backbone without and with the text-driven head."""

import dataclasses
import textwrap
from typing import Any

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from textscf.errors import InputError
from textscf.plotting.drawing import Drawing
from textscf.plotting.means import dice_of_pairs, mean_interval
from textscf.plotting.style import (
    CHARACTER_WIDTH,
    COLUMN_WIDTH,
    INK,
    PALE,
    REFERENCE_COLOUR,
    TEXT_WIDTH,
    journal_style,
    new_figure,
)
from textscf.results import captions
from textscf.results.items import Item, Results, Row

NAMES = ("without", "with")
_LOOKS = {"without": "white", "with": REFERENCE_COLOUR}
_NARROWEST_GROUP, _MARGIN = 13.0, 12.0


def draw(item: Item, results: Results) -> Drawing:
    """Draw two bars for each row, with the 95 % interval of the mean, and the relative improvement above them."""
    data = bar_values(item, results)
    width = COLUMN_WIDTH if len(item.rows) * _NARROWEST_GROUP < COLUMN_WIDTH - _MARGIN else TEXT_WIDTH
    with journal_style():
        figure = new_figure(width, 62)
        axes = figure.subplots()
        _draw_bars(axes, data)
        _draw_improvements(axes, data)
        _label_rows(axes, item, (width - _MARGIN) / len(item.rows))
        bars = [container.get_children()[0] for container in axes.containers[: len(NAMES)]]
        names = [f"{name} text-driven head" for name in NAMES]
        figure.legend(bars, names, ncols=2, loc="outside upper center", handlelength=1.4)
    return Drawing(figure, _sentences(item, results, data), data)


def bar_values(item: Item, results: Results) -> pd.DataFrame:
    """Mean Dice in percent over pairs, seeds averaged per pair, with its 95 % interval.

    Columns: label, pairs, without, without_low, without_high, with, with_low, with_high, improvement_percent (relative
    to the mean without the head). Raises InputError if the two runs of a row were not evaluated on the same pairs.
    """
    lines = []
    for row in item.rows:
        headed = _with_head(item, row)
        values = [dice_of_pairs(item, results, entry) for entry in (row, headed)]
        if set(values[0].index) != set(values[1].index):
            raise InputError(f"{item.name}: '{row.run}' and '{headed.run}' were evaluated on different pairs")
        line: dict[str, Any] = {"label": row.label, "pairs": len(values[0])}
        for name, dice in zip(NAMES, values, strict=True):
            low, high = mean_interval(dice)
            line |= {name: dice.mean(), f"{name}_low": low, f"{name}_high": high}
        lines.append(line)
    data = pd.DataFrame(lines)
    return data.assign(improvement_percent=100 * (data["with"] / data["without"] - 1))


def _with_head(item: Item, row: Row) -> Row:
    if row.with_head is None:
        raise InputError(f"{item.name}: row '{row.label}' has no with_head; expected the run with the text-driven head")
    return dataclasses.replace(row.with_head, label=f"{row.label} with the text-driven head")


def _draw_bars(axes: Axes, data: pd.DataFrame) -> None:
    sns.barplot(
        data.melt("label", NAMES, "head", "dice"), x="label", y="dice", hue="head", palette=_LOOKS, saturation=1,
        width=0.72, edgecolor=INK, linewidth=0.5, legend=False, ax=axes,
    )  # fmt: skip
    for name, bars in zip(NAMES, axes.containers[: len(NAMES)], strict=True):
        places = [bar.get_x() + bar.get_width() / 2 for bar in bars]
        reach = data[[f"{name}_low", f"{name}_high"]].sub(data[name], axis=0).abs().to_numpy().T
        axes.errorbar(places, data[name], reach, fmt="none", ecolor=INK, elinewidth=0.7, capsize=1.5, capthick=0.7)
    axes.set(xlabel="", ylabel="Dice (%)", ylim=(0, 1.08 * float(data[["without_high", "with_high"]].to_numpy().max())))
    axes.grid(axis="y", linewidth=0.4, color=PALE)
    axes.set_axisbelow(True)


def _draw_improvements(axes: Axes, data: pd.DataFrame) -> None:
    for place, line in enumerate(data.to_dict("records")):
        text = f"{line['improvement_percent']:+.1f} %".replace("-", "−")
        top = max(line["without_high"], line["with_high"])
        background = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}
        axes.annotate(text, (place, top), (0, 3.5), textcoords="offset points", ha="center", bbox=background)


def _label_rows(axes: Axes, item: Item, slot: float) -> None:
    """Write the rows' names, with a dagger if the head sees the labels on which it is scored."""
    labels = [captions.marked_label(dataclasses.replace(_with_head(item, row), label=row.label)) for row in item.rows]
    axes.set_xticks(range(len(labels)), [textwrap.fill(label, int(slot / CHARACTER_WIDTH)) for label in labels])
    axes.set_xlim(-0.6, len(labels) - 0.4)
    axes.tick_params(axis="x", length=0)


def _sentences(item: Item, results: Results, data: pd.DataFrame) -> list[str]:
    rows = [entry for row in item.rows for entry in (row, _with_head(item, row))]
    counts = [len(row.runs) for row in rows if results.is_trained(row)]
    pairs = captions.pairs_phrase(sorted(set(data["pairs"])))
    return [
        f"Means over {pairs}; {captions.seeds_phrase(counts)}, averaged per pair.",
        captions.convention_sentence(item.convention),
        "Error bars: 95 % interval of the mean by a bootstrap over subjects. Percentages: improvement relative to the "
        "Dice without the head.",
        *captions.leakage_sentences(dataclasses.replace(item, rows=rows)),
    ]
