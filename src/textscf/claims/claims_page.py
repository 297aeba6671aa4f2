"""Claims page as a table: a data frame with all numbers, and a readable table with verdicts and reasons."""

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from textscf.claims.claim_kinds import check
from textscf.claims.evidence import Evidence, Page
from textscf.claims.outcome import NUMBER, Outcome
from textscf.metrics.aggregation import pairs_with_lost
from textscf.results import captions
from textscf.results.items import Results, Row
from textscf.tables.content import Content
from textscf.tables.display import LOST, NOT_CONVERGED, UNDEFINED, Cell, Column, Display
from textscf.training.convergence import RULE

TITLE = "Claims of the paper"
DIRECTION = "direction"

_NOTES = [
    "Reproduced: every comparison that the claim consists of agrees with it by the rule beside it. Not reproduced: at "
    "least one has the opposite sign, or the claimed one with an interval that includes 0 (undecided), or a number "
    "that is too far from the paper's. Not tested: none disagrees, and the study lacks a run that the claim is about.",
    "Intervals: 95 %, by a jackknife over subjects, seeds averaged per pair; they do not contain the spread of seeds. "
    "Of many comparisons the one that decides is shown; the CSV file has all.",
    f"{NOT_CONVERGED} A run counts as converged if for every seed {RULE}. Runs that still learn are compared by their "
    "budgets as well as by their methods.",
]
_OTHER_COHORT = (
    "This study's cohorts are not the paper's; what the paper says of the abdomen is checked on the primary cohort. "
    "Its numbers are not compared: a claim with a number is checked for its direction alone, as the verdict says; one "
    "that is nothing but a number is not tested. Complexity is counted at the paper's sizes in every study."
)


def make(page: Page, results: Results) -> Content:
    """Make the claims table with one line per claim, in the order of the claims file.

    Columns of the frame: id, place, statement, kind, paper (as printed), value, ci_low, ci_high, unit (of the decisive
    comparison), found (in words), comparisons (all of them), compared (`number`, `ordering`, or `direction` if only the
    ordering of a claim with a number was checked), rule, verdict, reason, remarks, runs (names), seeds, notice.
    """
    lines = [_line(claim, page, results) for claim in page.claims]
    frame = pd.DataFrame(lines).assign(notice="; ".join(page.notices))
    return Content(frame, _display(page, frame))


def _line(claim: Mapping[str, Any], page: Page, results: Results) -> dict[str, Any]:
    evidence = Evidence(page, results)
    outcome = check(claim, evidence)
    decisive = outcome.decisive
    numbers = (decisive.value, decisive.low, decisive.high) if decisive else (math.nan,) * 3
    return {
        **{key: claim[key] for key in ("id", "place", "statement", "kind")},
        "paper": _printed(claim),
        **dict(zip(("value", "ci_low", "ci_high"), numbers, strict=True)),
        "unit": decisive.unit if decisive else "",
        "found": outcome.shown,
        "comparisons": "; ".join(part.shown for part in outcome.parts),
        "compared": _compared(claim, outcome),
        "rule": outcome.rule,
        "verdict": outcome.verdict,
        "reason": outcome.reason,
        "remarks": " ".join(_remarks(claim, outcome, evidence)),
        "runs": " ".join(evidence.used),
        "seeds": captions.seeds_phrase([len(row.runs) for name, row in evidence.used.items() if name in page.steps]),
    }


def _compared(claim: Mapping[str, Any], outcome: Outcome) -> str:
    tested = outcome.verdict != "not tested"
    return DIRECTION if tested and "paper" in claim and outcome.compared != NUMBER else outcome.compared


def _verdict(verdict: str, compared: str) -> Cell:
    alone = f" ({DIRECTION})" if compared == DIRECTION else ""
    return Cell(f"{verdict}{alone}", bold=verdict == "reproduced")


def _printed(claim: Mapping[str, Any]) -> str:
    """The paper's value as text."""
    paper = claim.get("paper")
    if "printed" in claim or paper is None:
        return str(claim.get("printed", ""))
    if isinstance(paper, list):
        return " and ".join(f"{value:g}" for value in paper)
    return f"{paper:g}".replace("-", "−")


