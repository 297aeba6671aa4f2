"""Check of the models that a study releases."""

from collections.abc import Mapping, Sequence
from typing import Any

from textscf.errors import InputError
from textscf.files.names import suggest
from textscf.study.catalogue import Catalogue

Settings = Mapping[str, Any]


def check_models(
    models: Mapping[str, Settings],
    runs: Mapping[str, Settings],
    groups: Mapping[str, Sequence[str]],
    catalogue: Catalogue,
    source: str,
) -> None:
    """Check that each model has a run with its seed that is trained here, with a segmentor that is trained here, too.

    Runs that the study leaves out are not looked at.

    Args:
        models: settings of the models by name.
        runs: settings of the concrete runs by id.
        groups: run name -> ids of its concrete runs.
        catalogue: has the segmentors.
        source: the study's file, for messages.

    Raises:
        InputError: the message names the model's key.
    """
    for name, model in models.items():
        where, run = f"{source}: models.{name}", model["run"]
        if run not in groups:
            raise InputError(f"{where}.run: '{run}' is not defined{suggest(run, list(groups))}")
        found = [runs[each] for each in groups[run]]
        trained = {each["seed"]: each for each in found if each["method"] == "learned"}
        if not found:
            continue
        if not trained:
            method = found[0]["method"]
            raise InputError(f"{where}.run: '{run}' is not trained (method: {method}); expected one that is")
        if model["seed"] not in trained:
            raise InputError(f"{where}.seed: {model['seed']}; expected one of {', '.join(map(str, trained))}")
        cohort, segmentor = (trained[model["seed"]].get(key) for key in ("cohort", "segmentor"))
        if segmentor and (origin := catalogue.segmentor(str(cohort), segmentor)["source"]) != "train":
            raise InputError(
                f"{where}.run: '{run}' takes its regions from segmentor '{segmentor}', whose source is {origin}; "
                "expected one with source train, which the model can bring along"
            )
