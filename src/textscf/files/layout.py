"""The layout of `results/`: the folder of each cohort, segmentation, prompt set, run, table, figure and model."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

NETWORK_FILES = {"train": "network.pt", "pretrained": "weights.pt"}
"""File name of a segmentor's weights for each `source`; the file lies beside the segmentor's `config.yaml`."""

COST_FILE = "cost.json"
"""File name of what a segmentation costs: `parameters` of the network, and `seconds` of each scan."""


def segmentation_folder(cohort: Path, segmentor: str) -> Path:
    """Folder of a segmentation in the folder of a prepared cohort."""
    return cohort / "segmentations" / segmentor


def trained_run(run: str, settings: Mapping[str, Any]) -> str | None:
    """Id of the run in whose folder the training of a concrete run lies: itself, or the run that it refines.

    None for a run without training.
    """
    if settings["method"] == "refined":
        return str(settings["method_options"]["run"])
    return run if settings["method"] == "learned" else None


@dataclass(frozen=True)
class Layout:
    """Paths below `root`, usually `results`; the names given may be wildcards of the workflow."""

    root: Path = Path("results")

    @classmethod
    def around(cls, run: Path) -> "Layout":
        """Layout of the results folder that contains the folder of a run."""
        return cls(run.resolve().parents[2])

    def cohort(self, cohort: str) -> Path:
        """Folder of a prepared cohort: `cohort.json`, images and labels."""
        return self.root / "cohorts" / cohort

    def segmentation(self, cohort: str, segmentor: str) -> Path:
        """Folder of a cohort's segmentation: `segmentation.json`, label maps, the segmentor's weights and accuracy."""
        return segmentation_folder(self.cohort(cohort), segmentor)

    def prompts(self, cohort: str, prompts: str) -> Path:
        """Folder of the text vectors of a cohort's regions: `embedding.npz`."""
        return self.cohort(cohort) / "prompts" / prompts

    def study(self, study: str) -> Path:
        """Folder of all results of a study: runs, tables, figures, models, claims, the report."""
        return self.root / study

    def run(self, study: str, run: str) -> Path:
        """Folder of a run: settings, checkpoint, history, metrics."""
        return self.study(study) / "runs" / run

    def table(self, study: str, table: str) -> Path:
        """Path of a table without the file suffix."""
        return self.study(study) / "tables" / table

    def figure(self, study: str, figure: str) -> Path:
        """Path of a figure without the file suffix."""
        return self.study(study) / "figures" / figure

    def model(self, study: str, model: str) -> Path:
        """Path of a released model without the file suffix."""
        return self.study(study) / "models" / model
