"""Figure 4 of the paper: mean Dice against SDlogJ, over lambda and with or without integration.

If the cohort is the paper's, the figure also shows the methods whose values the paper quotes from other publications.
"""

import pandas as pd
from matplotlib.axes import Axes

from textscf.plotting.drawing import Drawing
from textscf.plotting.means import summarise
from textscf.plotting.point_labels import Anchor, write_labels
from textscf.plotting.points import MARKER_SIZE, QUOTED, colours_of, counted, legend_of, looks, prepare
from textscf.plotting.style import COLUMN_WIDTH, INK, journal_style, new_figure
from textscf.results.items import Item, Results

_HEIGHT_OF_QUOTED = 2.5
"""Millimetres that a quoted method adds to the figure's height, for its line in the legend."""


def draw(item: Item, results: Results) -> Drawing:
    """Draw a point per run; points of a sweep are joined in order of lambda, per number of integration steps.

    The data has one line per run, then one per quoted method, with `quoted` set and 0 pairs.
    """
    data = summarise(item, results)
    with journal_style():
        figure = new_figure(COLUMN_WIDTH, 78 + _HEIGHT_OF_QUOTED * len(item.quoted))
        axes = figure.subplots()
        prepare(axes, "SDlogJ", "Dice (%)")
        for label, colour, marker in looks(item):
            _draw_method(axes, data[data["method"] == label], colour, marker)
        quoted = _quoted(item)
        for method, x, y in zip(quoted["method"], quoted["sdlogj"], quoted["dice"], strict=True):
            axes.plot(x, y, color=colours_of(item)[method], **QUOTED)
        axes.margins(0.1)
        legend_of(figure, item, COLUMN_WIDTH)
        numbered = _draw_labels(axes, data, _anchors(quoted, [""] * len(quoted)))
    sentences = [*_explanations(data, numbered), *_quoted_sentences(quoted), *counted(item, data)]
    return Drawing(
        figure, sentences, pd.concat([data.assign(quoted=False), quoted], ignore_index=True) if item.quoted else data
    )


def _quoted(item: Item) -> pd.DataFrame:
    """Values that the paper quotes, one line per method, with the columns of `summarise` that CSV files need."""
    counts = {"steps": 0, "pairs": 0, "seeds": 0, "trained": False, "quoted": True}
    lines = [
        {"method": label, "run": "", "dice": values["dice"], "sdlogj": values["sdlogj"], **counts}
        for label, values in item.quoted.items()
    ]
    return pd.DataFrame(lines, columns=["method", "run", "dice", "sdlogj", *counts])


def _quoted_sentences(quoted: pd.DataFrame) -> list[str]:
    if quoted.empty:
        return []
    methods = ", ".join(quoted["method"])
    return [f"Hollow stars: values that the paper quotes, not of this study ({methods})."]


def _draw_method(axes: Axes, data: pd.DataFrame, colour: str, marker: str) -> None:
    for steps, line in data.sort_values("smoothness").groupby("steps"):
        axes.plot(
            line["sdlogj"], line["dice"], color=colour, linewidth=0.7, linestyle="dotted" if steps else "solid",
            marker=marker, markersize=MARKER_SIZE, markerfacecolor="white" if steps else colour,
            markeredgecolor=colour if steps else INK, markeredgewidth=0.8 if steps else 0.4,
        )  # fmt: skip


def _draw_labels(axes: Axes, data: pd.DataFrame, others: list[Anchor]) -> bool:
    """Write `Int` beside points with integration, and lambda beside points of sweeps if there is room for all texts.

    No text may touch `others`, the markers without a text. Returns whether lambda is written.
    """
    names = ["Int" if steps else "" for steps in data["steps"]]
    values = [f"{value:g}" if swept else "" for value, swept in zip(data["smoothness"], _is_swept(data), strict=True)]
    full = [", ".join(filter(None, parts)) for parts in zip(names, values, strict=True)]
    if write_labels(axes, [*_anchors(data, full), *others], only_if_free=True):
        return any(values)
    write_labels(axes, [*_anchors(data, names), *others])
    return False


def _anchors(data: pd.DataFrame, texts: list[str]) -> list[Anchor]:
    places = zip(data["sdlogj"], data["dice"], texts, strict=True)
    return [Anchor(x, y, MARKER_SIZE / 2, text) for x, y, text in places]


def _is_swept(data: pd.DataFrame) -> pd.Series:
    """Whether a point belongs to a method with several values of lambda."""
    return data.groupby("method")["smoothness"].transform("nunique") > 1


def _explanations(data: pd.DataFrame, numbered: bool) -> list[str]:
    sentences = ["Up and to the left is better."]
    if data["steps"].any():
        sentences.append("Int, open markers and dotted lines: with a diffeomorphic integration layer.")
    swept = data[_is_swept(data)]
    if len(swept):
        ranges = [
            f"{method} {', '.join(f'{value:g}' for value in sorted(set(line['smoothness'])))}"
            for method, line in swept.groupby("method", sort=False)
        ]
        numbers = ", the small numbers" if numbered else ""
        sentences.append(f"Lines join the values of lambda{numbers}: {'; '.join(ranges)}.")
    return sentences
