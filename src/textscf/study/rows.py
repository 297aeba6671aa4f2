"""Resolves rows of tables and figures to concrete runs."""

from collections.abc import Sequence
from dataclasses import dataclass

from textscf.errors import InputError
from textscf.files.names import suggest
from textscf.study.definitions import Definitions, Settings

_FURTHER_RUNS = ("with_head",)
"""Keys of a row, beside `run`, that name a run. Each is resolved to a row of its own."""


@dataclass(frozen=True)
class Rows:
    """Resolves rows.

    Attributes:
        defined: definitions of runs and sweeps, and the omitted ones with reasons.
        groups: run name -> ids of its concrete runs.
        runs: settings of the concrete runs by id.
        folder: folder of the experiments, for messages.
    """

    defined: Definitions
    groups: dict[str, list[str]]
    runs: dict[str, Settings]
    folder: str

    def resolve(self, item: str, row: Settings) -> Settings:
        """Add `runs`, `segmentor`, the `points` of a sweep and the reason `not_run` of an omission to a row of `item`.

        InputError if the row's run is not defined.
        """
        run = row["run"]
        if run in self.defined.sweeps:
            points = [
                {**self.resolve(item, {"run": point, "label": row["label"]}), "swept": values}
                for point, values in self.defined.sweeps[run].items()
            ]
            resolved = {**row, "runs": runs_in(points), "segmentor": None, "points": points}
        elif run in self.groups:
            ids = self.groups[run]
            resolved = {**row, "runs": ids, "segmentor": self.runs[ids[0]].get("segmentor") if ids else None}
        else:
            known = [*self.groups, *self.defined.sweeps]
            raise InputError(f"{self.folder}: {item}: run '{run}' is not defined{suggest(run, known)}")
        if run in self.defined.not_run:
            resolved["not_run"] = self.defined.not_run[run]
        further = {key: {"run": row[key], "label": row["label"]} for key in _FURTHER_RUNS if key in row}
        return {**resolved, **{key: self.resolve(item, other) for key, other in further.items()}}

    def cohorts(self, rows: Sequence[Settings]) -> list[str]:
        """Names of the cohorts of resolved rows."""
        return sorted({self.runs[run]["cohort"] for run in runs_in(rows)})

    def auxiliary_cohorts(self, rows: Sequence[Settings]) -> list[str]:
        """Names of the auxiliary cohorts of resolved rows."""
        joint = [self.runs[run]["auxiliary"] for run in runs_in(rows) if "auxiliary" in self.runs[run]]
        return sorted({auxiliary["cohort"] for auxiliary in joint})


def runs_in(rows: Sequence[Settings]) -> list[str]:
    """Ids of all concrete runs of resolved rows, with those of the rows under `with_head`."""
    further = [row[key] for row in rows for key in _FURTHER_RUNS if key in row]
    return [run for row in (*rows, *further) for run in row["runs"]]
