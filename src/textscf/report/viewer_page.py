"""Viewer page: shows the pairs of a study's main table in three dimensions, with niivue."""

import base64
import dataclasses
import gzip
from importlib import resources

from textscf.errors import InputError
from textscf.plotting.figures.example import cohort_of
from textscf.report.embedded_volumes import EmbeddedVolumes
from textscf.report.rendering import render
from textscf.report.viewed_pairs import PAIRS, viewed_methods
from textscf.results import captions
from textscf.results.items import Item, Results

_LIMIT = 58_000_000
"""Characters that the volumes of a page may take: with niivue it then has less than 60 MB."""


def viewer(item: Item, results: Results, limit: int = _LIMIT) -> str:
    """The page as HTML; it refers to no other file but the report beside it.

    Args:
        item: specification of a table of accuracy.
        results: its runs, with their checkpoints.
        limit: number of characters that the volumes may take; beyond it they keep only every n-th voxel.

    Raises:
        InputError: a file of a run or a scan is missing or cannot be used, no row is run, or the runs are of several
            cohorts.
    """
    present = item.without_missing()
    if not present.rows:
        raise InputError(f"{item.name}: none of its rows is run; expected a table of runs")
    cohort = cohort_of(present, results)
    volumes = EmbeddedVolumes(cohort.affine)
    methods = viewed_methods(present, results, cohort, volumes)
    encoded = volumes.encoded(limit)
    vendor = resources.files("textscf.report") / "template" / "vendor"
    shown = {
        "methods": [dataclasses.asdict(method) for method in methods],
        "first": (present.reference_row or present.rows[-1]).run,
        "structures": [{key: s[key] for key in ("label", "name", "colour")} for s in cohort.anatomy["structures"]],
    }
    content = {
        "item": item,
        "pairs": PAIRS,
        "shown": shown,
        "encoded": encoded,
        "labelled": any(results.has_labels(row) for row in present.rows),
        "notes": [*captions.leakage_sentences(present), *captions.not_run_sentences(item)],
        "niivue": _compressed((vendor / "niivue.umd.js").read_bytes()),
        "licences": (vendor / "niivue.LICENSES.txt").read_text(encoding="utf-8"),
    }
    return render("viewer.html", content)


def _compressed(script: bytes) -> str:
    return base64.b64encode(gzip.compress(script, 9, mtime=0)).decode()