def _remarks(claim: Mapping[str, Any], outcome: Outcome, evidence: Evidence) -> list[str]:
    """Remarks on a claim: differences in training, runs that have not converged, stand-ins, label leakage."""
    if not outcome.parts:
        return []
    rows = list(evidence.used.values())
    remarks = [*_training(rows, evidence.page.steps), *_learning(rows, evidence)]
    remarks += _lost(rows, evidence) if claim.get("metric") == "hd95" else []
    if "stand_ins" in claim:
        remarks.append(f"In place of {', '.join(f'{name}: {other}' for name, other in claim['stand_ins'].items())}.")
    if "remark" in claim:
        remarks.append(claim["remark"])
    leaky = [row.label for row in rows if row.sees_fixed_labels]
    if leaky:
        names = ", ".join(dict.fromkeys(leaky))
        remarks.append(f"{captions.DAGGER} {names}: the fixed scan's ground-truth labels are input.")
    return remarks


def _training(rows: list[Row], steps: Mapping[str, int]) -> list[str]:
    """Remark on the numbers of training steps; empty if they do not differ."""
    budgets: dict[int, list[str]] = {}
    for row in rows:
        if row.run in steps:
            budgets.setdefault(steps[row.run], []).append(row.label)
    if len(budgets) < 2:
        return []
    parts = [f"{', '.join(dict.fromkeys(labels))} {count:,}" for count, labels in budgets.items()]
    return [f"Trained for different numbers of steps: {'; '.join(parts)}."]


def _learning(rows: list[Row], evidence: Evidence) -> list[str]:
    """Remark that lists runs that have not converged; their comparison depends on the training length."""
    trained = [row for row in rows if row.run in evidence.page.steps]
    labels = [row.label for row in trained if evidence.results.has_converged(row) is False]
    return [f"{NOT_CONVERGED} Not converged: {', '.join(dict.fromkeys(labels))}."] if labels else []


def _lost(rows: list[Row], evidence: Evidence) -> list[str]:
    """Remark with the number of pairs, over all seeds, in which a warp lost a structure; empty if there are none."""
    counts = {row.label: sum(map(pairs_with_lost, evidence.results.metrics(row))) for row in rows}
    lost = "; ".join(f"{label} {count}" for label, count in counts.items() if count)
    return [f"{LOST} Pairs in which the warp lost a structure: {lost}."] if lost else []


def _display(page: Page, frame: pd.DataFrame) -> Display:
    pairs = zip(frame["reason"], frame["remarks"], strict=True)
    why = [". ".join(text for text in pair if text) for pair in pairs]
    columns = [
        Column("Claim", "", [Cell(text) for text in frame["statement"]]),
        Column("In the paper", "", [Cell(text) for text in frame["place"]]),
        Column("Paper", "", [Cell(text) for text in frame["paper"]]),
        Column("This study", "", [Cell(text or UNDEFINED) for text in frame["found"]]),
        Column("Verdict", "", [_verdict(*pair) for pair in zip(frame["verdict"], frame["compared"], strict=True)]),
        Column("Rule", "", [Cell(text) for text in frame["rule"]]),
        Column("Reason and remarks", "", [Cell(f"{text[:1].upper()}{text[1:]}") for text in why]),
    ]
    notes = [*_NOTES, captions.convention_sentence(page.convention), *([] if page.paper_cohort else [_OTHER_COHORT])]
    return Display(TITLE, "claims", " ".join([count_sentence(frame), *_subject(page)]), columns, notes)


def count_sentence(frame: pd.DataFrame) -> str:
    """Sentence with the numbers of reproduced, testable and untested claims."""
    reproduced, tested = frame["verdict"] == "reproduced", frame["verdict"] != "not tested"
    directions = int((reproduced & (frame["compared"] == DIRECTION)).sum())
    alone = f" ({directions} of them in direction alone)" if directions else ""
    return (
        f"{reproduced.sum()} of {tested.sum()} testable claims reproduced{alone}; "
        f"{(~tested).sum()} not tested in this study."
    )


def _subject(page: Page) -> list[str]:
    notices = f" ({'; '.join(page.notices)})" if page.notices else ""
    noun = "Cohort" if len(page.cohorts) == 1 else "Cohorts"
    return [f"Study: {page.title}. {noun}: {'; '.join(page.cohorts)}{notices}."]
