"""Settings of each stage, by the folder of its `config.yaml`."""

from textscf.errors import InputError
from textscf.study.study import Settings, Study
from textscf.workflow.claims_settings import PAGE, claims_settings
from textscf.workflow.model_settings import model_settings
from textscf.workflow.report_settings import PARTS, report_settings


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
