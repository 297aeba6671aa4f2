"""Inference with a trained run: displacement fields of pairs of prepared scans."""

import time
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from textscf.data.cohort import Cohort
from textscf.errors import InputError
from textscf.files.layout import segmentation_folder
from textscf.models import RegistrationNetwork
from textscf.registration.refinement import refine
from textscf.registration.trained_run import load_checkpoint
from textscf.registration.volumes import Scan, VolumeStore
from textscf.segmentation import load_segmentation

_KEPT = 2**28
"""Bytes of the scans that a registrar keeps: some 36 of Abdomen CT or 5 of OASIS at the paper's sizes."""


class Registrar:
    """Registers pairs of a cohort with a trained run.

    Args:
        checkpoint: `checkpoint.pt` of the run.
        cohort: prepared cohort of the pairs.
        device: device of the network and the scans.
    """

    in_workers: ClassVar[bool] = False

    def __init__(self, checkpoint: Path, cohort: Cohort, device: torch.device) -> None:
        trained = load_checkpoint(checkpoint, device)
        self._network: RegistrationNetwork = trained.network
        self._loss = trained.run["loss"]
        segmentor = trained.run["segmentor"]
        self._segmentation = None
        if segmentor:
            self._segmentation = load_segmentation(
                segmentation_folder(cohort.folder, segmentor) / "segmentation.json", cohort
            )
        self._scans = VolumeStore(cohort, self._segmentation, device, limit=_KEPT)

    def displacement(self, fixed: str, moving: str) -> tuple[np.ndarray, float]:
        """Displacement field ``(H, W, D, 3)`` in voxels, and the computing time in s, segmentation included."""
        field, seconds = timed_prediction(self._network, self._scans[fixed], self._scans[moving])
        return field, seconds + self._segmentation_seconds(fixed)

    def _segmentation_seconds(self, *subjects: str) -> float:
        """Time in s in which the regions of the subjects were found; 0 for a run that uses none."""
        return sum(map(self._segmentation.seconds, subjects)) if self._segmentation else 0.0


class RefiningRegistrar(Registrar):
    """Registers pairs of a cohort with a trained run and refines each field, see `textscf.registration.refinement`.

    The regions of both scans take part if the run uses regions.

    Args:
        checkpoint: `checkpoint.pt` of the run.
        cohort: prepared cohort of the pairs.
        device: device of the network and the scans.
        steps: steps of refinement.
    """

    def __init__(self, checkpoint: Path, cohort: Cohort, device: torch.device, steps: int) -> None:
        super().__init__(checkpoint, cohort, device)
        self._steps = steps

    def displacement(self, fixed: str, moving: str) -> tuple[np.ndarray, float]:
        """Displacement field ``(H, W, D, 3)`` in voxels, and the computing time in s, segmentations included."""
        scans = self._with_regions(fixed), self._with_regions(moving)
        started = time.perf_counter()
        start = predict(self._network, *scans).clone()
        refined = refine(start, *scans, self._loss, self._scans.n_regions, self._steps)
        field = _checked(refined)
        return field, time.perf_counter() - started + self._segmentation_seconds(fixed, moving)

    def _with_regions(self, subject: str) -> Scan:
        """A scan whose labels are its regions, which no scan has if the run uses none."""
        scan = self._scans[subject]
        return replace(scan, labels=scan.labels.new_empty(0) if scan.regions is None else scan.regions)


def predict(network: RegistrationNetwork, fixed: Scan, moving: Scan) -> Tensor:
    """Predict the displacement field ``(1, 3, H, W, D)``, in voxels and float32; the network is in evaluation mode."""
    with torch.inference_mode():
        return network(moving.image, fixed.image, fixed.regions, fixed.confidence)


def timed_prediction(network: RegistrationNetwork, fixed: Scan, moving: Scan) -> tuple[np.ndarray, float]:
    """Displacement field ``(H, W, D, 3)`` in voxels, and the time in s, including the transfer from the device."""
    started = time.perf_counter()
    displacement = _checked(predict(network, fixed, moving))
    return displacement, time.perf_counter() - started


def _checked(field: Tensor) -> np.ndarray:
    """A field ``(1, 3, H, W, D)`` as an array ``(H, W, D, 3)``; InputError if it is not finite."""
    displacement: np.ndarray = field[0].movedim(0, -1).cpu().numpy()
    if not np.isfinite(displacement).all():
        raise InputError("the network predicts a field that is not finite; the checkpoint cannot be used")
    return displacement
