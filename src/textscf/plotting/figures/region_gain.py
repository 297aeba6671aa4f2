"""Gain of text-driven filters in each structure, by how well the segmentor finds the structure."""

import dataclasses
from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import ConnectionPatch

from textscf.errors import InputError
from textscf.plotting.basis import INTERVAL, basis
from textscf.plotting.drawing import Drawing, note
from textscf.plotting.points import colours_of, draw_markers, legend_of, prepare
from textscf.plotting.style import COLUMN_WIDTH, INK, PALE, journal_style, new_figure
from textscf.results import captions
from textscf.results.items import Item, Results, compare_with_reference
from textscf.results.statistics import ALL

_FEWEST_STRUCTURES = 5
_PERFECT = 99.9
"""Dice in percent from which regions are those of the ground truth."""
_LOWEST, _LINE, _NAME_SIZE = 62.0, 2.3, 5.0
"""Smallest height in mm of the axes, and of a line of names; size of the names in points."""
_ROOM = 20.0
"""Height in mm of the legend and of the labels below the axes."""

NEEDS_DICE = True


def draw(item: Item, results: Results) -> Drawing:
    """Draw a point for each structure and row but the reference; a note if there is nothing to compare."""
    rows = [row for row in item.rows if row.segmentor]
    if item.reference_row is None or not rows:
        return note("Nothing to compare: the reference or all methods with a segmentor were not run.")
    data = gains(item, results)
    with journal_style():
        figure = new_figure(COLUMN_WIDTH, _height(data) + _ROOM)
        axes = figure.subplots()
        prepare(axes, "Segmentor's Dice (%)", "Gain in Dice (points)")
        axes.axhline(0, color=INK, linewidth=0.8)
        _draw_intervals(axes, item, data)
        _draw_paths(axes, data)
        draw_markers(axes, item, data, "segmentor_dice", "gain")
        _name_structures(axes, data)
        legend_of(figure, dataclasses.replace(item, rows=rows), COLUMN_WIDTH)
    return Drawing(figure, _sentences(item, results, data), data)


def gains(item: Item, results: Results) -> pd.DataFrame:
    """Mean Dice of a structure minus that of the reference, for each row with a segmentor.

    Columns: method, structure, segmentor_dice (percent; mean over the scans that are fixed in a test pair and have the
    structure), gain, low, high (percentage points, with the 95 % interval over subjects). A structure that the
    segmentor's accuracy lacks is left out. Raises InputError for unusable files.
    """
    tests = compare_with_reference(item, results)
    frames = []
    for row in (row for row in item.rows if row.segmentor):
        fixed = set(results.pairs(row)[0]["fixed"])
        of_row = tests[(tests["method"] == row.label) & (tests["structure"] != ALL)].set_index("structure")
        accuracy = results.segmentor_scores(row)
        known = accuracy[accuracy["subject"].isin(fixed)].groupby("structure", sort=False)["dice"].mean()
        if not set(known.index) & set(of_row.index):
            raise InputError(
                f"{item.name}: the accuracy of segmentor '{row.segmentor}' has no structure of the test scans of "
                f"'{row.run}'"
            )
        values = {"segmentor_dice": known, "gain": -of_row["difference"], "low": -of_row["ci_high"]}
        frame = pd.DataFrame(values | {"high": -of_row["ci_low"]}).reindex(of_row.index)
        frames.append((100 * frame).rename_axis("structure").reset_index().assign(method=row.label))
    data = pd.concat(frames, ignore_index=True).dropna(subset="segmentor_dice").reset_index(drop=True)
    return data[["method", "structure", "segmentor_dice", "gain", "low", "high"]]


def rank_correlations(data: pd.DataFrame) -> dict[str, float]:
    """Spearman's correlation of gain and segmentor's Dice over structures, by method; not where it says nothing."""
    found = {}
    for method, lines in data.groupby("method", sort=False):
        values = lines[["segmentor_dice", "gain"]]
        if len(values) >= _FEWEST_STRUCTURES and (values.max() > values.min()).all():
            found[str(method)] = float(values.corr(method="spearman").to_numpy()[0, 1])
    return found


def spread(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Ascending places near ascending `wanted` ones, at least `gap` apart, from `low` to `high` if they have room."""
    up, down = list(wanted), list(wanted)
    for n in range(1, len(wanted)):
        up[n] = max(up[n], up[n - 1] + gap)
        down[-1 - n] = min(down[-1 - n], down[-n] - gap)
    places = [(above + below) / 2 for above, below in zip(up, down, strict=True)]
    for n in range(len(places)):
        places[n] = max(places[n], low + n * gap)
    for n in range(1, len(places) + 1):
        places[-n] = min(places[-n], high - (n - 1) * gap)
    return places


def _draw_intervals(axes: Axes, item: Item, data: pd.DataFrame) -> None:
    """Draw the interval of each gain, but not where the regions are perfect: these lie one upon the other."""
    data = data[data["segmentor_dice"] < _PERFECT]
    colours = list(data["method"].map(colours_of(item)))
    axes.vlines(data["segmentor_dice"], data["low"], data["high"], colors=colours, linewidth=0.6, alpha=0.5)


def _draw_paths(axes: Axes, data: pd.DataFrame) -> None:
    """Join the points of a structure."""
    for _, lines in data.sort_values("segmentor_dice").groupby("structure"):
        axes.plot(lines["segmentor_dice"], lines["gain"], color=PALE, linewidth=0.7, zorder=1)


def _name_structures(axes: Axes, data: pd.DataFrame) -> None:
    """Write the names of structures beside the axes, each joined to its point furthest to the right."""
    ends = data.loc[data.groupby("structure")["segmentor_dice"].idxmax()].sort_values("gain")
    low, high = axes.get_ylim()
    gap = (high - low) * _LINE / _height(data)
    beside = axes.get_yaxis_transform()
    places = spread(list(ends["gain"]), gap, low + gap, high - gap)
    for line, place in zip(ends.to_dict("records"), places, strict=True):
        axes.text(1.1, place, line["structure"], transform=beside, va="center", fontsize=_NAME_SIZE)
        point = (line["segmentor_dice"], line["gain"])
        axes.add_artist(
            ConnectionPatch(point, (1.08, place), axes.transData, beside, color=PALE, linewidth=0.4, zorder=1)
        )
    axes.set_ylim(low, high)


def _height(data: pd.DataFrame) -> float:
    """Height of the axes in mm."""
    return max(_LOWEST, _LINE * (data["structure"].nunique() + 2))


def _sentences(item: Item, results: Results, data: pd.DataFrame) -> list[str]:
    assert item.reference_row is not None
    found = [f"{method} {value:.2f}" for method, value in rank_correlations(data).items()]
    counts = data.groupby("method")["structure"].size()
    lost = data[data["segmentor_dice"] == 0].groupby("method", sort=False)["structure"].agg(", ".join)
    return [
        f"Gain: mean Dice of a structure minus that of {captions.marked_label(item.reference_row)}, paired by pair; "
        f"bars: {INTERVAL}, not drawn for perfect regions. Segmentor's Dice: mean over the test scans that are fixed. "
        "Lines join the same structure.",
        *([f"Spearman's correlation over {counts.max()} structures: {', '.join(found)}."] if found else []),
        *(f"{method} finds no voxel of {structures}." for method, structures in lost.items()),
        *basis(item, results, item.rows),
    ]
