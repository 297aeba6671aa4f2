"""Claims about single structures: significance by the paper's t-test, consistency, and the hardest structures."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from textscf.claims.evidence import Evidence, Missing
from textscf.claims.orderings import found
from textscf.claims.outcome import INTERVAL, Outcome, Part, decide, signed_part
from textscf.errors import InputError
from textscf.results.items import Row
from textscf.results.statistics import ALL, compare_runs, leave_one_out_means

_LEVEL = 0.05
_UNIT = "points"


def significance(claim: Mapping[str, Any], evidence: Evidence) -> Outcome:
    """Check that a run's Dice is significantly higher than that of others, or that no significance is found.

    Where the paper finds no significance, a significantly lower Dice disagrees with it as a significantly higher one.

    The claim is about named structures, all structures, or their mean. The p values are those of the paper's paired
    t-test over pairs, uncorrected. Each comparison shows the structure that is nearest to failing, or fails most.
    """
    wanted = claim["significant"]
    tested = "p < 0.05 and a higher Dice" if wanted else "p of at least 0.05, whichever Dice is higher,"
    rule = f"paired t-test of Dice over pairs, as in the paper, uncorrected: {tested} in each structure named"
    row = evidence.row(claim["run"])
    parts: list[Part] = []
    missing: dict[str, str] = {}
    for name in claim["against"]:
        try:
            other = evidence.row(name)
            tests = _named(_tests(row, other, evidence), claim["structures"], other)
        except Missing as gap:
            missing[gap.name] = gap.reason
            continue
        p = tests["p"].fillna(1.0).where(tests["difference"] > 0, 1.0) if wanted else tests["p"].fillna(1.0)
        line = tests.iloc[int(p.argmax() if wanted else p.argmin())]
        holds = (p < _LEVEL).all() if wanted else (p >= _LEVEL).all()
        parts.append(_part(other.label, line, bool(holds), f", p = {line['p']:.2g}"))
    return decide(rule, parts, missing)


def every_structure(claim: Mapping[str, Any], evidence: Evidence) -> Outcome:
    """Check that a run's mean Dice is higher than that of each other run in every structure."""
    rule = "mean Dice is higher in every structure, in each comparison; the smallest difference is shown"
    row = evidence.row(claim["run"])
    others, missing = found(claim["against"], evidence)
    parts = []
    for other in others:
        tests = _tests(row, other, evidence)
        tests = tests[tests["structure"] != ALL]
        line = tests.iloc[int(tests["difference"].argmin())]
        higher = int((tests["difference"] > 0).sum())
        parts.append(_part(other.label, line, higher == len(tests), f", {higher} of {len(tests)} higher"))
    return decide(rule, parts, missing)


def hardest(claim: Mapping[str, Any], evidence: Evidence) -> Outcome:
    """Check that the mean Dice of the named structures is below that of all other structures, for each run."""
    rule = f"mean Dice of the structures named less that of all others, in each run; its {INTERVAL} lies below 0"
    rows, missing = found(claim["runs"], evidence)
    parts = []
    for row in rows:
        dice = 100 * evidence.structures(row).pivot_table(index=["fixed", "moving"], columns="structure", values="dice")
        if absent := [name for name in claim["structures"] if name not in dice]:
            missing[row.label] = f"the cohort has no {absent[0]}"
            continue
        named = dice[claim["structures"]].mean(axis=1)
        table = pd.DataFrame({"named": named, "others": dice.drop(columns=claim["structures"]).mean(axis=1)}).dropna()
        without_one = leave_one_out_means(table)
        value = float(table["named"].mean() - table["others"].mean())
        parts.append(signed_part(row.label, value, without_one[:, 0] - without_one[:, 1], -1, _UNIT))
    return decide(rule, parts, missing)


def _tests(row: Row, other: Row, evidence: Evidence) -> pd.DataFrame:
    try:
        return compare_runs(evidence.structures(row), evidence.structures(other))
    except ValueError as error:
        raise InputError(f"{evidence.page.study}: '{row.run}' and '{other.run}': {error}") from error


def _named(tests: pd.DataFrame, structures: list[str] | str, other: Row) -> pd.DataFrame:
    """Lines of the named structures; `all` means every structure, `mean` the mean over structures."""
    if structures == "mean":
        return tests[tests["structure"] == ALL]
    if structures == "all":
        return tests[tests["structure"] != ALL]
    for name in structures:
        if name not in set(tests["structure"]):
            raise Missing(other.label, f"the cohort has no {name}")
    return tests[tests["structure"].isin(structures)]


def _part(label: str, line: pd.Series, holds: bool, more: str) -> Part:
    structure = "mean" if line["structure"] == ALL else line["structure"]
    value, low, high = (100 * float(line[name]) for name in ("difference", "ci_low", "ci_high"))
    text = f"{structure} {value:+.2f} {_UNIT}{more}".replace("+-", "-").replace("-", "−")
    return Part(label, value, low, high, "holds" if holds else "fails", _UNIT, text)
