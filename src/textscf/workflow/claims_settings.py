"""Settings of the claims page: the claims of the paper (`config/claims.yaml`) with the runs of a study."""

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from textscf.files.registry import MEASURES, entries
from textscf.study.plan import training_steps

if TYPE_CHECKING:
    from textscf.study.study import Study

Settings = dict[str, Any]

PAGE = "claims"
"""Name of the page and of its Snakemake target."""

_ELSEWHERE = "about the paper's {about} cohort; the primary cohort stands for its {stands_for} cohort"
_PREFIX = "brain_"
"""Beginning of the names of runs on the cohort of the role `brain`."""

_RUN_KEYS = ("run", "against", "runs", "sweep", "sweeps")
"""Keys of a claim that name runs or sweeps."""

_TEXT_KEYS = ("id", "about", "place", "statement", "printed", "remark")


def claims_settings(study: "Study") -> Settings:
    """Settings of ``results/<study>/claims``.

    Returns:
        study, title, cohorts (titles), notices, paper_cohort, convention, and these keys:
        `claims`: the claims of the file; stand-ins may replace runs that the study leaves out. If the primary cohort
        stands for the paper's brain cohort, claims about the brain name runs on the primary cohort, and claims about
        the abdomen are not tested.
        `rows`: resolved rows by name, for the runs that the study defines.
        `figures`: specifications by name, for the figures that the study has.
        `quoted`: for runs that the study leaves out, values by name that the paper quotes from other sources; only on
        the paper's cohorts.
        `steps`: number of training steps of each trained run, by name.
    """
    content = study.claims_file
    claims = [_of_primary(study.stands_for, claim) for claim in content["claims"]]
    claims = [_with_stand_ins(study, claim, content["stand_ins"]) for claim in claims]
    labels = _labels(study)
    names = {name for claim in claims for name in run_names(claim)}
    rows = {name: row for name in sorted(names) if (row := study.row(name, labels.get(name, name.replace("_", " "))))}
    wanted = {claim["figure"] for claim in claims if "figure" in claim}
    figures = {name: study.figures[name] for name in sorted(wanted) if name in study.figures}
    shown = [*rows.values(), *(row for figure in figures.values() for row in figure["rows"])]
    described = _cohorts(study, shown)
    return {
        "study": study.name,
        "title": study.title,
        "cohorts": [cohort["title"] for cohort in described],
        "notices": list(dict.fromkeys(cohort["notice"] for cohort in described if cohort["notice"])),
        "paper_cohort": study.paper_cohort,
        "convention": content["convention"],
        "claims": claims,
        "rows": rows,
        "figures": figures,
        "quoted": _quoted(study) if study.paper_cohort else {},
        "steps": {row["run"]: steps for row in _flat(shown) if (steps := _steps(study, row))},
    }


def run_names(claim: Mapping[str, Any]) -> list[str]:
    """Names of all runs and sweeps in a claim."""
    names: list[str] = []
    for key in _RUN_KEYS:
        value = claim.get(key, [])
        names += [value] if isinstance(value, str) else list(value)
    return names


def runs_read(settings: Mapping[str, Any]) -> list[str]:
    """Ids of the concrete runs whose metrics the claims page reads; `settings` are those of the page."""
    rows = [*settings["rows"].values(), *(row for figure in settings["figures"].values() for row in figure["rows"])]
    return list(dict.fromkeys(run for row in _flat(rows) for run in row["runs"]))


def rows_counted(settings: Mapping[str, Any]) -> list[Settings]:
    """Rows and sweep points for which the claims page reads parameters and multi-adds."""
    rows: list[Settings] = []
    for claim in settings["claims"]:
        if claim["kind"] == "same_complexity":
            rows += [settings["rows"][claim["sweep"]]] if claim["sweep"] in settings["rows"] else []
        elif claim["kind"] == "frontier" and claim["cost"] == "multi_adds":
            rows += settings["figures"].get(claim["figure"], {"rows": []})["rows"]
    return [point for row in rows for point in row.get("points") or [row] if point["runs"]]


