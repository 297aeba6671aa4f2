"""Writes the page docs/robustness.md: the cases and their outcomes."""

import platform
from collections.abc import Sequence
from itertools import groupby

import pandas as pd

from tests.robustness.case import Outcome
from tests.robustness.runner import MAX_MEBIBYTES, MAX_SECONDS

_INTRODUCTION = """# Robustness

Made by `make robustness`; not to be edited.

## Bad inputs

{count} bad inputs were made from scans and from this project's own files, each in a copy of a small workspace, and
given to the script that reads them, or to Snakemake. **{refused} of {count} were refused** as they must be: within
{seconds:.0f} s and {memory:.0f} MiB, with an exit code that is not 0, with one line that names the file or key and
says why, without a traceback, and with nothing written or changed beside logs (`preprocess.py` writes the list of all
rejected scans). A check of {fresh} of them in new interpreters, as a user starts them, gave {same} times the same.
{limits}

{entries}

Snakemake itself opens a study's file before any of our code runs. If that file is no text in UTF-8, missing, or nested
thousands of levels deep, Snakemake ends with a traceback of its own that names the file; where it is no YAML, it says
so without naming it. Such files are refused, but not in our words.

{kinds}

`make robustness ARGS="--only TEXT"` tries the cases whose kind, script or name has TEXT.

## Faults

`tests/test_faults.py` kills, stops and starves the workflow; its last run printed:

{faults}
"""


def make_page(outcomes: Sequence[Outcome], fresh: Sequence[Outcome], faults: str) -> str:
    """Make the page in Markdown from all outcomes, the outcomes in new interpreters, and the fault tests' results."""
    slowest = max(outcomes, key=lambda outcome: outcome.seconds)
    largest = max(outcomes, key=lambda outcome: outcome.mebibytes)
    limits = (
        f"The slowest took {slowest.seconds:.1f} s ({slowest.case.name}, {slowest.case.entry}); the largest "
        f"{largest.mebibytes:.0f} MiB ({largest.case.name}, {largest.case.entry}), of which the imports are most. "
        f"Python {platform.python_version()}, {platform.system()}."
    )
    return _INTRODUCTION.format(
        count=len(outcomes),
        refused=sum(not outcome.problems for outcome in outcomes),
        seconds=MAX_SECONDS,
        memory=MAX_MEBIBYTES,
        fresh=len(fresh),
        same=sum(not outcome.problems for outcome in fresh),
        limits=limits,
        entries=_entries(outcomes),
        kinds=_kinds(outcomes),
        faults=faults,
    )


def _entries(outcomes: Sequence[Outcome]) -> str:
    frame = pd.DataFrame(
        {
            "entry point": [f"`{found.case.entry}`" for found in outcomes],
            "refused": [not found.problems for found in outcomes],
            "seconds": [found.seconds for found in outcomes],
            "MiB": [found.mebibytes for found in outcomes],
        }
    )
    grouped = frame.groupby("entry point", sort=True)
    summary = grouped.agg(
        cases=("refused", "size"), refused=("refused", "sum"), slowest=("seconds", "max"), largest=("MiB", "max")
    )
    summary = summary.rename(columns={"slowest": "slowest, s", "largest": "largest, MiB"}).reset_index()
    return str(summary.to_markdown(index=False, floatfmt=("", ".0f", ".0f", ".1f", ".0f")))


def _kinds(outcomes: Sequence[Outcome]) -> str:
    """A line for each kind of input: how many were tried and refused, and what one of them leads to."""
    rows = []
    for kind, group in groupby(outcomes, lambda found: found.case.kind):
        found = list(group)
        shown = next((outcome for outcome in found if outcome.problems), found[0])
        rows.append(
            {
                "kind of input": kind,
                "cases": len(found),
                "refused": sum(not outcome.problems for outcome in found),
                "for example": f"{_cell(shown.case.name)}, `{shown.case.entry}`",
                "what it says": _cell("; ".join(shown.problems) or shown.line),
            }
        )
    return str(pd.DataFrame(rows).to_markdown(index=False))


def _cell(text: str) -> str:
    printable = "".join(character if character.isprintable() else "?" for character in text)
    shown = printable if len(printable) <= 160 else f"{printable[:157]}..."
    return shown.replace("|", "\\|").replace("<", "&lt;").replace("`", "'").replace("*", "\\*").replace("[", "\\[")
