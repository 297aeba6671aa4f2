"""The layout of `results/`: the folder of each cohort, segmentation, prompt set, run, table, figure and model."""

from dataclasses import dataclass
from pathlib import Path

NETWORK_FILES = {"train": "network.pt", "pretrained": "weights.pt"}
"""Name of the weights of a segmentor by its source, beside its `config.yaml`."""


@dataclass(frozen=True)
class Layout:
    """Folders below `root`, usually `results`; names may be wildcards of the workflow."""

    root: Path = Path("results")

    @classmethod
    def around(cls, run: Path) -> "Layout":
        """The layout that the folder of a run is part of."""
        return cls(run.resolve().parents[2])

    def cohort(self, cohort: str) -> Path:
        """A prepared cohort: `cohort.json`, images and labels."""
        return self.root / "cohorts" / cohort

    def segmentation(self, cohort: str, segmentor: str) -> Path:
        """The regions of a cohort's scans: `segmentation.json`, the segmentor's weights and accuracy."""
        return self.cohort(cohort) / "segmentations" / segmentor

    def prompts(self, cohort: str, prompts: str) -> Path:
        """The vectors of a cohort's regions: `embedding.npz`."""
        return self.cohort(cohort) / "prompts" / prompts

    def study(self, study: str) -> Path:
        """All that a study makes: runs, tables, figures, models, claims, the report."""
        return self.root / study

    def run(self, study: str, run: str) -> Path:
        """A run: settings, checkpoint, history, metrics."""
        return self.study(study) / "runs" / run

    def table(self, study: str, table: str) -> Path:
        """A table, without the suffix of its file."""
        return self.study(study) / "tables" / table

    def figure(self, study: str, figure: str) -> Path:
        """A figure, without the suffix of its file."""
        return self.study(study) / "figures" / figure

    def model(self, study: str, model: str) -> Path:
        """A released model, without the suffix of its file."""
        return self.study(study) / "models" / model
