"""Settings of the report of a study, and of its first part."""

from typing import TYPE_CHECKING, Any

from textscf.study.plan import plan
from textscf.workflow.claims_settings import PAGE

if TYPE_CHECKING:
    from textscf.study.study import Study

PARTS = ("report", "quick")
"""The whole report, and the first part with the main comparison."""

GAIN = "figure7"
"""Figure of what text-driven filters add to each backbone; the first part has it beside the main table and figure."""

CLAIM = "complexity/claim"
VIEWER = "pairs"
"""Name of the page with the pairs of the main table."""


def headline(study: "Study") -> dict[str, str | None]:
    """The main table and figure of a study: the paper's main comparison, else the first one; None if there is none."""
    return {"table": _main(study.tables, "table3"), "figure": _main(study.figures, "figure3")}


def viewed_table(study: "Study") -> str | None:
    """The table whose pairs the viewer shows: the main one; None unless it is one of accuracy with runs."""
    table = headline(study)["table"]
    shown = table and study.tables[table].get("kind", "accuracy") == "accuracy" and study.runs_of(table)
    return table if shown else None


def report_settings(study: "Study", part: str) -> dict[str, Any]:
    """Settings of ``results/<study>/<part>.html``; tables and figures are given by their path below `results/`."""
    main = headline(study)
    everything = [*study.tables, *study.figures]
    names = [name for name in everything if name in (*main.values(), GAIN)] if part == "quick" else everything
    runs = list(dict.fromkeys(run for name in names for run in study.runs_of(name)))
    places = {
        name: f"{study.name}/{kind}/{name}"
        for kind, items in (("tables", study.tables), ("figures", study.figures))
        for name in items
    }
    examples = {name: spec for name, spec in study.figures.items() if spec["kind"] == "example"}
    return {
        "study": study.name,
        "title": study.title,
        "part": part,
        "plan": str(plan(study, study.step_times)) if part == "report" else None,
        "cohorts": _cohorts(study, runs),
        "claims": f"{study.name}/{PAGE}" if part == "report" else None,
        "viewer": f"{study.name}/{VIEWER}" if part == "report" and viewed_table(study) else None,
        "headline": {kind: places[name] if name else None for kind, name in main.items()},
        "tables": [places[name] for name in study.tables if name in names] + ([CLAIM] if part == "report" else []),
        "figures": [places[name] for name in study.figures if name in names and name not in examples],
        "examples": [
            {"figure": places[name], "pair": spec.get("pair", "median")}
            for name, spec in examples.items()
            if name in names
        ],
        "runs": runs,
        "segmentors": pairs_used(study, "segmentor") if part == "report" else [],
        "prompts": pairs_used(study, "prompts") if part == "report" else [],
        "left_out": study.left_out if part == "report" else [],
    }


def pairs_used(study: "Study", key: str) -> list[list[str]]:
    """Pairs of a cohort and its `segmentor` or its set of `prompts` that runs use; see `Catalogue.prompts`."""
    return [list(pair) for pair in sorted({(run["cohort"], run[key]) for run in study.runs.values() if run.get(key)})]


def _main(items: dict[str, Any], name: str) -> str | None:
    return name if name in items else next(iter(items), None)


def _cohorts(study: "Study", runs: list[str]) -> list[dict[str, Any]]:
    """Name, title, notice, licence and citation of all cohorts used to train or test the runs."""
    settings = [study.runs[run] for run in runs]
    names = {run["cohort"] for run in settings}
    names |= {run["auxiliary"]["cohort"] for run in settings if run.get("auxiliary")}
    described = {name: study.cohort(name) for name in sorted(names)}
    return [
        {"name": name, **{key: cohort[key] for key in ("title", "notice", "licence", "citation")}}
        for name, cohort in described.items()
    ]
