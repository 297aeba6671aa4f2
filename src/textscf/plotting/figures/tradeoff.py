"""Figure 4 of the paper: mean Dice against SDlogJ, over lambda and with or without integration.

If the cohort is the paper's, the figure also shows the values that the paper prints.
"""

import dataclasses
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.collections import Collection
from matplotlib.colors import to_rgba
from matplotlib.lines import Line2D

from textscf.plotting.basis import basis
from textscf.plotting.drawing import Drawing
from textscf.plotting.looks import looks_of
from textscf.plotting.means import points_of, summarise
from textscf.plotting.point_labels import write_labels
from textscf.plotting.points import MARKER_SIZE, PRINTED, colours_of, draw_markers, legend_of, prepare
from textscf.plotting.style import COLUMN_WIDTH, INK, journal_style, new_figure
from textscf.results.items import Item, Results

_HEIGHT, _LEGEND_LINE = 76.0, 1.3
"""Height of the figure without its legend, and height that each entry adds for the legend, in mm."""

NEEDS_DICE = True


def draw(item: Item, results: Results) -> Drawing:
    """Draw a point per run; points of a sweep are joined in order of lambda, per number of integration steps.

    Rows without registration are horizontal lines. The data has one line per run, then one per value that the paper
    prints, with `printed` set and 0 pairs.
    """
    moved = dataclasses.replace(item, rows=[row for row in item.rows if not results.is_initial(row)])
    data, printed = summarise(item, results), _printed(item)
    shown = data[data["method"].isin([row.label for row in moved.rows])]
    with journal_style():
        figure = new_figure(COLUMN_WIDTH, _HEIGHT + _LEGEND_LINE * len(item.rows))
        axes = figure.subplots()
        prepare(axes, "SDlogJ", "Dice (%)")
        _draw_lines(axes, moved, shown)
        points = draw_markers(axes, moved, shown, "sdlogj", "dice")
        _open_markers(points, shown["steps"] > 0)
        _draw_printed(axes, printed)
        axes.margins(0.13)
        initial = data[~data["method"].isin(shown["method"])]
        more = [*_entries(moved, shown, printed), *_draw_initial(axes, initial)]
        legend_of(figure, moved, COLUMN_WIDTH, more=more)
        write_labels(axes, points, _texts(shown))
    sentences = [
        *_explanations(shown), *_initial_sentences(initial), *_printed_sentences(printed),
        *basis(item, results, points_of(item)),
    ]  # fmt: skip
    own = data.assign(printed=False)
    return Drawing(figure, sentences, own if printed.empty else pd.concat([own, printed], ignore_index=True))


def _printed(item: Item) -> pd.DataFrame:
    """Values that the paper prints, one line per method, with the columns of `summarise` that CSV files need."""
    counts = {"steps": 0, "pairs": 0, "seeds": 0, "trained": False, "printed": True}
    lines = [
        {"method": label, "run": "", "dice": values["dice"], "sdlogj": values["sdlogj"], **counts}
        for label, values in item.printed.items()
        if values["sdlogj"] is not None
    ]
    return pd.DataFrame(lines, columns=["method", "run", "dice", "sdlogj", *counts])


def _printed_sentences(printed: pd.DataFrame) -> list[str]:
    if printed.empty:
        return []
    methods = ", ".join(printed["method"])
    return [f"Hollow stars: values that the paper prints, not of this study ({methods})."]


def _draw_lines(axes: Axes, item: Item, data: pd.DataFrame) -> None:
    sns.lineplot(
        data.sort_values("smoothness"), x="sdlogj", y="dice", hue="method", palette=colours_of(item),
        style=data["steps"] > 0, dashes={False: "", True: (1, 1.65)}, units="steps", estimator=None, sort=False,
        linewidth=0.7, legend=False, ax=axes,
    )  # fmt: skip


