"""Figure 7 of the paper: mean Dice of each backbone without and with the text-driven head, and the paired gain."""

import dataclasses
import textwrap
from typing import Any

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from textscf.errors import InputError
from textscf.plotting.basis import INTERVAL, basis
from textscf.plotting.colours import REFERENCE_COLOUR
from textscf.plotting.drawing import Drawing
from textscf.plotting.means import dice_of_pairs, mean_interval, seed_means
from textscf.plotting.style import CHARACTER_WIDTH, COLUMN_WIDTH, INK, PALE, TEXT_WIDTH, journal_style, new_figure
from textscf.results import captions
from textscf.results.items import Item, Results, Row

NAMES = ("without", "with")
_LOOKS = {"without": "white", "with": REFERENCE_COLOUR}
_NARROWEST_GROUP, _MARGIN = 13.0, 12.0

NEEDS_DICE = True


def draw(item: Item, results: Results) -> Drawing:
    """Draw two bars for each row with dots for single seeds, and below them the gain with its 95 % interval."""
    data = bar_values(item, results)
    width = COLUMN_WIDTH if len(item.rows) * _NARROWEST_GROUP < COLUMN_WIDTH - _MARGIN else TEXT_WIDTH
    with journal_style():
        figure = new_figure(width, 88)
        axes, gains = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
        _draw_bars(axes, data)
        _draw_improvements(axes, data)
        _draw_gains(gains, data)
        _label_rows(gains, item, (width - _MARGIN) / len(item.rows))
        bars = [container.get_children()[0] for container in axes.containers[: len(NAMES)]]
        names = [f"{name} text-driven head" for name in NAMES]
        figure.legend(bars, names, ncols=2, loc="outside upper center", handlelength=1.4)
    return Drawing(figure, _sentences(item, results), data)


def bar_values(item: Item, results: Results) -> pd.DataFrame:
    """Mean Dice in percent over pairs, seeds averaged per pair, and the gain by the head.

    Columns: label, pairs, without, without_by_seed, with, with_by_seed (means of the seeds, separated by spaces), gain,
    gain_low, gain_high (percentage points, 95 % interval over subjects of the difference paired by pair),
    improvement_percent (relative to the mean without the head). Raises InputError if the two runs of a row were not
    evaluated on the same pairs.
    """
    lines = []
    for row in item.rows:
        headed = _with_head(item, row)
        values = [dice_of_pairs(item, results, entry) for entry in (row, headed)]
        if set(values[0].index) != set(values[1].index):
            raise InputError(f"{item.name}: '{row.run}' and '{headed.run}' were evaluated on different pairs")
        line: dict[str, Any] = {"label": row.label, "pairs": len(values[0])}
        for name, entry, dice in zip(NAMES, (row, headed), values, strict=True):
            seeds = " ".join(f"{100 * mean:.4f}" for mean in seed_means(item, results, entry))
            line |= {name: dice.mean(), f"{name}_by_seed": seeds}
        gain = values[1] - values[0]
        low, high = mean_interval(gain)
        lines.append(line | {"gain": gain.mean(), "gain_low": low, "gain_high": high})
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
        for bar, means in zip(bars, data[f"{name}_by_seed"], strict=True):
            seeds = [float(mean) for mean in means.split()]
            places = [bar.get_x() + bar.get_width() / 2] * len(seeds)
            if len(seeds) > 1:
                axes.plot(places, seeds, "o", markersize=2.5, color="white", markeredgecolor=INK, markeredgewidth=0.6)
    axes.set(xlabel="", ylabel="Dice (%)", ylim=(0, 1.12 * _tops(data).max()))
    axes.grid(axis="y", linewidth=0.4, color=PALE)
    axes.set_axisbelow(True)


def _tops(data: pd.DataFrame) -> pd.Series:
    """Highest bar or dot of each row."""
    seeds = data[[f"{name}_by_seed" for name in NAMES]].agg(" ".join, axis=1).str.split()
    return data[list(NAMES)].max(axis=1).combine(seeds.map(lambda means: max(map(float, means))), max)


def _draw_improvements(axes: Axes, data: pd.DataFrame) -> None:
    for place, (line, top) in enumerate(zip(data.to_dict("records"), _tops(data), strict=True)):
        text = f"{line['improvement_percent']:+.1f} %".replace("-", "−")
        background = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}
        axes.annotate(text, (place, top), (0, 5), textcoords="offset points", ha="center", bbox=background)


def _draw_gains(axes: Axes, data: pd.DataFrame) -> None:
    reach = data[["gain_low", "gain_high"]].sub(data["gain"], axis=0).abs().to_numpy().T
    axes.errorbar(
        data.index, data["gain"], reach, linestyle="", marker="o", markersize=4, color=REFERENCE_COLOUR,
        markeredgecolor=INK, markeredgewidth=0.4, ecolor=INK, elinewidth=0.8, capsize=2, capthick=0.8,
    )  # fmt: skip
    axes.axhline(0, color=INK, linewidth=0.8)
    axes.set_ylabel("Gain (points)")
    axes.grid(axis="y", linewidth=0.4, color=PALE)
    axes.set_axisbelow(True)


def _label_rows(axes: Axes, item: Item, slot: float) -> None:
    """Write the rows' names, with a dagger if the head sees the labels on which it is scored."""
    labels = [captions.marked_label(dataclasses.replace(_with_head(item, row), label=row.label)) for row in item.rows]
    axes.set_xticks(range(len(labels)), [textwrap.fill(label, int(slot / CHARACTER_WIDTH)) for label in labels])
    axes.set_xlim(-0.6, len(labels) - 0.4)
    axes.tick_params(axis="x", length=0)


def _sentences(item: Item, results: Results) -> list[str]:
    rows = [entry for row in item.rows for entry in (row, _with_head(item, row))]
    dots = ["Dots: the mean of each seed."] if any(len(row.runs) > 1 for row in rows) else []
    return [
        "Above: mean Dice; percentages: improvement relative to the Dice without the head.",
        *dots,
        f"Below: gain by the head in percentage points, paired by pair; bars: {INTERVAL}.",
        *basis(dataclasses.replace(item, rows=rows), results, rows),
    ]
