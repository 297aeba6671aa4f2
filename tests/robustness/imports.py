"""Imports what the scripts need in the process from which cases are forked."""

import importlib
import sys
from pathlib import Path

import torch

from tests.python_server import PACKAGES

_ROOMS = (
    *("claims.claims_page", "claims.evidence", "plotting.draw_figure", "plotting.prompt_similarity", "registration"),
    *("registration.evaluation", "registration.scan_pair", "release", "report", "segmentation.segmentor_accuracy"),
    *("segmentation.weights", "tables.claim_table", "tables.table_kinds", "training.run", "workflow"),
)
sys.path.insert(0, str(Path(__file__).parents[2] / "src"))
for _name in (*PACKAGES, *(f"textscf.{room}" for room in _ROOMS)):
    importlib.import_module(_name)
torch.set_num_threads(1)
