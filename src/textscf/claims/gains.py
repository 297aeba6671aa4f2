"""Claims about the gain of each backbone from the text-driven head (Figure 7)."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textscf.claims.evidence import Evidence, Missing
from textscf.claims.outcome import INTERVAL, Outcome, decide, signed_part, untested
from textscf.results.items import Row
from textscf.results.statistics import leave_one_out_means

_IN_WORDS = {
    "positive": f"relative gain in Dice of each backbone; its {INTERVAL} lies above 0",
    "largest": f"relative gain in Dice less that of each other backbone; its {INTERVAL} lies above 0",
    "smallest": f"relative gain in Dice less that of each other backbone; its {INTERVAL} lies below 0",
}


def gains(claim: Mapping[str, Any], evidence: Evidence) -> Outcome:
    """Check that every backbone gains, or that one gains most or least; gains are percentages of Dice without head."""
    rule = _IN_WORDS[claim["is"]]
    rows: list[Row] = []
    missing: dict[str, str] = {}
    for row in evidence.figure(claim["figure"]).rows:
        try:
            evidence.use(row)
            evidence.use(row.with_head or row)
            rows.append(row)
        except Missing as gap:
            missing[row.label] = gap.reason
    measured = _measure(rows, evidence)
    if claim["is"] == "positive":
        return decide(rule, [signed_part(row.label, *measured[row.run], 1, "%") for row in rows], missing)
    if claim["run"] not in measured:
        return untested(f"missing: {claim['run']} with and without the text-driven head", rule=rule)
    sign = 1 if claim["is"] == "largest" else -1
    value, without_one = measured.pop(claim["run"])
    labels = {row.run: row.label for row in rows}
    parts = [
        signed_part(f"against {labels[run]}", value - other, without_one - other_without_one, sign, "percentage points")
        for run, (other, other_without_one) in measured.items()
    ]
    return decide(rule, parts, missing)


def _measure(rows: list[Row], evidence: Evidence) -> dict[str, tuple[float, NDArray[np.float64]]]:
    """Gain of each backbone in percent, and its values without each subject in turn."""
    columns = {f"{row.run} {n}": each for row in rows for n, each in enumerate((row, row.with_head or row))}
    if not columns:
        return {}
    table = evidence.table(columns, "dice")
    means, without_one = table.mean().to_numpy(), leave_one_out_means(table)
    found = {}
    for n, row in enumerate(rows):
        without, with_head = 2 * n, 2 * n + 1
        gain = float(100 * (means[with_head] / means[without] - 1))
        found[row.run] = gain, 100 * (without_one[:, with_head] / without_one[:, without] - 1)
    return found
