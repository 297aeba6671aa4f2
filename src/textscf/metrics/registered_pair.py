"""A registered pair, as metrics read it."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from textscf.metrics.jacobian import JacobianSummary, jacobian_determinants, jacobian_summary
from textscf.metrics.overlap import confusion_counts
from textscf.metrics.surface import Spacing

Landmarks = tuple[NDArray[np.floating], NDArray[np.floating]]
"""Points of the fixed and of the moving scan in voxel indices, ``(K, 3)`` each; rows correspond."""


@dataclass(frozen=True)
class RegisteredPair:
    """Label maps, displacement and landmarks of a pair; what several metrics need is computed once, at first use.

    Attributes:
        fixed, moving, warped: label maps ``(H, W, D)``. The labels to evaluate are 1 to N, all other voxels 0. In a
            pair of which a scan has no label map, all voxels are 0.
        n_labels: N.
        displacement: ``(H, W, D, 3)`` in voxels; None for no registration.
        spacing: voxel edge lengths.
        seconds: computing time of the registration; None if it was not measured.
        landmarks: corresponding landmarks of the fixed and the moving scan; None for a pair without landmarks.
    """

    fixed: NDArray[np.integer]
    moving: NDArray[np.integer]
    warped: NDArray[np.integer]
    n_labels: int
    displacement: NDArray[np.floating] | None
    spacing: Spacing
    seconds: float | None
    landmarks: Landmarks | None = None

    @cached_property
    def confusion(self) -> NDArray[np.int64]:
        """Number of voxels ``(N + 1, N + 1)`` of each (fixed, warped) label pair."""
        return confusion_counts(self.fixed, self.warped, self.n_labels + 1)

    @cached_property
    def present(self) -> NDArray[np.bool_]:
        """Mask ``(N,)`` of the labels that both scans have."""
        found: NDArray[np.bool_] = self.confusion.sum(0)[1:] > 0
        for n in np.flatnonzero(~found):  # the warp loses labels and brings in none
            found[n] = (self.moving == n + 1).any()
        return found & (self.confusion.sum(1)[1:] > 0)

    @cached_property
    def lost(self) -> NDArray[np.bool_]:
        """Mask ``(N,)`` of the labels that both scans have and the warped scan has not."""
        found: NDArray[np.bool_] = self.present & (self.confusion.sum(0)[1:] == 0)
        return found

    @cached_property
    def jacobian(self) -> JacobianSummary:
        """Metrics of the transformation's Jacobian determinants; 0 for no registration."""
        if self.displacement is None:
            return JacobianSummary(0.0, 0.0)
        return jacobian_summary(jacobian_determinants(self.displacement))
