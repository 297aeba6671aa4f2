"""Scans, labels and segmentations of a cohort as tensors that stay on the device."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from textscf.data.cohort import Cohort
from textscf.segmentation import Segmentation


@dataclass(frozen=True)
class Scan:
    """One subject as tensors ``(1, 1, H, W, D)``: image in [0, 1], labels, and regions and p(x) if a head uses them.

    The labels of a scan without a label map are empty.
    """

    image: Tensor
    labels: Tensor
    regions: Tensor | None
    confidence: Tensor | None

    @property
    def has_labels(self) -> bool:
        """Whether the scan has a label map."""
        return self.labels.numel() > 0

    @property
    def nbytes(self) -> int:
        """Memory of the tensors in bytes."""
        return sum(part.nbytes for part in (self.image, self.labels, self.regions, self.confidence) if part is not None)


class VolumeStore:
    """Loads subjects and keeps them on `device`; keeps confidences as bytes, as in their files.

    Args:
        cohort: prepared cohort.
        segmentation: segmentation of the cohort's scans; None if no head uses regions.
        device: device that keeps the scans.
        compact: keep images as 16-bit integers, in steps of 1/65535; intended for trainings in bfloat16, which has a
            precision of 8 bits.
        limit: memory in bytes for the scans that are kept. Beyond it, the store forgets those that were not used for
            the longest time and loads them again when they are needed. None means no limit: every subject is loaded
            once.

    Attributes:
        n_labels: number of labels in the scans, including the background.
        n_regions: number of regions that a text-driven head must know, including the background.
        auxiliary_subjects: training subjects of an auxiliary cohort (see `textscf.training.auxiliary`).
    """

    def __init__(
        self,
        cohort: Cohort,
        segmentation: Segmentation | None,
        device: torch.device,
        compact: bool = False,
        limit: int | None = None,
    ) -> None:
        self._cohort = cohort
        self._segmentation = segmentation
        self._device = device
        self._compact = compact
        self._limit = limit
        self._scans: dict[str, Scan] = {}
        self.n_labels = self.n_regions = cohort.n_regions
        self.auxiliary_subjects: list[str] = []

    def __getitem__(self, subject: str) -> Scan:
        stored = self._stored(subject)
        confidence = None if stored.confidence is None else _as_fraction(stored.confidence)
        return replace(stored, image=_as_fraction(stored.image), confidence=confidence)

    def has_labels(self, subject: str) -> bool:
        """Whether a subject has a label map."""
        return self._stored(subject).has_labels

    def preload(self, subjects: Iterable[str]) -> None:
        """Load these subjects now, in parallel, so that an unreadable file raises an error before training starts."""
        with ThreadPoolExecutor(torch.get_num_threads()) as pool:
            list(pool.map(self._stored, subjects))

    def _stored(self, subject: str) -> Scan:
        scan = self._scans.pop(subject, None) or self._load(subject)
        self._scans[subject] = scan  # the last one is the one used last
        if self._limit is not None:
            self._forget(self._limit)
        return scan

    def _forget(self, limit: int) -> None:
        """Forget scans, those that were not used for the longest time first, but never the one used last."""
        used = sum(scan.nbytes for scan in self._scans.values())
        for subject, scan in list(self._scans.items())[:-1]:
            if used > limit:
                used -= scan.nbytes
                del self._scans[subject]

    def _load(self, subject: str) -> Scan:
        regions = confidence = None
        if self._segmentation is not None:
            regions = self._tensor(self._segmentation.labels(subject))
            confidence = self._tensor(np.rint(self._segmentation.confidence(subject) * 255).astype(np.uint8))
        image = self._image(self._cohort.load_image(subject))
        return Scan(image, self._tensor(labels_or_none(self._cohort, subject)), regions, confidence)

    def _image(self, image: np.ndarray) -> Tensor:
        return self._tensor(np.rint(image * 65535).astype(np.uint16) if self._compact else image)

    def _tensor(self, volume: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(volume))[None, None].to(self._device)


def labels_or_none(cohort: Cohort, subject: str) -> np.ndarray:
    """Label map (H, W, D) of a subject; an empty array for a scan without one."""
    return cohort.load_labels(subject) if cohort.has_labels(subject) else np.empty(0, np.uint8)


def _as_fraction(stored: Tensor) -> Tensor:
    """Divide integers by the largest integer of their data type; return floats unchanged."""
    if stored.is_floating_point():
        return stored
    return stored.float() / torch.iinfo(stored.dtype).max
