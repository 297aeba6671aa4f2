"""Table of the accuracy of a study's segmentors."""

from collections.abc import Iterable
from pathlib import Path

from textscf.files.layout import Layout
from textscf.results.items import read_csv
from textscf.tables.display import UNDEFINED, Cell, Column, Display


def segmentor_table(segmentors: Iterable[Iterable[str]], results: Path) -> Display | None:
    """Mean Dice of each pair of cohort and segmentor, by split and over all scans; None without segmentors."""
    rows = [(cohort, segmentor, _accuracy(results, cohort, segmentor)) for cohort, segmentor in segmentors]
    if not rows:
        return None
    splits = list(dict.fromkeys(split for *_, accuracy in rows for split in accuracy))
    columns = [
        Column("Segmentor", "", [Cell(segmentor) for _, segmentor, _ in rows]),
        Column("Cohort", "", [Cell(cohort) for cohort, *_ in rows]),
    ]
    for split in splits:
        columns.append(Column("Dice (%)", split, [Cell(accuracy.get(split, UNDEFINED)) for *_, accuracy in rows]))
    caption = "Mean Dice against the label maps of the cohort, for each split and over all scans (number of scans)."
    note = "If a segmentor was trained on a scan, its accuracy there says little about its accuracy on other scans."
    return Display("Segmentors", "segmentors", caption, columns, [note])


def _accuracy(results: Path, cohort: str, segmentor: str) -> dict[str, str]:
    """Dice with the number of scans as text, by split."""
    path = Layout(results).segmentation(cohort, segmentor) / "accuracy_by_split.csv"
    table = read_csv(path, ["split", "scans", "dice"], "the accuracy of a segmentor", empty=True)
    lines = zip(table["split"], table["scans"], table["dice"], strict=True)
    return {split: f"{100 * dice:.1f} ({scans})" for split, scans, dice in lines}
