"""Interface between a study and the Snakefile: inputs of rules, settings of stages, priorities of jobs."""

from textscf.workflow.inputs import StudyFiles
from textscf.workflow.priorities import Order
from textscf.workflow.stage_settings import stage_settings, stored_settings

__all__ = ["Order", "StudyFiles", "stage_settings", "stored_settings"]
