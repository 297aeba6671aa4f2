"""Registration by iterative optimisation of each pair: ANTs SyN.

B. B. Avants, C. L. Epstein, M. Grossman, J. C. Gee, "Symmetric diffeomorphic image registration with cross-correlation:
evaluating automated labeling of elderly and neurodegenerative brain", Medical Image Analysis 12 (2008) 26-41.

The antspyx package runs SyN with its default settings. It aligns the centres of mass and then optimises an affine
transformation and the SyN transformation, both by Mattes mutual information with 32 bins. SyN has gradient step 0.2,
update fields smoothed with a variance of 3, and 40, 20 and 0 iterations at a quarter, half and full resolution.
"""

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from textscf.data.ants_package import load_ants
from textscf.data.cohort import Cohort
from textscf.errors import InputError


@dataclass(frozen=True)
class SynRegistrar:
    """Registers pairs of a prepared cohort with ANTs SyN.

    Attributes:
        cohort: prepared cohort of the pairs.
    """

    cohort: Cohort
    in_workers: ClassVar[bool] = True

    def displacement(self, fixed: str, moving: str) -> tuple[NDArray[np.float32], float]:
        """Displacement field ``(H, W, D, 3)`` in voxels, and the computing time in s without reading the images.

        InputError if ANTs cannot register the pair.
        """
        images = self.cohort.load_image(fixed), self.cohort.load_image(moving)
        load_ants("method syn")
        started = time.perf_counter()
        try:
            displacement = register_syn(*images, self.cohort.spacing)
        except (RuntimeError, ValueError) as error:
            reason = " ".join(str(error).split())
            raise InputError(
                f"cohort {self.cohort.name}: pair of fixed {fixed} and moving {moving}: ANTs SyN failed ({reason}); "
                "expected two images with contrast, see what ANTs printed"
            ) from error
        return displacement, time.perf_counter() - started


registrar = SynRegistrar


def register_syn(
    fixed: NDArray[np.float32], moving: NDArray[np.float32], spacing: Sequence[float]
) -> NDArray[np.float32]:
    """Displacement field that warps `moving` to `fixed`, including the affine part.

    The same images give the same bytes, because ANTs computes in one thread and draws its samples with a fixed seed.

    Args:
        fixed: image ``(H, W, D)`` in [0, 1].
        moving: image ``(H, W, D)`` in [0, 1].
        spacing: voxel edge lengths along the axes in mm.

    Returns:
        ``(H, W, D, 3)`` in voxels, components in axis order, ``warped(x) = moving(x + u(x))``.

    Raises:
        RuntimeError: ANTs failed, for example for an image without contrast.
        ValueError: the field is not finite.
    """
    ants = load_ants("method syn")
    grid = {"origin": (0.0, 0.0, 0.0), "spacing": tuple(map(float, spacing)), "direction": np.eye(3)}
    images = [ants.from_numpy(image, **grid) for image in (fixed, moving)]
    with tempfile.TemporaryDirectory(prefix="textscf-syn-") as folder:
        found = ants.registration(*images, type_of_transform="SyN", outprefix=f"{folder}/")
        total = ants.apply_transforms(*images, found["fwdtransforms"], compose=f"{folder}/total_")
        if total is None:
            raise RuntimeError("the composed transformation was not written")
        millimetres = ants.image_read(total).numpy()
    displacement = (millimetres / grid["spacing"]).astype(np.float32)
    if not np.isfinite(displacement).all():
        raise ValueError("the field is not finite")
    return displacement
