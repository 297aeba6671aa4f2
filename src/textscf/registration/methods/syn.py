"""Registration by iterative optimisation of each pair: ANTs SyN.

B. B. Avants, C. L. Epstein, M. Grossman, J. C. Gee, "Symmetric diffeomorphic image registration with cross-correlation:
evaluating automated labeling of elderly and neurodegenerative brain", Medical Image Analysis 12 (2008) 26-41.

The antspyx package (Apache 2.0) runs SyN. With its default settings it aligns the centres of mass and then optimises an
affine transformation and the SyN transformation, both by Mattes mutual information with 32 bins. SyN has gradient step
0.2, update fields smoothed with a variance of 3, and 40, 20 and 0 iterations at a quarter, half and full resolution.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from textscf.data.ants_package import load_ants
from textscf.registration.image_registrar import ImageRegistrar

_SAMPLING = {"mattes": 32, "meansquares": 32, "CC": 4}  # bins; without a meaning; radius of the window in voxels


@dataclass(frozen=True)
class SynRegistrar(ImageRegistrar):
    """Registers pairs of a prepared cohort with ANTs SyN. The same images give the same bytes.

    ANTs computes in one thread and draws its samples with a fixed seed.

    Attributes:
        affine: whether an affine transformation is optimised first.
        metric: similarity that SyN optimises: mutual information, mean squared difference, or local correlation in
            windows of 9 voxels.
        iterations: iterations of SyN at each resolution, from coarse to fine; the last is full resolution and each one
            before has half that of the next.
    """

    affine: bool = True
    metric: Literal["mattes", "meansquares", "CC"] = "mattes"
    iterations: Sequence[int] = (40, 20, 0)
    title: ClassVar[str] = "ANTs SyN"

    def load(self) -> ModuleType:
        """Import ants. Raises InputError if it is not installed."""
        return load_ants("method syn")

    def register(self, fixed: NDArray[np.float32], moving: NDArray[np.float32]) -> NDArray[np.float64]:
        """Displacement field, including the affine part, see `ImageRegistrar.register`."""
        ants = self.load()
        spacing = tuple(map(float, self.cohort.spacing))
        grid = {"origin": (0.0, 0.0, 0.0), "spacing": spacing, "direction": np.eye(3)}
        images = [ants.from_numpy(image, **grid) for image in (fixed, moving)]
        settings = {
            "type_of_transform": "SyN" if self.affine else "SyNOnly",
            "syn_metric": self.metric,
            "syn_sampling": _SAMPLING[self.metric],
            "reg_iterations": tuple(self.iterations),
        }
        with tempfile.TemporaryDirectory(prefix="textscf-syn-") as folder:
            found = ants.registration(*images, outprefix=f"{folder}/", **settings)
            total = ants.apply_transforms(*images, found["fwdtransforms"], compose=f"{folder}/total_")
            if total is None:
                raise RuntimeError("the composed transformation was not written")
            millimetres: NDArray[np.float64] = ants.image_read(total).numpy()
        return millimetres / spacing


registrar = SynRegistrar
