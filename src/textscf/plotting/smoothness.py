"""Figure 8 of the paper: SDlogJ against the share of non-positive Jacobian determinants, over trained models."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from scipy import stats

from textscf.errors import InputError
from textscf.plotting.drawing import Drawing
from textscf.plotting.points import counted, legend_of, looks, prepare
from textscf.plotting.style import COLUMN_WIDTH, INK, PALE, journal_style, new_figure
from textscf.plotting.summary import summarise
from textscf.results import Item, Results

_FEWEST = 3


def draw(item: Item, results: Results) -> Drawing:
    """A point per model, both axes normalised to their range, with the regression line and its 95 % band.

    InputError for fewer than three models, or models that are all alike.
    """
    data = summarise(item, results).drop_duplicates("run").reset_index(drop=True)
    columns = {"sdlogj": "normalised_sdlogj", "nonpositive_jacobian_percent": "normalised_nonpositive_jacobian"}
    spans = {name: (data[name].min(), data[name].max()) for name in columns}
    if len(data) < _FEWEST or any(low == high for low, high in spans.values()):
        raise InputError(f"{item.name}: {len(data)} models; expected at least {_FEWEST} that differ in smoothness")
    for name, normalised in columns.items():
        data[normalised] = (data[name] - spans[name][0]) / (spans[name][1] - spans[name][0])
    x, y = (data[name].to_numpy() for name in columns.values())
    fit = stats.linregress(x, y)
    with journal_style():
        figure = new_figure(COLUMN_WIDTH, 76)
        axes = figure.subplots()
        prepare(axes, "Normalised SDlogJ", "Normalised share of |J| ≤ 0")
        _draw_regression(axes, x, y)
        for label, colour, marker in looks(item):
            points = data[data["method"] == label]
            axes.plot(
                points["normalised_sdlogj"], points["normalised_nonpositive_jacobian"], marker, color=colour,
                markersize=4.5, markeredgecolor=INK, markeredgewidth=0.4,
            )  # fmt: skip
        axes.text(0.03, 0.97, _result(fit, len(data)), transform=axes.transAxes, va="top")
        legend_of(figure, item, COLUMN_WIDTH)
    return Drawing(figure, [*_explanations(spans), *counted(item, data)], data)


def _draw_regression(axes: Axes, x: np.ndarray, y: np.ndarray) -> None:
    """Least squares and the 95 % confidence band of its mean."""
    fit = stats.linregress(x, y)
    grid = np.linspace(0, 1, 100)
    line = fit.intercept + fit.slope * grid
    axes.plot(grid, line, color=INK, linewidth=0.9)
    error = np.sqrt(((y - fit.intercept - fit.slope * x) ** 2).sum() / (len(x) - 2))
    spread = np.sqrt(1 / len(x) + (grid - x.mean()) ** 2 / ((x - x.mean()) ** 2).sum())
    reach = stats.t.ppf(0.975, len(x) - 2) * error * spread
    axes.fill_between(grid, line - reach, line + reach, color=PALE, zorder=0.5)


def _result(fit: Any, n: int) -> str:
    p = "p < 0.001" if fit.pvalue < 0.001 else f"p = {fit.pvalue:.3f}"
    return f"r = {fit.rvalue:.2f}, {p}\nR² = {fit.rvalue**2:.2f}, n = {n}"


def _explanations(spans: dict[str, tuple[float, float]]) -> list[str]:
    smoothness, folding = spans["sdlogj"], spans["nonpositive_jacobian_percent"]
    return [
        f"Both axes are normalised to the range over the models: SDlogJ {smoothness[0]:.3g} to {smoothness[1]:.3g}, "
        f"share of non-positive determinants {folding[0] / 100:.3g} to {folding[1] / 100:.3g}.",
        "Line: linear regression with its 95 % confidence band; r: Pearson's correlation.",
    ]
