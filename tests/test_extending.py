"""One new file and one configuration entry add a backbone, a similarity, an encoder, a figure and a method."""

import subprocess
from pathlib import Path

import pytest

from tests.python_server import python
from tests.small_study import copy_project

BACKBONE = """
from textscf.models.backbones.voxelmorph import BACKBONE as VoxelMorph

class Mine(VoxelMorph):
    def __init__(self, width: int = 4) -> None:
        super().__init__([width] * 4, [width] * 7)

BACKBONE = Mine
"""
SIMILARITY = "def dissimilarity(fixed, warped, stride):\n    return (fixed - warped).abs().mean()\n"
ENCODER = """
import numpy as np

class Constant:
    reads_text = False
    def encode(self, names, prompts):
        return np.ones((len(names), 2), np.float32)
    def provenance(self):
        return {}

def make(options):
    return Constant()
"""
FIGURE = """
import pandas as pd
from textscf.plotting.drawing import Drawing
from textscf.plotting.style import new_figure

def draw(item, results):
    return Drawing(new_figure(80, 40), ["Mine."], pd.DataFrame({"run": [row.run for row in item.rows]}))
"""
METHOD = """
import numpy as np

class Still:
    in_workers = False
    def __init__(self, cohort):
        self.shape = cohort.shape
    def displacement(self, fixed, moving):
        return np.zeros((*self.shape, 3), np.float32), 0.0

registrar = Still
"""
EXPERIMENT = """
runs:
  mine: {backbone: mine, head: null, loss: {similarity: absolute}, backbone_options: {width: 2}}
  still: {method: still}
  constant: {head: {prompts: constant}}
figures:
  mine: {kind: mine, caption: Mine., convention: paper, rows: [{run: still, label: Still}]}
tables:
  mine_table: {caption: Mine., convention: paper, rows: [{run: mine, label: Mine}, {run: still, label: Still}]}
"""
STUDY = """
study: mine
title: Mine
cohorts: {primary: simulated_abdomen}
experiments: [mine]
defaults: {head: {segmentor: ground_truth}}
"""
USE = """
import torch
from pathlib import Path
from textscf.files.io import read_yaml
from textscf.models import build_network
from textscf.prompts.encoder import EncoderOptions, build_encoder
from textscf.study import load_study
from textscf.training.objective import Objective
from textscf.registration.evaluation import registrar_of
from textscf.files.registry import FIGURES, entry

study = load_study(read_yaml(Path("config/mine.yaml")), Path("config"))
run = study.runs["mine"]
assert run["network"]["backbone"] == {"name": "mine", "width": 2}
network = build_network(run["network"])
images = torch.rand(2, 1, 1, 32, 32, 32)
assert network(*images, None, None).shape == (1, 3, 32, 32, 32)
assert build_encoder("constant", EncoderOptions()).encode(["a", "b"], ["", ""]).shape == (2, 2)
assert study.runs["constant"]["prompts"] == "constant"
similarity = entry("textscf.losses.similarities", run["loss"]["similarity"], "loss").dissimilarity
assert similarity(*images, 1) > 0
class Cohort:
    shape = (4, 4, 4)
assert registrar_of(study.runs["still"], Cohort(), None, None).displacement("a", "b")[0].shape == (4, 4, 4, 3)
assert entry(FIGURES, study.figures["mine"]["kind"], "mine").draw
"""


@pytest.fixture(scope="module")
def extended(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project with the new files."""
    project = copy_project(root, tmp_path_factory.mktemp("extended"))
    files = {
        "src/textscf/models/backbones/mine.py": BACKBONE,
        "config/backbones/mine.yaml": "defaults: {width: 4}\noptions: {width: {type: integer, minimum: 1}}\n",
        "src/textscf/losses/similarities/absolute.py": SIMILARITY,
        "src/textscf/prompts/encoders/constant.py": ENCODER,
        "config/prompts/constant.yaml": "encoder: constant\nbackground: text\n",
        "src/textscf/plotting/figures/mine.py": FIGURE,
        "src/textscf/registration/methods/still.py": METHOD,
        "config/experiments/mine.yaml": EXPERIMENT,
        "config/mine.yaml": STUDY,
    }
    for name, content in files.items():
        (project / name).write_text(content)
    return project


def test_new_files_are_found_and_used(extended: Path) -> None:
    (extended / "src/use.py").write_text(USE)
    done = subprocess.run([python(), "src/use.py"], cwd=extended, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_workflow_plans_runs_tables_and_figures_of_new_files(extended: Path) -> None:
    command = [python(), "-m", "snakemake", "-n", "--configfile", "config/mine.yaml"]
    done = subprocess.run(command, cwd=extended, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    for made in ("runs/mine/checkpoint.pt", "runs/still/metrics.csv", "figures/mine.pdf", "tables/mine_table.csv"):
        assert f"results/mine/{made}" in done.stdout


def test_a_wrong_option_of_a_new_backbone_is_named(extended: Path) -> None:
    setting = "runs={mine: {backbone_options: {widht: 3}}}"
    command = [python(), "-m", "snakemake", "-n", "--configfile", "config/mine.yaml", "--config", setting]
    done = subprocess.run(command, cwd=extended, capture_output=True, text=True)
    assert done.returncode != 0
    assert (
        "run 'mine': backbone_options of mine: unknown key 'widht'; did you mean 'width'?" in done.stdout + done.stderr
    )
