"""Registration by optimisation, anew for every pair: ANTs SyN.

B. B. Avants, C. L. Epstein, M. Grossman, J. C. Gee, "Symmetric diffeomorphic image registration with cross-correlation:
evaluating automated labeling of elderly and neurodegenerative brain", Medical Image Analysis 12 (2008) 26-41, run by
the antspyx package with that package's default settings: centres of mass aligned, an affine transformation and then
SyN, both by Mattes mutual information with 32 bins; SyN with gradient step 0.2, update fields smoothed with a variance
of 3, and 40, 20 and 0 iterations at a quarter, half and all of the resolution.
"""

import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from textscf.data.cohort import Cohort
from textscf.errors import InputError

_SEED = 1


@dataclass(frozen=True)
class SynRegistrar:
    """Registers pairs of a prepared cohort with ANTs SyN.

    Attributes:
        cohort: prepared cohort the pairs come from.
    """

    cohort: Cohort
    in_workers: ClassVar[bool] = True

    def displacement(self, fixed: str, moving: str) -> tuple[NDArray[np.float32], float]:
        """Field ``(H, W, D, 3)`` in voxels, and the seconds that it took once the images were read.

        InputError if ANTs cannot register the pair.
        """
        images = self.cohort.load_image(fixed), self.cohort.load_image(moving)
        _load_ants()
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


def register_syn(
    fixed: NDArray[np.float32], moving: NDArray[np.float32], spacing: Sequence[float]
) -> NDArray[np.float32]:
    """Displacement that brings `moving` onto `fixed`, its affine part included.

    The same images give the same bytes: ANTs computes in one thread, its random samples from a fixed seed.

    Args:
        fixed: image ``(H, W, D)`` in [0, 1].
        moving: image ``(H, W, D)`` in [0, 1].
        spacing: voxel edge lengths along the axes in mm.

    Returns:
        ``(H, W, D, 3)`` in voxels, components in axis order, ``warped(x) = moving(x + u(x))``.

    Raises:
        RuntimeError: ANTs failed, as it does for an image without contrast.
        ValueError: the field is not finite.
    """
    ants = _load_ants()
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


def _load_ants() -> ModuleType:
    """The package, seeded and held to one thread.

    It is imported here as that takes seconds, and as its number of threads is read from the environment then. What it
    calls deterministic stays off, for that refuses SyN with default settings.
    """
    os.environ["ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"] = "1"
    try:
        import ants
    except ImportError as error:
        raise InputError(
            "method syn: found no package antspyx, which has no build for this Python or processor; expected it "
            "installed: use Python 3.11 to 3.13 on another processor, or take the run out of its tables"
        ) from error
    ants.config.set_ants_deterministic(on=False, seed_value=_SEED)
    return ants
