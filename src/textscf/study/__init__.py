"""Resolves a study's configuration into runs, tables, figures and training times. Needs neither torch nor NumPy."""

from textscf.study.plan import plan
from textscf.study.study import Study, load_study

__all__ = ["Study", "load_study", "plan"]
