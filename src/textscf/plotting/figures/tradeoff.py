"""Figure 4 of the paper: mean Dice against SDlogJ, over lambda and with or without integration.

If the cohort is the paper's, the figure also shows the methods whose values the paper quotes from other publications.
"""

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.collections import Collection
from matplotlib.colors import to_rgba

from textscf.plotting.basis import basis
from textscf.plotting.drawing import Drawing
from textscf.plotting.means import points_of, summarise
from textscf.plotting.point_labels import write_labels
from textscf.plotting.points import QUOTED, colours_of, draw_markers, legend_of, prepare
from textscf.plotting.style import COLUMN_WIDTH, INK, journal_style, new_figure
from textscf.results.items import Item, Results

_HEIGHT_OF_QUOTED = 2.5
"""Millimetres that a quoted method adds to the figure's height, for its line in the legend."""


def draw(item: Item, results: Results) -> Drawing:
    """Draw a point per run; points of a sweep are joined in order of lambda, per number of integration steps.

    The data has one line per run, then one per quoted method, with `quoted` set and 0 pairs.
    """
    data, quoted = summarise(item, results), _quoted(item)
    with journal_style():
        figure = new_figure(COLUMN_WIDTH, 78 + _HEIGHT_OF_QUOTED * len(item.quoted))
        axes = figure.subplots()
        prepare(axes, "SDlogJ", "Dice (%)")
        _draw_lines(axes, item, data)
        points = draw_markers(axes, item, data, "sdlogj", "dice")
        _open_markers(points, data["steps"] > 0)
        _draw_quoted(axes, item, quoted)
        axes.margins(0.13)
        legend_of(figure, item, COLUMN_WIDTH)
        write_labels(axes, points, _texts(data))
    sentences = [*_explanations(data), *_quoted_sentences(quoted), *basis(item, results, points_of(item))]
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


def _draw_quoted(axes: Axes, item: Item, quoted: pd.DataFrame) -> None:
    axes.scatter(
        quoted["sdlogj"], quoted["dice"], s=QUOTED["markersize"] ** 2, marker=QUOTED["marker"], facecolor="none",
        edgecolor=list(quoted["method"].map(colours_of(item))), linewidth=QUOTED["markeredgewidth"],
    )  # fmt: skip


def _texts(data: pd.DataFrame) -> list[str]:
    """For each point `Int` if it has integration, and lambda if it belongs to a sweep."""
    integrated = ["Int" if steps else "" for steps in data["steps"]]
    values = [f"{value:g}" if swept else "" for value, swept in zip(data["smoothness"], _is_swept(data), strict=True)]
    return [", ".join(filter(None, parts)) for parts in zip(integrated, values, strict=True)]


def _is_swept(data: pd.DataFrame) -> pd.Series:
    """Whether a point belongs to a method with several values of lambda."""
    return data.groupby("method")["smoothness"].transform("nunique") > 1


def _explanations(data: pd.DataFrame) -> list[str]:
    sentences = ["Up and to the left is better."]
    if data["steps"].any():
        sentences.append("Int, open markers and dotted lines: with a diffeomorphic integration layer.")
    swept = data[_is_swept(data)]
    if len(swept):
        ranges = [
            f"{method} {', '.join(f'{value:g}' for value in sorted(set(line['smoothness'])))}"
            for method, line in swept.groupby("method", sort=False)
        ]
        sentences.append(f"Lines join the values of lambda, the small numbers: {'; '.join(ranges)}.")
    return sentences
