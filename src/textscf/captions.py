"""Sentences of captions: what a table or figure shows, of what, and how it was counted."""

from textscf.metrics.aggregation import Convention
from textscf.results import Item

DAGGER = "†"

_CONVENTIONS: dict[Convention, str] = {
    "paper": (
        "Convention `paper`: a structure missing from a scan counts as Dice 0 and is left out of HD95; a structure that "
        "the warp loses counts with its HD95 before registration."
    ),
    "learn2reg": (
        "Convention `learn2reg`: a structure missing from a scan is left out; a structure that the warp loses makes "
        "HD95 infinite."
    ),
}


def subject_sentences(item: Item) -> list[str]:
    """The item's own first sentence, then study, cohorts and what is simulated about them."""
    cohorts = "; ".join(item.cohorts)
    noun = "Cohort" if len(item.cohorts) == 1 else "Cohorts"
    notices = f" ({'; '.join(item.notices)})" if item.notices else ""
    return [_sentence(item.caption), f"Study: {item.study_title}. {noun}: {cohorts}{notices}."]


def convention_sentence(convention: Convention) -> str:
    """How missing and lost structures count."""
    return _CONVENTIONS[convention]


def pairs_sentence(n_pairs: int) -> str:
    """How many test pairs were registered."""
    return f"{n_pairs} test {'pair' if n_pairs == 1 else 'pairs'}."


def seed_count(item: Item) -> str:
    """Number of seeds of the trained rows in words, such as `3 seeds` or `1 to 3 seeds`."""
    counts = [len(row.runs) for row in item.rows]
    fewest, most = min((n for n in counts if n > 1), default=1), max(counts)
    noun = "seed" if most == 1 else "seeds"
    return f"{most} {noun}" if fewest == most else f"{fewest} to {most} {noun}"


def leakage_sentence(labels: list[str]) -> str:
    """The mark of methods that see the labels on which they are scored."""
    verb = "uses" if len(labels) == 1 else "use"
    return (
        f"{DAGGER} {', '.join(labels)} {verb} the fixed scan's ground-truth labels as input, on which "
        f"{'it is' if len(labels) == 1 else 'they are'} scored."
    )


def leakage_sentences(item: Item) -> list[str]:
    """The leakage mark's sentence, if any row of the item needs it."""
    labels = [row.label for row in item.rows if row.sees_fixed_labels]
    return [leakage_sentence(labels)] if labels else []


def marked_label(label: str, sees_fixed_labels: bool) -> str:
    """The label of a method, with a dagger where it sees the labels on which it is scored."""
    return f"{label} {DAGGER}" if sees_fixed_labels else label


def _sentence(text: str) -> str:
    text = text.strip()
    return text if text.endswith((".", "!", "?")) else f"{text}."
