"""Sentences for captions and footnotes of tables and figures: study, cohorts, conventions, training, omissions."""

from collections.abc import Mapping, Sequence
from typing import Any

from textscf.metrics.metric import Convention
from textscf.results.items import Item, Row

DAGGER = "†"

_CONVENTIONS: dict[Convention, str] = {
    "paper": (
        "The paper's convention: a structure missing from a scan counts as Dice 0 and is left out of HD95; one that "
        "the warp loses counts with its HD95 before registration."
    ),
    "learn2reg": (
        "Learn2Reg's convention: a structure missing from a scan is left out; one that the warp loses makes HD95 "
        "infinite."
    ),
}


def subject_sentences(item: Item) -> list[str]:
    """The item's own caption, then a sentence with the study, its cohorts and their notices, such as simulated data."""
    cohorts = "; ".join(item.cohorts)
    noun = "Cohort" if len(item.cohorts) == 1 else "Cohorts"
    notices = f" ({'; '.join(item.notices)})" if item.notices else ""
    return [_sentence(item.caption), f"Study: {item.study_title}. {noun}: {cohorts}{notices}."]


def convention_sentence(convention: Convention) -> str:
    """The sentence that explains how a convention counts missing and lost structures."""
    return _CONVENTIONS[convention]


def pairs_phrase(counts: Sequence[int]) -> str:
    """Numbers of test pairs in words; usually all methods have the same number."""
    noun = "pair" if list(counts) == [1] else "pairs"
    return f"{' or '.join(map(str, counts))} test {noun}"


def seeds_phrase(counts: Sequence[int]) -> str:
    """Number of seeds of the trained methods in words, such as `3 seeds` or `1 to 3 seeds`."""
    if not counts:
        return "no training"
    fewest, most = min(counts), max(counts)
    noun = "seed" if most == 1 else "seeds"
    return f"{most} {noun}" if fewest == most else f"{fewest} to {most} {noun}"


def training_sentences(schedules: Mapping[str, str]) -> list[str]:
    """Sentences on the length of training, from label to schedule in words (see `schedule_phrase`)."""
    groups: dict[str, list[str]] = {}
    for label, schedule in schedules.items():
        groups.setdefault(schedule, []).append(label)
    if len(groups) < 2:
        return [f"Training: {schedule}." for schedule in groups]
    parts = [f"{', '.join(labels)} {schedule}" for schedule, labels in groups.items()]
    return [f"Training differs: {'; '.join(parts)}."]


def schedule_phrase(epochs: int, steps_per_epoch: int | None) -> str:
    """Length of a training in words, such as `10 epochs of 90 steps`."""
    return f"{epochs} epochs of {f'{steps_per_epoch} steps' if steps_per_epoch else 'all training pairs'}"


def steps_phrase(epochs: int, steps_per_epoch: int | None) -> str:
    """Length of a training in steps, such as `1,000 steps`."""
    return f"{epochs * steps_per_epoch:,} steps" if steps_per_epoch else schedule_phrase(epochs, steps_per_epoch)


def not_run_sentences(item: Item) -> list[str]:
    """One sentence that lists the omitted rows, runs with the head and sweep points, with reasons; none if all ran."""
    reasons: dict[str, list[str]] = {}
    for label, reason in (entry for row in item.rows for entry in _left_out(row)):
        reasons.setdefault(reason, []).append(label)
    parts = [f"{', '.join(labels)} ({reason})" for reason, labels in reasons.items()]
    return [f"Not run: {'; '.join(parts)}."] if parts else []


def _left_out(row: Row) -> list[tuple[str, str]]:
    """Omitted parts of a row as (label, reason): the whole row, or points of its sweep and its run with the head."""
    if row.not_run:
        return [(row.label, row.not_run)]
    found = [(f"{row.label} with {settings_phrase(point.swept)}", point.not_run) for point in row.points]
    if row.with_head:
        found.append((f"{row.label} with the text-driven head", row.with_head.not_run))
    return [(label, reason) for label, reason in found if reason]


def settings_phrase(settings: Mapping[str, Any]) -> str:
    """Values by dotted setting in words, such as `smoothness 0.1 and integration steps 7`."""
    return " and ".join(f"{setting_name(key)} {value}" for key, value in settings.items())


def setting_name(key: str) -> str:
    """The last part of a dotted setting in words, such as `start channels`."""
    return key.rpartition(".")[2].replace("_", " ")


def leakage_sentences(item: Item) -> list[str]:
    """Explanation of the dagger; empty if no row takes the labels on which it is scored as input."""
    labels = [row.label for row in item.rows if row.sees_fixed_labels]
    if not labels:
        return []
    verb, scored = ("uses", "it is") if len(labels) == 1 else ("use", "they are")
    names = ", ".join(labels)
    return [f"{DAGGER} {names} {verb} the fixed scan's ground-truth labels as input, on which {scored} scored."]


def marked_label(row: Row) -> str:
    """Label of a method, with a dagger if its input has the labels on which it is scored."""
    return f"{row.label} {DAGGER}" if row.sees_fixed_labels else row.label


def _sentence(text: str) -> str:
    text = text.strip()
    return text if text.endswith((".", "!", "?")) else f"{text}."
