"""Forest plot beside Table 3: by how much the reference's mean Dice exceeds that of each other method."""

import math
import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from textscf.plotting.basis import INTERVAL, basis
from textscf.plotting.drawing import Drawing, note
from textscf.plotting.points import MARKER_SIZE, PRINTED, looks
from textscf.plotting.style import COLUMN_WIDTH, INK, PALE, journal_style, new_figure
from textscf.results import captions
from textscf.results.items import Item, Results, compare_with_reference
from textscf.results.statistics import ALL

_NAMES = ["reference", "method"]
_ROOM, _LINE = 22.0, 4.9
"""Height in mm of the axis and its labels, and of a method's line."""
_LONGEST, _LONGEST_LABEL = 16, 42
"""Characters in a line of a method's name, and of the axis label."""

_BANDS = "Pale bands: from the smallest to the largest difference between single seeds of the two."
_BAND: dict[str, Any] = {"linewidth": 9, "alpha": 0.35, "solid_capstyle": "butt"}

NEEDS_DICE = True


def draw(item: Item, results: Results) -> Drawing:
    """Draw a point with its interval for each method but the reference; a note if there is nothing to compare."""
    if item.reference_row is None or not any(row.runs for row in item.rows if row.run != item.reference):
        return note("Nothing to compare: the reference or all other methods were not run.")
    data = differences(item, results)
    with journal_style():
        figure = new_figure(COLUMN_WIDTH, _ROOM + _LINE * len(data))
        axes = figure.subplots()
        _draw_lines(axes, item, data)
        _draw_axes(axes, item, data)
    return Drawing(figure, _sentences(item, results, data), data)


def differences(item: Item, results: Results) -> pd.DataFrame:
    """Difference of mean Dice, reference minus method, in percentage points; one line per method, as the item's rows.

    Columns: reference, method, pairs, difference, low, high (95 % interval over subjects; NaN for few), seeds_low,
    seeds_high (see `_between`), printed (difference of the paper's means; NaN without them). The mean is over
    structures, then pairs, after seeds are averaged per pair.
    """
    tests = compare_with_reference(item, results)
    tests = tests[tests["structure"] == ALL].reset_index(drop=True)
    points = 100 * tests[["difference", "ci_low", "ci_high"]].set_axis(["difference", "low", "high"], axis=1)
    ours, theirs = (tests[name].map(lambda label: item.printed.get(label, {}).get("dice")) for name in _NAMES)
    printed = pd.to_numeric(ours) - pd.to_numeric(theirs)
    rows = {row.label: row for row in item.rows}
    reference = results.mean_dice(rows[tests["reference"].iloc[0]], item.convention) if len(tests) else []
    ranges = [_between(reference, results.mean_dice(rows[label], item.convention)) for label in tests["method"]]
    seeds = pd.DataFrame(ranges, columns=["seeds_low", "seeds_high"], dtype=float)
    return tests[_NAMES].assign(pairs=tests["n"]).join([points, seeds]).assign(printed=printed)


def _between(reference: Sequence[float], method: Sequence[float]) -> tuple[float, float]:
    """Smallest and largest difference in points of two seeds, given the means of all; NaN if both have one seed."""
    differences = 100 * np.subtract.outer(reference, method)
    return (differences.min(), differences.max()) if differences.size > 1 else (math.nan, math.nan)


def _draw_lines(axes: Axes, item: Item, data: pd.DataFrame) -> None:
    axes.axvline(0, color=INK, linewidth=0.8)
    known = looks(item)
    for place, line in enumerate(data.to_dict("records")):
        look, middle = known[line["method"]], line["difference"]
        reach = [[abs(middle - line["low"])], [abs(line["high"] - middle)]]
        axes.plot([line["seeds_low"], line["seeds_high"]], [place] * 2, color=look.colour, **_BAND)
        axes.errorbar(
            middle, place, xerr=reach, color=look.colour, marker=look.marker, markersize=MARKER_SIZE,
            markeredgecolor=INK, markeredgewidth=0.4, ecolor=INK, elinewidth=0.8, capsize=2, capthick=0.8,
        )  # fmt: skip
        axes.plot(line["printed"], place, color=look.colour, **PRINTED)
        interval = f" [{_signed(line['low'])}, {_signed(line['high'])}]" if math.isfinite(line["low"]) else ""
        text = f"{_signed(middle)}{interval}".replace("-", "−")
        axes.text(1.02, place, text, transform=axes.get_yaxis_transform(), va="center", fontsize=6)


def _signed(points: float) -> str:
    """Number with its sign and one decimal, or two if it would look like zero."""
    if abs(points) < 0.005:
        return "0.00"
    return f"{points:+.2f}" if abs(points) < 0.05 else f"{points:+.1f}"


def _draw_axes(axes: Axes, item: Item, data: pd.DataFrame) -> None:
    rows = {row.label: row for row in item.rows}
    names = [textwrap.fill(captions.marked_label(rows[label]), _LONGEST) for label in data["method"]]
    axes.set_yticks(range(len(data)), names, linespacing=0.9)
    axes.set_ylim(len(data) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", linewidth=0.4, color=PALE)
    axes.set_axisbelow(True)
    assert item.reference_row is not None
    reference = captions.marked_label(item.reference_row)
    difference = textwrap.fill(f"Dice of {reference} minus that of the method", _LONGEST_LABEL)
    axes.set_xlabel(f"{difference}\n(percentage points)")
    low, high = axes.get_xlim()
    axes.set_xlim(min(low, 0), max(high, 0))
    for side, text, align in ((4, f"{reference} better →", "left"), (-4, "← worse", "right")):
        axes.annotate(
            text, (0, 1), (side, 2), xycoords=axes.get_xaxis_transform(), textcoords="offset points", ha=align,
            fontsize=6,
        )  # fmt: skip


def _sentences(item: Item, results: Results, data: pd.DataFrame) -> list[str]:
    return [
        f"Points: difference of the mean Dice over structures and pairs, paired by pair; bars: {INTERVAL}. A bar that "
        "crosses the vertical line has no clear winner.",
        *([_BANDS] if data["seeds_low"].notna().any() else []),
        *(["Hollow stars: differences of the means that the paper prints."] if data["printed"].notna().any() else []),
        *basis(item, results, item.rows),
    ]
