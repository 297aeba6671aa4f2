"""Figure 8 of the paper: SDlogJ against the share of non-positive Jacobian determinants, over trained models."""

from typing import Any

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from scipy import stats

from textscf.plotting.drawing import Drawing
from textscf.plotting.points import draw_markers, legend_of, prepare
from textscf.plotting.style import COLUMN_WIDTH, INK, journal_style, new_figure
from textscf.results import captions
from textscf.results.items import Item, Results

_FEWEST = 3
_REGRESSION = (
    "Line: linear regression with its 95 % confidence band by a bootstrap over models; r: Pearson's correlation."
)
_NORMALISED = {
    "sdlogj": "normalised_sdlogj",
    "nonpositive_jacobian_fraction": "normalised_nonpositive_jacobian_fraction",
}


def draw(item: Item, results: Results) -> Drawing:
    """Draw a point per trained model, and the regression line with its 95 % band; both axes are normalised.

    There is no regression if there are fewer than three models or if one of the two values is the same for all models;
    the caption then says so.
    """
    data = smoothness_of_models(item, results)
    spans = {name: (data[name].min(), data[name].max()) for name in _NORMALISED}
    differ = len(data) >= _FEWEST and all(low < high for low, high in spans.values())
    for name, normalised in _NORMALISED.items():
        low, high = spans[name]
        data[normalised] = (data[name] - low) / (high - low if high > low else 1)
    x, y = _NORMALISED.values()
    with journal_style():
        figure = new_figure(COLUMN_WIDTH, 76)
        axes = figure.subplots()
        if differ:
            sns.regplot(data, x=x, y=y, scatter=False, seed=0, color=INK, line_kws={"linewidth": 0.9}, ax=axes)
            _write_result(axes, stats.linregress(data[x], data[y]), len(data))
        draw_markers(axes, item, data, x, y)
        prepare(axes, "Normalised SDlogJ", "Normalised share of |J| ≤ 0")
        legend_of(figure, item, COLUMN_WIDTH)
    n_pairs = captions.pairs_phrase(sorted(set(data["pairs"])))
    line = _REGRESSION if differ else f"No regression: {len(data)} models, which do not differ enough in smoothness."
    return Drawing(
        figure, [*_explanations(spans), line, f"Means over {n_pairs}.", *captions.leakage_sentences(item)], data
    )


def smoothness_of_models(item: Item, results: Results) -> pd.DataFrame:
    """Means over pairs for every trained model of an item's rows, one line per concrete run.

    Columns: method, run (its id), sdlogj, nonpositive_jacobian_fraction, pairs. A model that several rows share has one
    line, under the row with the fewest models.
    """
    lines: dict[str, dict[str, Any]] = {}
    for row in sorted(filter(results.is_trained, item.rows), key=lambda row: len(row.runs)):
        for run, pairs in zip(row.runs, results.pairs(row), strict=True):
            means = pairs[list(_NORMALISED)].mean()
            lines.setdefault(run, {"method": row.label, "run": run, **means, "pairs": len(pairs)})
    return pd.DataFrame(lines.values(), columns=["method", "run", *_NORMALISED, "pairs"])


def _write_result(axes: Axes, fit: Any, n: int) -> None:
    """Write the correlation and the fit in the upper corner that the line does not reach."""
    p = "p < 0.001" if fit.pvalue < 0.001 else f"p = {fit.pvalue:.3f}"
    text = f"r = {fit.rvalue:.2f}, {p}\nR² = {fit.rvalue**2:.2f}, n = {n}".replace("-", "−")
    x, side = (0.03, "left") if fit.slope > 0 else (0.97, "right")
    axes.text(x, 0.97, text, transform=axes.transAxes, va="top", ha=side)


def _explanations(spans: dict[str, tuple[float, float]]) -> list[str]:
    smoothness, folding = spans["sdlogj"], spans["nonpositive_jacobian_fraction"]
    return [
        f"Both axes are normalised to the range over the models: SDlogJ {smoothness[0]:.3g} to {smoothness[1]:.3g}, "
        f"share of non-positive determinants {folding[0]:.3g} to {folding[1]:.3g}.",
        "A model that several rows share is shown and counted once.",
    ]
