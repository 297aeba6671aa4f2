"""Claims that registration improves with the accuracy of the masks (Table 5)."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from textscf.claims.evidence import Evidence
from textscf.claims.orderings import SIGNS, difference, found
from textscf.claims.outcome import INTERVAL, Outcome, decide, signed_part, untested
from textscf.metrics.measures import METRICS


def follows_segmentation(claim: Mapping[str, Any], evidence: Evidence) -> Outcome:
    """Check that a metric rises (or falls) from each run to the one with the next more accurate masks."""
    metric = METRICS[claim["metric"]]
    side = "above" if claim["is"] == "higher" else "below"
    rule = (
        f"runs by the accuracy of their masks: {metric.phrase} of each less that of the next less accurate one; "
        f"its {INTERVAL} lies {side} 0; two runs are enough"
    )
    rows, missing = found(claim["runs"], evidence)
    if len(rows) < 2:
        gaps = ", ".join(f"{name} ({reason})" for name, reason in missing.items())
        return untested(f"{len(rows)} of the runs; missing: {gaps}", rule=rule)
    accuracy = {row.run: 100 * evidence.results.segmentor_dice(row) for row in rows}
    parts = []
    for better, worse in pairwise(sorted(rows, key=lambda row: -accuracy[row.run])):
        value, without_one = difference(better, worse, evidence, claim)
        label = f"{better.label} ({accuracy[better.run]:.1f} %) less {worse.label} ({accuracy[worse.run]:.1f} %)"
        parts.append(signed_part(label, value, without_one, SIGNS[claim["is"]], metric.unit_of_difference))
    return decide(rule, parts, missing, every=False)
