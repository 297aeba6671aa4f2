"""Training with an auxiliary cohort (paper, section 4.4 and Table 4: abdomen CT with lung CT).

The paper combines the scans of both cohorts under one loss and gives no further details. This project decides:

- Both cohorts have the same grid. Both scans of a pair come from the same cohort. Pairs of both training splits are
  drawn with the same probability.
- The primary cohort has labels 1 to n. The m structures of the auxiliary cohort get labels n + 1 to n + m, even if both
  cohorts have the same structure. The Dice loss is the mean over all n + m + 1 labels; a label that neither scan of a
  pair has adds a constant.
- If the auxiliary structures are encoded, they are regions n + 1 to n + m of the text-driven head; the regions of an
  auxiliary scan are its own label map, with p = 1. If not, the whole auxiliary scan is background, with p = 1. The loss
  is the same in both cases.
- Structures that are encoded need a label map of every auxiliary training scan.
- Primary scans are used as without an auxiliary cohort. Validation, choice of the checkpoint and tests use only them.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from textscf.data.cohort import Cohort
from textscf.data.geometry import axis_codes
from textscf.errors import InputError
from textscf.registration.volumes import Scan, VolumeStore, labels_or_none
from textscf.segmentation import Segmentation


class JointVolumeStore(VolumeStore):
    """Scans of a primary cohort, with keys ``<subject>``, and of an auxiliary cohort, with keys ``<cohort>/<subject>``.

    Args:
        cohort: primary cohort.
        auxiliary: auxiliary cohort on the same grid.
        encode: whether the auxiliary structures are regions of the head.
        segmentation: segmentation of the primary cohort; None if no head uses regions.
        device, compact: see `VolumeStore`.
    """

    def __init__(
        self,
        cohort: Cohort,
        auxiliary: Cohort,
        encode: bool,
        segmentation: Segmentation | None,
        device: torch.device,
        compact: bool = False,
    ) -> None:
        super().__init__(cohort, segmentation, device, compact)
        self._auxiliary, self._encode = auxiliary, encode
        self.auxiliary_subjects = [f"{auxiliary.name}/{subject}" for subject in auxiliary.subjects("train")]
        self.n_labels = cohort.n_regions + len(auxiliary.label_values)
        self.n_regions = self.n_labels if encode else cohort.n_regions

    def _load(self, subject: str) -> Scan:
        if "/" not in subject:
            return super()._load(subject)
        name = subject.rpartition("/")[2]
        image = self._image(self._auxiliary.load_image(name))
        labels = self._tensor(self._shifted(labels_or_none(self._auxiliary, name)))
        if self._segmentation is None:
            return Scan(image, labels, None, None)
        regions = labels if self._encode else torch.zeros_like(image, dtype=labels.dtype)
        return Scan(image, labels, regions, torch.full_like(image, 255, dtype=torch.uint8))

    def _shifted(self, labels: np.ndarray) -> np.ndarray:
        """Renumber labels 1 to m as n + 1 to n + m; the type is int16 because n + m may exceed 255."""
        return np.where(labels > 0, labels.astype(np.int16) + len(self._cohort.label_values), 0)


def open_volumes(
    run: Mapping[str, Any],
    cohort: Cohort,
    segmentation: Segmentation | None,
    auxiliary: Cohort | None,
    device: torch.device,
) -> VolumeStore:
    """Open the scans for the training of a run; InputError if `auxiliary` is not the run's or has another grid."""
    settings = run.get("auxiliary")
    expected, found = settings["cohort"] if settings else "none", auxiliary.name if auxiliary else "none"
    if found != expected:
        raise InputError(f"run {run['run']}: auxiliary cohort: found {found}; expected {expected} (--auxiliary)")
    compact = run["training"]["precision"] == "bfloat16"
    if auxiliary is None:
        return VolumeStore(cohort, segmentation, device, compact)
    if _grid(auxiliary) != _grid(cohort):
        raise InputError(
            f"{auxiliary.folder / 'cohort.json'}: grid of {_grid(auxiliary)}; expected {_grid(cohort)}, as cohort "
            f"{cohort.name} has"
        )
    without = [subject for subject in auxiliary.subjects("train") if not auxiliary.has_labels(subject)]
    if run["auxiliary"]["encode"] and without:
        raise InputError(
            f"run {run['run']}: auxiliary.encode: {len(without)} training scans of cohort {auxiliary.name} have no "
            f"labels, the first is {without[0]}; expected labels of all, or encode: false"
        )
    return JointVolumeStore(cohort, auxiliary, run["auxiliary"]["encode"], segmentation, device, compact)


def _grid(cohort: Cohort) -> str:
    shape, spacing = ("x".join(f"{n:g}" for n in numbers) for numbers in (cohort.shape, cohort.spacing))
    return f"{shape} voxels of {spacing} mm, axes {axis_codes(cohort.affine)}"
