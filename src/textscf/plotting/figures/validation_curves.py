"""Validation curves: validation Dice over training steps, all methods over each other."""

import textwrap

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from scipy.optimize import isotonic_regression

from textscf.errors import InputError
from textscf.plotting.basis import budget
from textscf.plotting.drawing import Drawing, note
from textscf.plotting.histories import histories
from textscf.plotting.points import looks, prepare
from textscf.plotting.style import COLUMN_WIDTH, INK, PALE, journal_style, new_figure
from textscf.results import captions
from textscf.results.items import Item, Results
from textscf.training.convergence import RULE, SHARE

_HEIGHT, _ROOM, _LINE, _LONGEST = 80.0, 12.0, 2.9, 16
"""Height of the figure, of the part below its axes and of a line of a name in mm; characters in a line of a name."""
_START = 0.05
"""Share of the steps in which curves may lie below the axis: they start so low that later differences would vanish."""


def draw(item: Item, results: Results) -> Drawing:
    """Draw a curve per trained row, with its name and best Dice at its end; InputError if no row is trained."""
    data = histories(item, results)
    if data.empty:
        raise InputError(f"{item.name}: none of its rows is trained; nothing to draw")
    if data["validation_dice"].isna().all():
        return note("No validation pair has labels: there is no validation Dice to show.")
    with journal_style():
        figure = new_figure(COLUMN_WIDTH, _HEIGHT)
        axes = figure.subplots()
        prepare(axes, "Step", "Validation Dice (%)")
        _draw_curves(axes, item, data)
        _write_names(axes, item, data)
    return Drawing(figure, _sentences(item, results), data)


def _draw_curves(axes: Axes, item: Item, data: pd.DataFrame) -> None:
    known = {label: look for label, look in looks(item).items() if label in set(data["method"])}
    for label, look in known.items():
        sns.lineplot(
            data[data["method"] == label], x="step", y="validation_dice", color=look.colour, linestyle=look.line,
            linewidth=1, errorbar=("pi", 100), err_kws={"linewidth": 0, "alpha": 0.25}, ax=axes,
        )  # fmt: skip
    last = data["step"].max()
    axes.axvspan((1 - SHARE) * last, last, color=PALE, alpha=0.5, linewidth=0, zorder=0)
    settled = data.loc[data["step"] >= _START * last, "validation_dice"]
    room = 0.04 * (settled.max() - settled.min() or 1)
    axes.set(xlim=(0, last), ylim=(settled.min() - room, settled.max() + room), xlabel="Step")
    axes.set_ylabel("Validation Dice (%)")


def _write_names(axes: Axes, item: Item, data: pd.DataFrame) -> None:
    """Write names beside the curves' ends in the order of their height, apart from each other."""
    ends = data.groupby(["method", "step"])["validation_dice"].mean().groupby("method").last()
    best = data.groupby(["method", "run"])["validation_dice"].max().groupby("method").mean()
    rows = sorted((row for row in item.rows if row.label in ends), key=lambda row: float(ends[row.label]))
    names = [textwrap.fill(f"{captions.marked_label(row)} {best[row.label]:.1f}", _LONGEST) for row in rows]
    heights = np.array([1 + name.count("\n") for name in names])
    low, high = axes.get_ylim()
    gaps = (np.cumsum(heights) - heights / 2) * _LINE / (_HEIGHT - _ROOM) * (high - low)
    heights_of_ends = np.array([ends[row.label] for row in rows])
    places = isotonic_regression(heights_of_ends - gaps).x + gaps
    known = looks(item)
    for row, name, end, place in zip(rows, names, heights_of_ends, places, strict=True):
        line = {
            "arrowstyle": "-",
            "color": known[row.label].colour,
            "linewidth": 0.5,
            "linestyle": "dotted",
            "shrinkB": 2,
        }
        axes.annotate(
            name, (1, end), (1.07, place), xycoords=axes.get_yaxis_transform(), va="center", fontsize=6, color=INK,
            annotation_clip=False, arrowprops=line | {"relpos": (0, 0.5)},
        )  # fmt: skip


def _sentences(item: Item, results: Results) -> list[str]:
    trained = [row for row in item.rows if results.is_trained(row)]
    rising = [row.label for row in trained if results.has_converged(row) is False]
    seeds = [len(row.runs) for row in trained]
    bands = ["Bands: from the lowest to the highest seed, lines: their mean."] if max(seeds) > 1 else []
    told = f"Not converged: {', '.join(rising)}" if rising else "All have converged"
    return [
        f"{captions.seeds_phrase(seeds).capitalize()}. Mean Dice over the validation pairs, by which the weights are "
        "chosen; names: the best value.",
        *bands,
        f"Grey: the last tenth of the longest training. {told} ({RULE}).",
        f"The first {_START:.0%} of the steps may lie below the axis.".replace("%", " %"),
        *budget(results, trained),
        *captions.leakage_sentences(item),
    ]
