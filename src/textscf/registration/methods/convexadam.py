"""Registration by ConvexAdam: a discrete optimisation with a coupled convex regularisation, refined by Adam.

H. Siebert, C. Grossbröhmer, L. Hansen, M. P. Heinrich, "ConvexAdam: self-configuring dual-optimisation-based 3D
multitask medical image registration", IEEE Transactions on Medical Imaging 44 (2025) 738-748; M. P. Heinrich,
"Closing the gap between deep and conventional image registration using probabilistic dense displacement networks",
MICCAI 2019. Features: MIND-SSC (M. P. Heinrich et al., MICCAI 2013), or label maps.

The convexadam package (Apache 2.0) runs it, here on the CPU and in one thread. It compares features of the scans on a
coarse grid at all displacements up to a limit, makes the fields of both directions inverse to each other, and improves
the field of this direction by Adam on a grid of half the resolution.

The package's own variant with label maps works on a GPU only, so that its features are made here, with its weights.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any, ClassVar, Literal
from unittest import mock

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from textscf.registration.image_registrar import RegionRegistrar, load_package

_SCALE, _RARITY = 10, 0.3
"""Factor of the features, and power of a region's size by which its feature is divided, as in the package."""


@dataclass(frozen=True)
class ConvexAdamRegistrar(RegionRegistrar):
    """Registers pairs of a prepared cohort with ConvexAdam. The defaults are the package's.

    Attributes:
        features: what is compared: MIND features of the images, or the label maps of a segmentation.
        grid_spacing: distance of the points of the coarse grid in voxels.
        search: largest displacement of the discrete optimisation, in steps of `grid_spacing`.
        smoothness: weight of the squared gradient of the field for Adam; 0 leaves Adam out.
        steps: steps of Adam.
    """

    features: Literal["mind", "segmentation"] = "mind"
    grid_spacing: int = 6
    search: int = 4
    smoothness: float = 1.25
    steps: int = 80
    title: ClassVar[str] = "ConvexAdam"

    def load(self) -> ModuleType:
        """Import the package without its change of Python's warning filters. Raises InputError if it is missing."""
        with warnings.catch_warnings():
            return load_package("convexAdam.convex_adam_MIND", "convexadam", "convexadam", "convex_adam_pt")

    def read(self, subject: str) -> NDArray[np.float32]:
        """Image or label map ``(H, W, D)`` of a subject."""
        if self.features == "mind":
            return self.cohort.load_image(subject)
        return self.segmentation.labels(subject).astype(np.float32)

    def seconds_of(self, subject: str) -> float:
        """Time of a subject's segmentation in s, 0 if images are compared."""
        return 0.0 if self.features == "mind" else super().seconds_of(subject)

    def register(self, fixed: NDArray[np.float32], moving: NDArray[np.float32]) -> NDArray[np.float64]:
        """Displacement field, see `ImageRegistrar.register`. Raises ValueError for images smaller than a window."""
        if min(fixed.shape) < 2 * self.grid_spacing:
            raise ValueError(f"shape {fixed.shape} is less than two points of a grid of {self.grid_spacing} voxels")
        package = self.load()
        torch.set_num_threads(1)
        features = package.extract_features if self.features == "mind" else _features_of_labels
        with warnings.catch_warnings(action="ignore"), mock.patch.object(package, "extract_features", features):
            field: NDArray[np.float64] = package.convex_adam_pt(
                fixed,
                moving,
                grid_sp=self.grid_spacing,
                disp_hw=self.search,
                lambda_weight=self.smoothness,
                selected_niter=self.steps,
                dtype=torch.float32,
                device=torch.device("cpu"),
            )
        return field


def _features_of_labels(img_fixed: Tensor, img_moving: Tensor, **_: Any) -> tuple[Tensor, Tensor]:
    """Features of two label maps ``(H, W, D)``, called by the package in place of its own function for images."""
    fixed, moving = features_of_labels([img_fixed.long(), img_moving.long()])
    return fixed, moving


def features_of_labels(maps: Sequence[Tensor]) -> list[Tensor]:
    """One-hot label maps in which a region weighs the more the smaller it is.

    Args:
        maps: label maps ``(H, W, D)``, whole numbers.

    Returns:
        For each map ``(1, N, H, W, D)``, where N counts the labels that any of them has.
    """
    labels, counts = torch.cat([each.flatten() for each in maps]).unique(return_counts=True)
    weights = counts.float().pow(-_RARITY)
    weights = (_SCALE * weights / weights.mean()).view(1, -1, 1, 1, 1)
    return [weights * (each[None, None] == labels.view(1, -1, 1, 1, 1)) for each in maps]


registrar = ConvexAdamRegistrar
