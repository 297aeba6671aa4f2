"""The main result in words: how the reference method stands against the others, and at what cost and on what data."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from textscf.metrics.measures import METRICS
from textscf.results import captions
from textscf.results.items import Item, Results, Row, read_csv
from textscf.results.statistics import ALL

_COLUMNS = [
    *["method", "metric", "structure", "n", "mean_reference", "mean_method", "difference"],
    *["difference_ci95_low", "difference_ci95_high"],
]


@dataclass(frozen=True)
class Summary:
    """The main result: one sentence, then facts as pairs of a subject and what is to be said of it."""

    headline: str
    facts: list[tuple[str, str]]


def summary(item: Item, tests: Path, results: Results) -> Summary | None:
    """The main result of a table; None for a table without a reference, Dice or a method to compare it with.

    If the reference does not see the labels on which it is scored, methods that see them are not compared with it.

    Args:
        item: specification of the table.
        tests: file `<table>_tests.csv` of the table.
        results: files of the table's runs.
    """
    reference = item.reference_row
    if reference is None:
        return None
    fair = [row for row in item.rows if row.runs and row.sees_fixed_labels <= reference.sees_fixed_labels]
    frame = read_csv(tests, _COLUMNS, "the differences between methods, made by src/table.py", empty=True)
    of_dice = (frame["structure"] == ALL) & (frame["metric"] == METRICS["dice"].column)
    mean = {values["method"]: values for _, values in frame[of_dice].iterrows()}
    known = [row for row in fair if row.label in mean]
    others = sorted(known, key=lambda row: mean[row.label]["mean_method"], reverse=True)
    if not others:
        return None
    name = captions.marked_label(reference)
    return Summary(
        _headline(name, others[0].label, mean[others[0].label]),
        [
            *_differences(name, others, mean, reference, results),
            *_trainings([row for row in fair if results.is_trained(row)], results),
            ("Data", "; ".join([*item.cohorts, *(item.notices or ["real scans"])])),
            *_omitted(item),
        ],
    )


def in_words(title: str, made: Summary) -> str:
    """The summary as plain text, a line for each fact."""
    return "\n".join([f"{title}: {made.headline}", *(f"- {subject}: {text}" for subject, text in made.facts)]) + "\n"


def _headline(reference: str, best: str, values: pd.Series) -> str:
    pairs = captions.pairs_phrase([values["n"]])
    names = [(reference, values["mean_reference"]), (best, values["mean_method"])]
    (first, highest), (second, other) = sorted(names, key=lambda named: -named[1])
    told = {True: "", False: ", which the test subjects do not tell apart", None: ""}[_apart(values)]
    return f"{first} has the highest mean Dice, {highest:.2f} % over {pairs}; {second} has {other:.2f} %{told}."


def _differences(
    name: str, others: list[Row], mean: dict[str, pd.Series], reference: Row, results: Results
) -> Iterator[tuple[str, str]]:
    """Differences to the first of the other methods, to the reference's backbone alone, and to no registration."""
    roles = {others[0].run: "the best other method"}
    for row in others:
        if results.is_initial(row):
            roles.setdefault(row.run, "before registration")
        elif _is_backbone(row, reference, results):
            roles[row.run] = " and ".join(filter(None, [roles.get(row.run), "the same network without text"]))
    for row in others:
        if row.run in roles:
            yield f"{name} against {row.label} ({roles[row.run]})", _difference(mean[row.label])


def _is_backbone(row: Row, reference: Row, results: Results) -> bool:
    """Whether a row's network is that of the reference without its head, and its fields are not refined."""
    network, of_reference = (results.settings(each.runs[0]).get("network") or {} for each in (row, reference))
    return bool(network) and not results.is_refined(row) and network == {**of_reference, "head": None}


def _difference(values: pd.Series) -> str:
    low, high = values["difference_ci95_low"], values["difference_ci95_high"]
    interval = "no interval, for want of test subjects"
    if math.isfinite(low):
        verdict = "excludes" if _apart(values) else "includes"
        interval = f"95 % interval by subjects {signed(low)} to {signed(high)}, which {verdict} zero"
    return f"{signed(values['difference'])} points of Dice ({interval})"


def _apart(values: pd.Series) -> bool | None:
    """Whether the interval of a difference excludes zero; None without an interval."""
    low, high = values["difference_ci95_low"], values["difference_ci95_high"]
    return bool(low > 0 or high < 0) if math.isfinite(low) else None


def _trainings(rows: list[Row], results: Results) -> Iterator[tuple[str, str]]:
    """Length of the trainings, and how many of them have converged."""
    if not rows:
        return
    settings = {row.label: results.settings(row.runs[0])["training"] for row in rows}
    schedules = {
        label: captions.schedule_phrase(each["epochs"], each["steps_per_epoch"]) for label, each in settings.items()
    }
    length = " ".join(sentence.partition(" ")[2] for sentence in captions.training_sentences(schedules))
    told = [converged for row in rows if (converged := results.has_converged(row)) is not None]
    of_these = f" {sum(told)} of {len(told)} methods have converged." if told else ""
    yield "Training", length + of_these


def _omitted(item: Item) -> Iterator[tuple[str, str]]:
    for sentence in captions.not_run_sentences(item):
        subject, _, text = sentence.partition(": ")
        yield subject, text


def signed(value: float) -> str:
    """A number with two decimals and a sign."""
    return f"{value:+.2f}".replace("-", "−")