def _open_markers(points: Collection, integrated: pd.Series) -> None:
    """Turn the markers of runs with integration into open ones with a thick edge in their colour."""
    is_open, colours = integrated.to_numpy(), points.get_facecolor()
    points.set(
        facecolor=np.where(is_open[:, None], to_rgba("white"), colours),
        edgecolor=np.where(is_open[:, None], colours, to_rgba(INK)),
        linewidth=np.where(is_open, 0.8, 0.4),
    )


def _draw_printed(axes: Axes, printed: pd.DataFrame) -> None:
    known = looks_of(printed["method"])
    axes.scatter(
        printed["sdlogj"], printed["dice"], s=PRINTED["markersize"] ** 2, marker=PRINTED["marker"], facecolor="none",
        edgecolor=[known[label].colour for label in printed["method"]], linewidth=PRINTED["markeredgewidth"],
    )  # fmt: skip


def _draw_initial(axes: Axes, initial: pd.DataFrame) -> list[Line2D]:
    """Draw the Dice before registration as a line, if the axis comes near it; return its entry in the legend.

    An axis that reached down to a much lower value would make all differences between methods invisible.
    """
    entries = []
    known = looks_of(initial["method"])
    low, high = axes.get_ylim()
    for label, dice in zip(initial["method"], initial["dice"], strict=True):
        colour = known[label].colour
        if dice >= low - (high - low):
            axes.axhline(dice, color=colour, linewidth=1.2, zorder=1)
            axes.set_ylim(min(low, dice - 0.05 * (high - dice)), high)
        else:
            text = f"{label} {dice:.1f}, below the axis ↓"
            axes.text(0.99, 0.015, text, transform=axes.transAxes, ha="right", va="bottom", fontsize=6, color=INK)
        entries.append(Line2D([], [], color=colour, linewidth=1.2, label=f"{label} {dice:.1f} %"))
    return entries


def _entries(item: Item, data: pd.DataFrame, printed: pd.DataFrame) -> list[Line2D]:
    """Entries of the legend beside the rows: integration, and values of the paper."""
    entries = []
    if data["steps"].any():
        look: dict[str, Any] = {
            "marker": "o",
            "markersize": MARKER_SIZE,
            "markerfacecolor": "white",
            "markeredgewidth": 0.8,
        }
        entries.append(Line2D([], [], color=INK, linestyle=":", linewidth=0.7, **look, label="with integration"))
    known, own = looks_of(printed["method"]), {row.label for row in item.rows}
    if own & set(known):
        entries.append(Line2D([], [], color=INK, **PRINTED, label="same method, paper"))
    alone = [label for label in known if label not in own]
    return entries + [Line2D([], [], color=known[name].colour, **PRINTED, label=f"{name}, paper") for name in alone]


def _texts(data: pd.DataFrame) -> list[str]:
    """Text beside each point: its lambda if the point belongs to a sweep, else nothing."""
    return [f"λ {value:g}" if swept else "" for value, swept in zip(data["smoothness"], _is_swept(data), strict=True)]


def _is_swept(data: pd.DataFrame) -> pd.Series:
    """Whether a point belongs to a method with several values of lambda."""
    return data.groupby("method")["smoothness"].transform("nunique") > 1


def _explanations(data: pd.DataFrame) -> list[str]:
    sentences = ["Points: means over structures and pairs. Up and to the left is better."]
    if data["steps"].any():
        sentences.append("Open markers and dotted lines: with a diffeomorphic integration layer.")
    swept = data[_is_swept(data)]
    if len(swept):
        ranges = [
            f"{method} {', '.join(f'{value:g}' for value in sorted(set(line['smoothness'])))}"
            for method, line in swept.groupby("method", sort=False)
        ]
        sentences.append(f"Lines join the values of lambda: {'; '.join(ranges)}.")
    return sentences


def _initial_sentences(initial: pd.DataFrame) -> list[str]:
    return ["Horizontal line: Dice before registration."] if len(initial) else []
