"""One new file and one configuration entry add a backbone, similarity, encoder, metric, figure or method."""

import subprocess
from pathlib import Path

import pandas as pd
import pytest

from tests.cohorts import make_cohort
from tests.python_server import python
from tests.result_files import table_spec
from tests.small_study import copy_project
from textscf.files.io import write_yaml

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
METRIC = """
import numpy as np
from textscf.metrics.metric import Metric

def measure(pair):
    return np.diag(pair.confusion)[1:].astype(float)

METRIC = Metric(title="Shared", unit="voxels", decimals=0, best="max", level="structure", measure=measure)
"""
METRIC_OF_OTHER_DATA = """
from textscf.metrics.metric import Metric

METRIC = Metric(title="Landmark error", unit="mm", best="min", level="pair", measure=lambda pair: None)
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
  none: {method: initial}
  constant: {head: {prompts: constant}}
figures:
  mine: {kind: mine, caption: Mine., convention: paper, rows: [{run: still, label: Still}]}
tables:
  mine_table: {caption: Mine., convention: paper, rows: [{run: mine, label: Mine}, {run: still, label: Still}]}
  shared:
    caption: Shared voxels.
    convention: paper
    metrics: [shared_voxels, sdlogj]
    rows: [{run: none, label: None}, {run: still, label: Still}]
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
        "src/textscf/metrics/measures/shared_voxels.py": METRIC,
        "src/textscf/metrics/measures/landmark_error.py": METRIC_OF_OTHER_DATA,
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
    made = "runs/mine/checkpoint.pt runs/still/metrics.csv figures/mine.pdf tables/mine_table.csv tables/shared.csv"
    for path in made.split():
        assert f"results/mine/{path}" in done.stdout


def test_a_new_metric_is_in_result_files_and_tables(extended: Path) -> None:
    cohort = make_cohort(extended / "results/cohorts/blobs")
    for run, method in {"none": "initial", "still": "still"}.items():
        config = extended / f"results/mine/runs/{run}/config.yaml"
        write_yaml(config, {"run": run, "method": method, "cohort": "blobs"})
        done = script(extended, "evaluate", "--config", config, "--cohort", cohort.folder, "--out", config.parent)
        assert done.returncode == 0, done.stderr
    metrics, pairs = (pd.read_csv(config.with_name(f"{name}.csv")) for name in ("metrics", "pairs"))
    assert list(metrics)[-2:] == ["hd95_initial", "shared_voxels"]
    assert list(pairs)[-2:] == ["seconds", "shared_voxels"]
    means = metrics.groupby(["fixed", "moving"], sort=False)["shared_voxels"].mean()
    assert (means > 0).all()
    assert pairs["shared_voxels"].tolist() == pytest.approx(means.tolist())

    done = table_of(extended, "shared", metrics=["shared_voxels", "sdlogj"])
    assert done.returncode == 0, done.stderr
    table = pd.read_csv(extended / "shared.csv").set_index("run")
    assert table["shared_voxels"].tolist() == pytest.approx([means.mean()] * 2)
    shown = (extended / "shared.md").read_text().splitlines()
    heading, _, *lines = [[cell.strip() for cell in line.split("|")[1:4]] for line in shown if line.startswith("|")]
    assert heading == ["Method", "SDlogJ ↓", "Shared (voxels) ↑"]
    assert [line[2] for line in lines] == [f"{means.mean():.0f}"] * 2

    done = table_of(extended, "landmarks", metrics=["landmark_error"])
    assert "runs/none/pairs.csv: has no column 'landmark_error'; evaluate it again" in done.stderr


def table_of(project: Path, name: str, metrics: list[str]) -> subprocess.CompletedProcess[str]:
    """Make a table of the runs none and still with the copy's code."""
    rows = [{"run": run, "label": run, "runs": [run]} for run in ("none", "still")]
    changes = {"study": "mine", "reported": None, "reference": None, "rows": rows, "metrics": metrics}
    write_yaml(project / f"{name}.yaml", table_spec(name=name, **changes))
    return script(project, "table", "--config", f"{name}.yaml", "--out", f"{name}.csv")


def script(project: Path, name: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [python(), f"src/{name}.py", *map(str, arguments)]
    return subprocess.run(command, cwd=project, capture_output=True, text=True)


def test_a_wrong_option_of_a_new_backbone_is_named(extended: Path) -> None:
    setting = "runs={mine: {backbone_options: {widht: 3}}}"
    command = [python(), "-m", "snakemake", "-n", "--configfile", "config/mine.yaml", "--config", setting]
    done = subprocess.run(command, cwd=extended, capture_output=True, text=True)
    assert done.returncode != 0
    assert (
        "run 'mine': backbone_options of mine: unknown key 'widht'; did you mean 'width'?" in done.stdout + done.stderr
    )
