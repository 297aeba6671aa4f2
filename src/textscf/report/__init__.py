"""Report of a study: its tables, figures, trainings and provenance on one HTML page."""

from textscf.report.page import report
from textscf.report.shown import load_shown

__all__ = ["load_shown", "report"]
