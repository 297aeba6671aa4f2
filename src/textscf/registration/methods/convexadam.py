"""Registration by ConvexAdam: a discrete optimisation with a coupled convex regularisation, refined by Adam.

H. Siebert, C. Grossbröhmer, L. Hansen, M. P. Heinrich, "ConvexAdam: self-configuring dual-optimisation-based 3D
multitask medical image registration", IEEE Transactions on Medical Imaging 44 (2025) 738-748; M. P. Heinrich,
"Closing the gap between deep and conventional image registration using probabilistic dense displacement networks",
MICCAI 2019. Features: MIND-SSC (M. P. Heinrich et al., MICCAI 2013).

The convexadam package (Apache 2.0) runs it, here on the CPU and in one thread. It compares features of the images on a
coarse grid at all displacements up to a limit, makes the fields of both directions inverse to each other, and improves
the field of this direction by Adam on a grid of half the resolution.
"""

import warnings
from dataclasses import dataclass
from types import ModuleType
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from textscf.registration.image_registrar import ImageRegistrar, load_package


@dataclass(frozen=True)
class ConvexAdamRegistrar(ImageRegistrar):
    """Registers pairs of a prepared cohort with ConvexAdam and MIND features. The defaults are the package's.

    Attributes:
        grid_spacing: distance of the points of the coarse grid in voxels.
        search: largest displacement of the discrete optimisation, in steps of `grid_spacing`.
        smoothness: weight of the squared gradient of the field for Adam; 0 leaves Adam out.
        steps: steps of Adam.
    """

    grid_spacing: int = 6
    search: int = 4
    smoothness: float = 1.25
    steps: int = 80
    title: ClassVar[str] = "ConvexAdam"

    def load(self) -> ModuleType:
        """Import the package without its change of Python's warning filters. Raises InputError if it is missing."""
        with warnings.catch_warnings():
            return load_package("convexAdam.convex_adam_MIND", "convexadam", "convexadam", "convex_adam_pt")

    def register(self, fixed: NDArray[np.float32], moving: NDArray[np.float32]) -> NDArray[np.float64]:
        """Displacement field, see `ImageRegistrar.register`. Raises ValueError for images smaller than a window."""
        if min(fixed.shape) < 2 * self.grid_spacing:
            raise ValueError(f"shape {fixed.shape} is less than two points of a grid of {self.grid_spacing} voxels")
        package = self.load()
        torch.set_num_threads(1)
        with warnings.catch_warnings(action="ignore"):
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


registrar = ConvexAdamRegistrar
