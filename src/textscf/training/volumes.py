"""Scans, labels and segmentations of a cohort as tensors that stay on the training device."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from textscf.data.cohort import Cohort
from textscf.segmentation import Segmentation


@dataclass(frozen=True)
class Scan:
    """One subject, tensors ``(1, 1, H, W, D)``: image in [0, 1]; labels; region and p(x) where a head uses them."""

    image: Tensor
    labels: Tensor
    regions: Tensor | None
    confidence: Tensor | None


class VolumeStore:
    """Loads each subject once and keeps it on `device`.

    Attributes:
        n_labels: labels of the scans with the background.
        n_regions: regions of the scans that a text-driven head must know, with the background.
        auxiliary_subjects: training subjects that are not of the cohort (see `textscf.training.auxiliary`).
    """

    def __init__(self, cohort: Cohort, segmentation: Segmentation | None, device: torch.device) -> None:
        self._cohort = cohort
        self._segmentation = segmentation
        self._device = device
        self._scans: dict[str, Scan] = {}
        self.n_labels = self.n_regions = cohort.n_regions
        self.auxiliary_subjects: list[str] = []

    def __getitem__(self, subject: str) -> Scan:
        if subject not in self._scans:
            self._scans[subject] = self._load(subject)
        return self._scans[subject]

    def preload(self, subjects: Iterable[str]) -> None:
        """Read these subjects now, so that an unreadable file shows before training starts."""
        for subject in subjects:
            self[subject]

    def _load(self, subject: str) -> Scan:
        regions = confidence = None
        if self._segmentation is not None:
            regions = self._tensor(self._segmentation.labels(subject))
            confidence = self._tensor(self._segmentation.confidence(subject))
        image = self._tensor(self._cohort.load_image(subject))
        return Scan(image, self._tensor(self._cohort.load_labels(subject)), regions, confidence)

    def _tensor(self, volume: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(volume))[None, None].to(self._device)
