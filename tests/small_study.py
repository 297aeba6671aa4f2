"""A copy of the project with a small cohort and a small study, and snakemake called in it."""

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.python_server import python
from textscf.files.io import read_yaml
from textscf.study.study import merge

TRAINING = {"steps": 2, "validate_every": 1, "batch_size": 1, "learning_rate": 6e-3, "precision": "float32", "seed": 1}
COHORT: dict[str, Any] = {
    "splits": {"train": ["1-3"], "validation": ["4-5"], "test": ["6-8"]},
    "pairs": {"validation": [[4, 5]], "test": [[6, 7], [7, 8], [8, 6]]},
    "segmentors": {"tiny": {"source": "train", **TRAINING}},
    "learn2reg": {"grid": [24, 24, 32], "folder": "task_03"},
}
STUDY: dict[str, Any] = {
    "study": "small",
    "title": "A small study",
    "cohorts": {"primary": "simulated_abdomen"},
    "experiments": ["table3", "table5", "figure7", "complexity"],
    "defaults": {
        "backbones": {"lku_net": {"start_channels": 2}, "lapirn": {"start_channels": 1}},
        "head": {"segmentor": "tiny", "prompts": "one_hot", "hidden_channels": 4},
        "training": {"epochs": 4, "steps_per_epoch": 1},
    },
    "not_run": dict.fromkeys(
        ("voxelmorph*", "t*morph*", "tm_tvf", "fourier_net", "im2grid", "lapirn_*", "textscf_base", "textscf_small"),
        "not part of this test",
    ),
}


def edit(path: Path, **changes: Any) -> None:
    path.write_text(yaml.safe_dump(merge(read_yaml(path), changes)))


def copy_project(root: Path, copy: Path, study: Mapping[str, Any] = STUDY) -> Path:
    """The project at `copy`, with `study` as config/small.yaml."""
    for name in ("config", "rules", "src", "envs", "profiles"):
        shutil.copytree(root / name, copy / name)
    shutil.copy(root / "Snakefile", copy)
    edit(copy / "config/cohorts/simulated_abdomen.yaml", **COHORT)
    (copy / "config/small.yaml").write_text(yaml.safe_dump(study))
    return copy


def snakemake(
    project: Path, *arguments: str, study: str = "small", program: str | None = None
) -> subprocess.CompletedProcess[str]:
    """A call of snakemake by `program`, by default one that starts at once."""
    command = [program or python(), "-m", "snakemake", "--cores", "2", "--configfile", f"config/{study}.yaml"]
    return subprocess.run([*command, *arguments], cwd=project, capture_output=True, text=True, timeout=1200)
