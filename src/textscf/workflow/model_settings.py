"""Settings of the models that a study releases."""

from typing import TYPE_CHECKING, Any

from textscf.errors import InputError
from textscf.files.names import suggest

if TYPE_CHECKING:
    from textscf.study.study import Study

Settings = dict[str, Any]


def model_settings(study: "Study", name: str) -> Settings:
    """Settings of ``results/<study>/models/<name>``.

    Returns:
        model, study; title, purpose, unfit from the study's file; run (id), initial (id of the run without
        registration), cohort, segmentor (None for a run without one); data (title), notice, licence, citation of the
        cohort; convention, how missing and lost structures count.

    Raises:
        InputError: the study does not train the run with this seed, or has no run without registration.
    """
    model = study.models[name]
    where = f"study '{study.name}': models.{name}"
    ids = study.groups.get(model["run"])
    if not ids:
        raise InputError(f"{where}.run: '{model['run']}' is not run here{suggest(model['run'], list(study.groups))}")
    by_seed = {study.runs[run].get("seed"): run for run in ids if study.runs[run]["method"] == "learned"}
    if model["seed"] not in by_seed:
        raise InputError(f"{where}.seed: {model['seed']}; expected one of {', '.join(map(str, by_seed))}")
    run = study.runs[by_seed[model["seed"]]]
    initial = [
        name for name, other in study.runs.items() if (other["method"], other["cohort"]) == ("initial", run["cohort"])
    ]
    if not initial:
        raise InputError(f"{where}: the study has no run without registration (method: initial) to compare with")
    cohort = study.cohort(run["cohort"])
    told = {key: model[key] for key in ("title", "purpose", "unfit")}
    return {
        **{"model": name, "study": study.name, **told, "run": run["run"], "initial": initial[0]},
        **{"cohort": run["cohort"], "segmentor": run.get("segmentor"), "data": cohort["title"]},
        **{key: cohort[key] for key in ("notice", "licence", "citation")},
        "convention": study.convention,
    }