def rows_segmented(settings: Mapping[str, Any]) -> list[Settings]:
    """Rows for which the claims page reads the accuracy of the segmentor."""
    names = [
        name
        for claim in settings["claims"]
        if claim["kind"] == "follows_segmentation" or claim.get("metric") == "segmentor_dice"
        for name in run_names(claim)
    ]
    rows = [settings["rows"][name] for name in dict.fromkeys(names) if name in settings["rows"]]
    return [row for row in rows if row["runs"] and row.get("segmentor")]


def _of_primary(stands_for: str, claim: Settings) -> Settings:
    """The claim as a study tests it whose primary cohort stands for the given cohort of the paper."""
    about = claim.get("about")
    if stands_for != "brain" or about is None:
        return claim
    if about != stands_for:
        reason = _ELSEWHERE.format(about=about, stands_for=stands_for)
        return {key: claim[key] for key in _TEXT_KEYS if key in claim} | {"kind": "untestable", "reason": reason}
    return _with_runs(claim, lambda name: name.removeprefix(_PREFIX))


def _with_runs(claim: Settings, rename: Callable[[str], str]) -> Settings:
    """The claim with other names of its runs and sweeps."""
    new = dict(claim)
    for key in set(_RUN_KEYS) & claim.keys():
        value = claim[key]
        new[key] = rename(value) if isinstance(value, str) else [rename(name) for name in value]
    return new


def _with_stand_ins(study: "Study", claim: Settings, stand_ins: Mapping[str, str]) -> Settings:
    """Replace all runs of a claim that have stand-ins by these, if the study leaves out one of them."""
    replaced = {name: stand_ins[name] for name in run_names(claim) if name in stand_ins}
    if all(study.groups.get(name) for name in replaced):
        return claim
    return _with_runs({**claim, "stand_ins": replaced}, lambda name: replaced.get(name, name))


def _labels(study: "Study") -> dict[str, str]:
    """Labels by run name, from the first table or figure whose label for the run is not just a number."""
    labels: dict[str, str] = {}
    for item in (*study.tables.values(), *study.figures.values()):
        for row in item["rows"]:
            if not row["label"].isdigit():
                labels.setdefault(row["run"], row["label"])
    for item in study.figures.values():
        for row in item["rows"]:
            if "with_head" in row:
                labels.setdefault(row["with_head"]["run"], f"{row['label']} with textSCF")
            for point in row.get("points") or []:
                values = " and ".join(f"{key.rpartition('.')[2]} {value}" for key, value in point["swept"].items())
                labels.setdefault(point["run"], f"{row['label']} with {values.replace('_', ' ')}")
    return labels


def _flat(rows: Iterable[Settings]) -> list[Settings]:
    """Rows in one flat list, with their runs with the text-driven head and the points of their sweeps."""
    found: list[Settings] = []
    for row in rows:
        further = [row["with_head"]] if row.get("with_head") else []
        found += [row, *further, *(row.get("points") or [])]
    return found


def _quoted(study: "Study") -> dict[str, Settings]:
    found: dict[str, Settings] = {}
    for item in study.tables.values():
        lines = study.reported[item["reported"]]["rows"] if item.get("reported") else []
        quoted = {str(next(iter(line.values()))): line for line in lines if line.get("quoted")}
        for row in item["rows"]:
            if not row["runs"] and row.get("reported") in quoted:
                values = quoted[row["reported"]]
                found[row["run"]] = {key: values[key] for key in entries(MEASURES) if key in values}
    return found


def _steps(study: "Study", row: Settings) -> int | None:
    run = study.runs[row["runs"][0]] if row["runs"] and not row.get("points") else None
    return training_steps(study, run) if run and run["method"] == "learned" else None


def _cohorts(study: "Study", rows: Iterable[Settings]) -> list[Settings]:
    runs = [study.runs[run] for row in _flat(rows) for run in row["runs"]]
    names = {run["cohort"] for run in runs}
    names |= {run["auxiliary"]["cohort"] for run in runs if run.get("auxiliary")}
    return [study.cohort(name) for name in sorted(names)]
