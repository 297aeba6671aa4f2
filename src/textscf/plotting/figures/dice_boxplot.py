"""Figure 3 of the paper: Dice of every structure, methods side by side, with paired t-tests."""

import pandas as pd

from textscf.plotting.basis import BOXES, basis
from textscf.plotting.box_panels import draw_legends, draw_panel, layout
from textscf.plotting.drawing import Drawing
from textscf.plotting.marks import ALPHA, marks_in
from textscf.plotting.style import journal_style
from textscf.results.items import Item, Results, compare_with_reference

NEEDS_DICE = True


def draw(item: Item, results: Results) -> Drawing:
    """Draw boxplots of all structures, ordered by mean Dice of the reference (without a reference, of the last row)."""
    data = dice_of_pairs(item, results)
    tests = compare_with_reference(item, results)
    ordered_by = item.reference_row or item.rows[-1]
    order = structure_order(data, ordered_by.label)
    with journal_style():
        figure, panels = layout(order, len(item.rows))
        for panel in panels:
            draw_panel(panel, item, data, tests)
        draw_legends(figure, item, panels[0].width, marks_in(tests))
    return Drawing(figure, _sentences(item, results, ordered_by.label), data)


def dice_of_pairs(item: Item, results: Results) -> pd.DataFrame:
    """Dice of every pair, averaged over seeds; the item's convention says how missing structures count.

    Columns: method, structure, fixed, moving, dice (%).
    """
    frames = []
    for row in item.rows:
        frame = results.seed_mean(row, item.convention)[["structure", "fixed", "moving", "dice"]]
        frames.append(frame.assign(dice=frame["dice"] * 100, method=row.label))
    return pd.concat(frames, ignore_index=True)


def structure_order(data: pd.DataFrame, method: str) -> list[str]:
    """Structures in descending order of a method's mean Dice; structures without any value come last."""
    means = data[data["method"] == method].groupby("structure", sort=False)["dice"].mean()
    return list(means.sort_values(ascending=False, kind="stable").index)


def _sentences(item: Item, results: Results, ordered_by: str) -> list[str]:
    sentences = [
        *basis(item, results, item.rows),
        f"Structures are ordered by the mean Dice of {ordered_by}.",
        BOXES,
    ]
    missing = _missing(item, results)
    if missing:
        sentences.append(f"Pairs in which a structure is missing from a scan: {missing}.")
    if item.reference_row:
        sentences.append(
            f"Marks above a method's box: two-sided paired t-test over pairs against {item.reference_row.label}, "
            f"p < {ALPHA}; filled: also after Holm's adjustment over structures, and the 95 % interval by subjects "
            f"excludes zero; open: by the paper's test alone. Star: {item.reference_row.label} better, triangle: worse."
        )
    return sentences


def _missing(item: Item, results: Results) -> str:
    """Structures that some pairs lack, with the number of those pairs, such as `gall bladder 12, spleen 1`."""
    metrics = results.metrics(item.rows[-1])[0]
    counts = metrics[metrics["dice"].isna()].groupby("structure", sort=False).size()
    return ", ".join(f"{structure} {count}" for structure, count in counts.items())
