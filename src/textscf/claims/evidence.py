"""Evidence for claims: measured values of a study, looked up by run name."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from textscf.errors import InputError
from textscf.files.fill import fill
from textscf.files.io import read_yaml
from textscf.metrics.measures import METRICS
from textscf.metrics.metric import Convention, Metric
from textscf.results.items import Item, Results, Row, make_item, make_row


class Missing(Exception):
    """Raised if the study lacks a run, figure or value that a claim needs; has its `name` and the `reason`."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name} ({reason})")
        self.name, self.reason = name, reason


_PAIR = ["fixed", "moving"]


@dataclass(frozen=True)
class Page:
    """Resolved settings of a claims page, see `textscf.workflow.claims_settings`."""

    study: str
    title: str
    cohorts: list[str]
    notices: list[str]
    paper_cohort: bool
    convention: Convention
    claims: list[dict[str, Any]]
    rows: dict[str, Any]
    figures: dict[str, Any]
    quoted: dict[str, dict[str, float]]
    steps: dict[str, int]


def load_page(path: Path) -> Page:
    """Read the resolved `config.yaml` of a claims page; InputError if it is not one."""
    page = fill(Page, read_yaml(path), path)
    rows = {name: make_row(row, f"{path}: rows.{name}") for name, row in page.rows.items()}
    figures = {name: make_item(item, f"{path}: figures.{name}") for name, item in page.figures.items()}
    return Page(**{**vars(page), "rows": rows, "figures": figures})


@dataclass(frozen=True)
class Evidence:
    """Looks up values of runs by name; `used` collects the rows that were looked up, for remarks on them."""

    page: Page
    results: Results
    used: dict[str, Row] = field(default_factory=dict)

    @property
    def paper_cohort(self) -> bool:
        """Whether the cohorts are the paper's, so that its numbers can be compared with the study's."""
        return self.page.paper_cohort

    def row(self, name: str) -> Row:
        """The run or sweep of this name; Missing if the study does not define it or leaves it out."""
        row: Row | None = self.page.rows.get(name)
        if row is None:
            raise Missing(name, "not defined in this study")
        return self.use(row)

    def use(self, row: Row) -> Row:
        """Record a row as used and return it; Missing if the study leaves it out."""
        if not row.runs:
            raise Missing(row.label, f"not run: {row.not_run}" if row.not_run else "not run")
        for each in row.points or [row]:
            if each.runs:
                self.used[each.run] = each
        return row

    def points(self, name: str) -> list[Row]:
        """The points of a sweep that have runs, in the order of the sweep; a single run is its own point."""
        row = self.row(name)
        return [point for point in row.points or [row] if point.runs]

    def figure(self, name: str) -> Item:
        """The figure of this name; Missing if the study does not have it."""
        item: Item | None = self.page.figures.get(name)
        if item is None:
            raise Missing(name, "not part of this study")
        return item

    def pairs(self, row: Row, metric: str, scaled: bool = True) -> pd.Series:
        """A metric by (fixed, moving), averaged over seeds; drops pairs without a value.

        The unit is the one that tables show or, if not `scaled`, that of the result files.
        """
        known = METRICS[metric]
        rows = self.structures(row) if known.level == "structure" else self._of_pairs(row, known)
        if metric not in rows:
            raise Missing(row.label, f"evaluated without the {known.phrase}")
        values = rows.groupby(_PAIR, sort=False)[metric].mean()
        finite = values[np.isfinite(values)]
        if finite.empty:
            raise Missing(row.label, f"no {known.phrase}")
        return known.scale * finite if scaled else finite

    def table(self, rows: Mapping[str, Row] | Iterable[Row], metric: str, scaled: bool = True) -> pd.DataFrame:
        """A metric of several rows by pair (index) and run (columns), for the pairs that all rows have; see `pairs`.

        InputError if the rows have no pair in common.
        """
        named = rows if isinstance(rows, Mapping) else {row.run: row for row in rows}
        values = {name: self.pairs(row, metric, scaled) for name, row in named.items()}
        table = pd.concat(values, axis=1, join="inner")
        if table.empty:
            raise InputError(f"{self.page.study}: {', '.join(named)}: no test pair in common; expected one cohort")
        return table

    def structures(self, row: Row) -> pd.DataFrame:
        """Metrics per pair and structure in the units of the result files, averaged over seeds."""
        if not self.results.has_labels(row):
            raise Missing(row.label, "no test pair has labels")
        return self.results.seed_mean(row, self.page.convention)

    def _of_pairs(self, row: Row, metric: Metric) -> pd.DataFrame:
        if metric.of_field and self.results.is_initial(row):
            raise Missing(row.label, "no displacement field")
        frame = pd.concat(self.results.pairs(row))
        if metric.level == "run" or not set(metric.columns) <= set(frame):
            return frame
        return frame.assign(**{metric.name: metric.values(frame, self.page.convention)})
