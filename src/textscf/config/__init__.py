"""Studies, cohorts, prompts and experiments as validated plain data. Needs neither torch nor NumPy."""

from textscf.config.files import StudyFiles
from textscf.config.order import Order
from textscf.config.study import Study, load_study
from textscf.config.trainings import plan

__all__ = ["Order", "Study", "StudyFiles", "load_study", "plan"]
