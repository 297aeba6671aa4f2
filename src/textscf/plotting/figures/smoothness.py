"""Figure 8 of the paper: SDlogJ against the share of non-positive Jacobian determinants, over trained models."""

from typing import Any

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from textscf.plotting.basis import budget, pairs_and_subjects
from textscf.plotting.drawing import Drawing
from textscf.plotting.points import draw_markers, legend_of, prepare
from textscf.plotting.style import COLUMN_WIDTH, INK, journal_style, new_figure
from textscf.results import captions
from textscf.results.items import Item, Results

_FEWEST = 10
_SDLOGJ, _FOLDING = "sdlogj", "nonpositive_jacobian_percent"


def draw(item: Item, results: Results) -> Drawing:
    """Draw a point per trained model, and the regression line with its 95 % band where there is one to draw.

    There is no line with fewer than `_FEWEST` models, or if the slope may be 0; the caption then says so.
    """
    data = smoothness_of_models(item, results)
    fit, why_not = _regression(data)
    with journal_style():
        figure = new_figure(COLUMN_WIDTH, 76)
        axes = figure.subplots()
        if fit is not None:
            sns.regplot(
                data, x=_SDLOGJ, y=_FOLDING, scatter=False, seed=0, color=INK, line_kws={"linewidth": 0.9}, ax=axes
            )
            _write_result(axes, item, fit, len(data))
        draw_markers(axes, item, data, _SDLOGJ, _FOLDING)
        prepare(axes, "SDlogJ", "Voxels with |J| ≤ 0 (%)")
        legend_of(figure, item, COLUMN_WIDTH)
    trained = list(filter(results.is_trained, item.rows))
    subjects = pairs_and_subjects(results.pairs(row)[0] for row in trained)
    line = why_not or (
        "Line: linear regression; band: its 95 % interval by a bootstrap over models; r: Pearson's correlation."
    )
    return Drawing(
        figure,
        [
            f"Points: means of one model over {subjects}. A model of several rows is shown and counted once.",
            line,
            *_printed_sentences(item),
            *budget(results, trained),
            *captions.leakage_sentences(item),
        ],
        data,
    )


def _regression(data: pd.DataFrame) -> tuple[Any | None, str]:
    """Linear regression of folding on SDlogJ; None and a sentence with the reason if no line is to be drawn."""
    if len(data) < _FEWEST:
        return None, f"No regression line: {len(data)} models, fewer than {_FEWEST}."
    if any(data[name].min() == data[name].max() for name in (_SDLOGJ, _FOLDING)):
        return None, "No regression line: one of the two values is the same for all models."
    from scipy import stats  # takes long to import, and few figures have a line

    fit = stats.linregress(data[_SDLOGJ], data[_FOLDING])
    reach = fit.stderr * stats.t.ppf(0.975, len(data) - 2)
    low, high = fit.slope - reach, fit.slope + reach
    if low <= 0 <= high:
        interval = f"{low:.3g} to {high:.3g} % per unit of SDlogJ".replace("-", "−")
        return None, f"No regression line: the 95 % interval of its slope, {interval}, includes 0."
    return fit, ""


def smoothness_of_models(item: Item, results: Results) -> pd.DataFrame:
    """Means over pairs for every trained model of an item's rows, one line per concrete run.

    Columns: method, run (its id), sdlogj, nonpositive_jacobian_percent, pairs. A model that several rows share has one
    line, under the row with the fewest models.
    """
    lines: dict[str, dict[str, Any]] = {}
    for row in sorted(filter(results.is_trained, item.rows), key=lambda row: len(row.runs)):
        for run, pairs in zip(row.runs, results.pairs(row), strict=True):
            means = {_SDLOGJ: pairs["sdlogj"].mean(), _FOLDING: 100 * pairs["nonpositive_jacobian_fraction"].mean()}
            lines.setdefault(run, {"method": row.label, "run": run, **means, "pairs": len(pairs)})
    return pd.DataFrame(lines.values(), columns=["method", "run", _SDLOGJ, _FOLDING, "pairs"])


def _write_result(axes: Axes, item: Item, fit: Any, n: int) -> None:
    """Write the correlation and the fit in the upper corner that the line does not reach."""
    p = "p < 0.001" if fit.pvalue < 0.001 else f"p = {fit.pvalue:.3f}"
    text = f"r = {fit.rvalue:.2f}, {p}\nR² = {fit.rvalue**2:.2f}, n = {n}".replace("-", "−")
    if "pearson_r" in item.printed:
        text += f"\npaper: r = {item.printed['pearson_r']:.2f}"
    x, side = (0.03, "left") if fit.slope > 0 else (0.97, "right")
    axes.text(x, 0.97, text, transform=axes.transAxes, va="top", ha=side)


def _printed_sentences(item: Item) -> list[str]:
    if "pearson_r" not in item.printed:
        return []
    r, squared = item.printed["pearson_r"], item.printed["r_squared"]
    return [f"The paper prints r = {r:.2f} and R² = {squared:.2f} for its models."]
