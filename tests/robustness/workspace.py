"""Builds the workspace that cases damage: a small copy of the project with scans and results of every stage."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import yaml

from textscf.data.cohort import Cohort
from textscf.data.preprocess import preprocess_cohort
from textscf.files.fill import fill
from textscf.files.io import read_yaml, write_csv, write_json, write_nifti, write_yaml
from textscf.models import build_network
from textscf.prompts import PromptSet, embed, save_embedding
from textscf.registration.evaluation import evaluate_run
from textscf.registration.trained_run import export_checkpoint
from textscf.segmentation.segment_cohort import segment_cohort
from textscf.study import load_study
from textscf.workflow import stage_settings

ROOT = Path(__file__).resolve().parents[2]
REAL = ROOT.parent / "shared/data/Task04_Hippocampus"

COHORT = "results/cohorts/hippocampus_mr"
RUNS = "results/small/runs"
SCANS = "data/Task04_Hippocampus"

_SUBJECTS = (1, 4, 3, 75, 14, 15)
_CHANGES: dict[str, Any] = {
    "splits": {"train": [1, 4], "validation": [3, 75], "test": [14, 15]},
    "pairs": {"validation": {"next": 1}, "test": {"next": 1}},
}
_STUDY: dict[str, Any] = {
    "study": "small",
    "title": "A small study",
    "cohorts": {"primary": "hippocampus_mr"},
    "experiments": ["table3"],
    "defaults": {
        "backbones": {"lku_net": {"start_channels": 2}},
        "head": {"segmentor": "ground_truth", "prompts": "one_hot", "hidden_channels": 4},
        "training": {"epochs": 1, "steps_per_epoch": 1},
    },
    "not_run": dict.fromkeys(
        ("syn", "voxelmorph", "transmorph", "tm_tvf", "fourier_net", "im2grid", "lapirn*"), "not part of this test"
    ),
}


_TIMING: dict[str, Any] = {
    "steps": 1,
    "seconds": 1.0,
    "seconds_per_step": 1.0,
    "best_validation_dice": 0.5,
    "last_rise": None,
    "converged": False,
    "restarts": [],
}


def build_workspace(folder: Path) -> Path:
    """Build the workspace in `folder`, with real hippocampus scans if available, else with simulated ones."""
    for name in ("config", "envs", "profiles"):
        shutil.copytree(ROOT / name, folder / name)
    for name in ("rules", "src"):
        (folder / name).symlink_to(ROOT / name)
    shutil.copy(ROOT / "Snakefile", folder)
    cohort_file = folder / "config/cohorts/hippocampus_mr.yaml"
    cohort = {**read_yaml(cohort_file), **_CHANGES}
    cohort["preprocess"]["shape"] = [32, 32, 32]
    cohort_file.write_text(yaml.safe_dump(cohort))
    study_file = folder / "config/small.yaml"
    study_file.write_text(yaml.safe_dump(_STUDY))
    _write_scans(folder / SCANS)
    study = load_study(_STUDY, folder / "config", [study_file])
    for owner in ("cohorts/hippocampus_mr", "cohorts/hippocampus_mr/prompts/one_hot"):
        write_yaml(folder / f"results/{owner}/config.yaml", stage_settings(study, owner))
    segmentor = f"{COHORT}/segmentations/ground_truth"
    write_yaml(folder / segmentor / "config.yaml", {"source": "ground_truth"})
    for kind in ("tables/table3", "figures/figure3", "claims", "report", "quick"):
        write_yaml(folder / f"results/small/{kind}/config.yaml", stage_settings(study, f"small/{kind}"))
    for run, settings in study.runs.items():
        write_yaml(folder / RUNS / run / "config.yaml", settings)
    preprocess_cohort(stage_settings(study, "cohorts/hippocampus_mr"), folder / SCANS, folder / COHORT, workers=1)
    prepared = Cohort.load(folder / COHORT)
    segment_cohort(prepared, {"source": "ground_truth"}, None, folder / segmentor, torch.device("cpu"))
    prompts = folder / COHORT / "prompts/one_hot"
    embedding, provenance = embed(fill(PromptSet, read_yaml(prompts / "config.yaml"), prompts))
    save_embedding(prompts / "embedding.npz", embedding, provenance)
    for run, settings in study.runs.items():
        evaluate_run(run, prepared, None, folder / RUNS / run)
        if settings["method"] == "learned":
            network = build_network(settings["network"], torch.from_numpy(embedding.vectors))
            export_checkpoint(folder / RUNS / run / "checkpoint.pt", network, settings, prepared)
            history = pd.DataFrame([{"epoch": 1, "step": 1, "loss": 1.0, "validation_dice": 0.5}])
            write_csv(folder / RUNS / run / "history.csv", history)
            write_json(folder / RUNS / run / "timing.json", _TIMING)
    return folder


def scan(number: int, kind: str = "images") -> str:
    """Path of a subject's stored scan, relative to the workspace."""
    return f"{SCANS}/{kind}Tr/hippocampus_{number:03d}.nii.gz"


def _write_scans(folder: Path) -> None:
    for number in _SUBJECTS:
        for kind in ("images", "labels"):
            target = folder / f"{kind}Tr/hippocampus_{number:03d}.nii.gz"
            target.parent.mkdir(parents=True, exist_ok=True)
            original = REAL / target.relative_to(folder)
            if original.is_file():
                shutil.copyfile(original, target)
            else:
                write_nifti(target, _simulated(number)[kind], np.eye(4))


def _simulated(seed: int) -> dict[str, np.ndarray]:
    """Simulated image and labels: an ellipsoid with two labelled halves, plus noise."""
    generator = np.random.default_rng(seed)
    places = np.stack(np.meshgrid(*(np.arange(n) for n in (35, 50, 35)), indexing="ij"), axis=-1)
    inside = (((places - (17, 25, 17)) / generator.uniform((7, 16, 7), (9, 20, 9))) ** 2).sum(-1) < 1
    labels = np.where(inside, 1 + (places[..., 1] > 25), 0).astype(np.uint8)
    image = 100 + 150 * labels + generator.normal(0, 20, labels.shape)
    return {"images": image.clip(0).astype(np.float32), "labels": labels}
