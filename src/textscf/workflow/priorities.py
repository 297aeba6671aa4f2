"""Job priorities."""

from collections.abc import Mapping
from itertools import pairwise

from textscf.study.plan import training_steps
from textscf.study.study import Study
from textscf.workflow.report_settings import report_settings

_FIRST = 1_000_000
_LONGEST = 100_000
_WILDCARDS = {
    "cohorts": "cohort",
    "segmentations": "segmentor",
    "prompts": "prompts",
    "runs": "run",
    "tables": "table",
    "figures": "figure",
}


class Order:
    """Order of the jobs: first the jobs of the first report, then the inputs of trainings, then trainings by length.

    Longer trainings come first. Among equally long ones, the order in the experiment files decides.
    """

    def __init__(self, study: Study) -> None:
        self._runs = study.runs
        self._places = {name: place for place, name in enumerate(study.runs)}
        first = report_settings(study, "quick")
        self._first = set(first["runs"])
        self._shown = {place.rpartition("/")[2] for place in (*first["tables"], *first["figures"])}
        self._steps = {
            name: training_steps(study, run) for name, run in study.runs.items() if run["method"] == "learned"
        }

    def priority(self, wildcards: Mapping[str, str]) -> int:
        """Snakemake's priority of a job with these wildcards; a job without wildcards belongs to the first report."""
        names = dict(wildcards.items())
        parts = names.pop("owner", "").split("/")
        names |= {_WILDCARDS[kind]: name for kind, name in pairwise(parts) if kind in _WILDCARDS}
        if run := names.get("run"):
            return _FIRST * (run in self._first) + self._length(run)
        if "cohort" in names:
            return _FIRST * any(self._uses(run, names) for run in self._first) + _LONGEST
        return _FIRST * self._shown.issuperset(names.values())

    def _length(self, run: str) -> int:
        """Relative length of a run, ties by file order; SyN (optimises every pair) counts as the longest training."""
        if self._runs[run]["method"] == "learned":
            return _LONGEST * self._steps[run] // max(self._steps.values()) - self._places[run]
        return _LONGEST - self._places[run] if self._runs[run]["method"] != "initial" else 0

    def _uses(self, run: str, names: Mapping[str, str]) -> bool:
        settings = self._runs[run]
        return all(settings.get(key) == name for key, name in names.items())
