"""Settings of each stage, by the folder of its `config.yaml`."""

import hashlib
import json
from pathlib import Path

from textscf.errors import InputError
from textscf.files.io import write_yaml
from textscf.study.study import Settings, Study
from textscf.workflow.claims_settings import PAGE, claims_settings
from textscf.workflow.model_settings import model_settings
from textscf.workflow.report_settings import PARTS, report_settings

_STORE = Path(".snakemake", "textscf", "settings")


def stored_settings(study: Study, owner: str) -> str:
    """Path of a file with the content of ``results/<owner>/config.yaml``, which is written if it is not there.

    The file lies in Snakemake's own folder and is named after its content, so that the same settings have the same
    path, and others another one. InputError for a folder that the study does not have.
    """
    settings = stage_settings(study, owner)
    path = _STORE / f"{hashlib.sha256(json.dumps(settings).encode()).hexdigest()}.yaml"
    if not path.is_file():
        write_yaml(path, settings)
    return str(path)


def stage_settings(study: Study, owner: str) -> Settings:
    """Content of ``results/<owner>/config.yaml``, with all settings that the stages reading this file depend on.

    InputError for a folder that the study does not have.
    """
    match owner.split("/"):
        case ["cohorts", cohort]:
            return study.cohort(cohort)
        case ["cohorts", cohort, "segmentations", segmentor]:
            return study.segmentor(cohort, segmentor)
        case ["cohorts", cohort, "prompts", prompts]:
            return study.prompts(cohort, prompts)
        case [study.name, "runs", run] if run in study.runs:
            return study.runs[run]
        case [study.name, "tables", table] if table in study.tables:
            return study.tables[table]
        case [study.name, "figures", figure] if figure in study.figures:
            return study.figures[figure]
        case [study.name, "models", model] if model in study.models:
            return model_settings(study, model)
        case [study.name, page] if page == PAGE:
            return claims_settings(study)
        case [study.name, part] if part in PARTS:
            return report_settings(study, part)
    raise InputError(f"results/{owner}/config.yaml: nothing of this name in study '{study.name}'")
