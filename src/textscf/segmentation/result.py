"""Segmentations on disk: label maps and confidences of all scans of a cohort."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from textscf.data.cohort import Cohort
from textscf.errors import InputError
from textscf.files.io import Volume, read_image, read_json, read_labels
from textscf.files.layout import COST_FILE


@dataclass(frozen=True)
class Segmentation:
    """Regions of the scans of one cohort, as a segmentor's `segmentation.json` lists them.

    Attributes:
        path: path of the `segmentation.json`.
        label_folder: folder of the label maps, one per subject.
        confidence_folder: folder of the confidences, one per subject, stored as 0 to 255; None means confidence 1
            everywhere (ground truth).
        shape: shape of the cohort's volumes.
    """

    path: Path
    label_folder: Path
    confidence_folder: Path | None
    shape: tuple[int, int, int]

    def labels(self, subject: str) -> np.ndarray:
        """J(x): the most probable region, uint8 ``(H, W, D)``."""
        path = self.label_folder / f"{subject}.nii.gz"
        return self._checked(read_labels(path), path).astype(np.uint8)

    def confidence(self, subject: str) -> np.ndarray:
        """p(x): the probability of that region in [0, 1], float32 ``(H, W, D)``."""
        if self.confidence_folder is None:
            return np.ones(self.shape, dtype=np.float32)
        path = self.confidence_folder / f"{subject}.nii.gz"
        return self._checked(read_image(path), path) / np.float32(255)

    def probabilities(self, subject: str, n_regions: int) -> np.ndarray:
        """Probability of each region, background first, float32 ``(n_regions, H, W, D)``.

        Only the most probable region J(x) and its probability p(x) are stored; the other regions share the rest evenly.
        """
        confidence = self.confidence(subject)
        rest = (1 - confidence) / (n_regions - 1)
        found = np.repeat(rest[None], n_regions, axis=0)
        np.put_along_axis(found, self.labels(subject)[None].astype(np.intp), confidence[None], axis=0)
        return found

    def seconds(self, subject: str) -> float:
        """Computing time of the subject's regions in s; InputError if it was not measured."""
        path = self.path.with_name(COST_FILE)
        content = read_json(path)
        try:
            return float(content["seconds"][subject])
        except (KeyError, TypeError, ValueError):
            raise InputError(f"{path}: has no seconds of {subject}; expected a file made by src/segment.py") from None

    def fingerprint(self, subjects: Iterable[str]) -> str:
        """SHA-256 of the regions of these subjects."""
        files = read_json(self.path).get("files")
        if not isinstance(files, Mapping):
            raise InputError(f"{self.path}: has no files; expected their digests, as src/segment.py writes")
        names = [f"{kind}/{subject}.nii.gz" for subject in subjects for kind in ("labels", "confidence")]
        content = {name: files[name] for name in names if name in files}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def _checked(self, volume: Volume, path: Path) -> np.ndarray:
        if volume.data.shape != self.shape:
            raise InputError(f"{path}: shape {volume.data.shape}; expected {self.shape} as the cohort's scans")
        return volume.data


def load_segmentation(path: Path, cohort: Cohort) -> Segmentation:
    """Open `segmentation.json`. Raises InputError if it is missing or belongs to another cohort."""
    content = read_json(path)
    if not isinstance(content, dict) or not isinstance(content.get("labels"), str) or "confidence" not in content:
        raise InputError(
            f"{path}: not a segmentation; expected cohort, labels and confidence, as src/segment.py writes"
        )
    if content.get("cohort") != cohort.name:
        raise InputError(f"{path}: is a segmentation of cohort {content.get('cohort')}; expected {cohort.name}")
    confidence = content["confidence"]
    return Segmentation(
        path,
        cohort.folder / content["labels"],
        None if confidence is None else cohort.folder / confidence,
        cohort.shape,
    )
