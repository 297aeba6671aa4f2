"""File of a released model: a trained network, its segmentor, and the preprocessing that new scans need."""

import logging
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from textscf.data.cohort import Cohort
from textscf.errors import InputError
from textscf.files.io import atomic_path, read_yaml
from textscf.files.state import load_state, save_state
from textscf.metrics.aggregation import METRIC_COLUMNS, run_means
from textscf.registration.coverage import training_range
from textscf.registration.evaluation import evaluate_run
from textscf.registration.inference import timed_prediction
from textscf.registration.scan_pair import find_segmentor
from textscf.registration.trained_run import description, load_checkpoint
from textscf.registration.volumes import Scan
from textscf.results.items import read_csv

_LOG = logging.getLogger(__name__)

TOLERANCE = 0.05
"""Largest change of mean test Dice, in points, for which weights are stored in half precision instead of single."""


@dataclass(frozen=True)
class Release:
    """Precision and test results of a written model.

    Attributes:
        precision: precision of the stored weights, half or single.
        difference: mean test Dice of the model minus that of the run, in points.
        metrics, pairs: `metrics.csv` and `pairs.csv` of the test pairs, registered with only the model's file.
        identity: displacements in mm of test scans registered to themselves: median, 99th percentile and largest.
    """

    precision: str
    difference: float
    metrics: pd.DataFrame
    pairs: pd.DataFrame
    identity: list[float]


def write_model(run: Path, cohort: Cohort, segmentor: Path | None, out: Path, device: torch.device) -> Release:
    """Write a run and its segmentor to one file, in half precision if mean test Dice changes by at most `TOLERANCE`.

    Args:
        run: folder of the run, with `checkpoint.pt` and `metrics.csv`.
        cohort: cohort of the run.
        segmentor: folder of the run's segmentor; None for a run without text-driven head.
        out: file of the model.
        device: device for registering the test pairs.

    Raises:
        InputError: the segmentor was not trained here, or a file is missing or cannot be used.
    """
    content = {**load_state(run / "checkpoint.pt"), "cohort": description(cohort),
               "segmentor": _read_segmentor(segmentor) if segmentor else None,
               "covered": training_range(cohort) if cohort.labelled("train") else None}  # fmt: skip
    expected = _mean_dice(read_csv(run / "metrics.csv", METRIC_COLUMNS, "metrics of the run"))
    forms = {"half": _halved(content), "single": content}
    if not _is_finite(forms["half"]):
        _LOG.warning("half precision cannot hold all weights")
        del forms["half"]
    with atomic_path(out) as temporary:
        for precision, stored in forms.items():
            save_state(temporary, stored)
            registrar = _ModelRegistrar(temporary, cohort, device)
            metrics, pairs = _measure(registrar, cohort)
            difference = _mean_dice(metrics) - expected
            if abs(difference) <= TOLERANCE:
                return Release(precision, difference, metrics, pairs, _identity(registrar, cohort))
            _LOG.warning("test Dice in %s precision differs by %.3f points from the run's", precision, difference)
        found = f"mean test Dice {expected:.3f}; expected {expected + difference:.3f}"
        why = "which the checkpoint and the segmentor give: they are not of the same run"
        raise InputError(f"{run / 'metrics.csv'}: {found}, {why}")


def _read_segmentor(folder: Path) -> dict[str, Any]:
    settings = read_yaml(folder / "config.yaml")
    if settings["source"] != "train":
        expected = "a segmentor that was trained here, whose weights may be passed on"
        raise InputError(f"{folder / 'config.yaml'}: source is {settings['source']}; expected {expected}")
    return {"settings": settings, "weights": load_state(folder / "network.pt")["network"]}


def _halved(content: Any) -> Any:
    """Copy of `content` with all single-precision tensors converted to half precision."""
    if isinstance(content, Mapping):
        return {key: _halved(value) for key, value in content.items()}
    return content.half() if isinstance(content, Tensor) and content.dtype == torch.float32 else content


def _is_finite(content: Any) -> bool:
    if isinstance(content, Mapping):
        return all(map(_is_finite, content.values()))
    return not isinstance(content, Tensor) or bool(content.isfinite().all())


def _mean_dice(metrics: pd.DataFrame) -> float:
    return 100 * float(run_means(metrics, "learn2reg")["dice"].iloc[0])


def _identity(registrar: "_ModelRegistrar", cohort: Cohort) -> list[float]:
    """Displacements of the test scans registered to themselves, in mm: median, 99th percentile and largest."""
    lengths = [
        np.linalg.norm(registrar.displacement(subject, subject)[0] * np.array(cohort.spacing), axis=-1)
        for subject in cohort.splits["test"]
    ]
    return [float(value) for value in (*np.percentile(lengths, [50, 99]), np.max(lengths))]


def _measure(registrar: "_ModelRegistrar", cohort: Cohort) -> tuple[pd.DataFrame, pd.DataFrame]:
    with tempfile.TemporaryDirectory() as folder:
        evaluate_run("model", cohort, registrar, Path(folder))
        return pd.read_csv(Path(folder) / "metrics.csv"), pd.read_csv(Path(folder) / "pairs.csv")


class _ModelRegistrar:
    """Registers pairs of a cohort with only a model's file, whose segmentor segments the scans."""

    in_workers: ClassVar[bool] = False

    def __init__(self, model: Path, cohort: Cohort, device: torch.device) -> None:
        trained = load_checkpoint(model, device)
        self._network = trained.network
        self._segmentor = find_segmentor(model, trained, None, device) if trained.segmentor else None
        self._cohort, self._device = cohort, device
        self._scans: dict[str, Scan] = {}

    def displacement(self, fixed: str, moving: str) -> tuple[np.ndarray, float]:
        """Displacement field ``(H, W, D, 3)`` in voxels, and the network's run time in seconds."""
        return timed_prediction(self._network, self._scan(fixed), self._scan(moving))

    def _scan(self, subject: str) -> Scan:
        if subject not in self._scans:
            image = self._cohort.load_image(subject)
            found = self._segmentor.regions(image, None) if self._segmentor else (None, None)
            regions, confidence = (None if part is None else part[None, None] for part in found)
            tensor = torch.from_numpy(image)[None, None].to(self._device)
            self._scans[subject] = Scan(tensor, torch.empty(0, dtype=torch.uint8), regions, confidence)
        return self._scans[subject]
