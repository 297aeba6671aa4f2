"""Common part of the methods that take two prepared scans, optimise the pair, and give a field."""

import importlib
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from types import ModuleType
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from textscf.data.cohort import Cohort
from textscf.errors import InputError
from textscf.files.layout import segmentation_folder
from textscf.segmentation import Segmentation, load_segmentation


@dataclass(frozen=True)
class ImageRegistrar(ABC):
    """Registers pairs of a prepared cohort, each on one core in a worker process.

    A subclass has the method's options as further attributes.

    Attributes:
        cohort: prepared cohort of the pairs.
        title: name of the method in messages.
    """

    cohort: Cohort
    title: ClassVar[str]
    in_workers: ClassVar[bool] = True

    def load(self) -> object:
        """Import the method's package, if it has one; this time does not count. InputError if it is not installed."""
        return None

    def read(self, subject: str) -> NDArray[np.float32]:
        """The part of a subject that `register` compares: its image ``(H, W, D)`` in [0, 1]."""
        return self.cohort.load_image(subject)

    def seconds_of(self, subject: str) -> float:
        """Time in s that was spent to make what is read of a subject, beside the preparation of its image."""
        return 0.0

    @abstractmethod
    def register(self, fixed: NDArray[np.float32], moving: NDArray[np.float32]) -> NDArray[np.floating]:
        """Displacement field ``(H, W, D, 3)`` in voxels, components in axis order, ``warped(x) = moving(x + u(x))``.

        Args:
            fixed: what `read` gives of the fixed scan.
            moving: what `read` gives of the moving scan.

        Raises:
            RuntimeError: the package failed.
            ValueError: the package failed, or the field is not finite.
        """

    def displacement(self, fixed: str, moving: str) -> tuple[NDArray[np.float32], float]:
        """Displacement field ``(H, W, D, 3)`` in voxels, and the computing time in s without reading files.

        InputError if the package is not installed or cannot register the pair.
        """
        scans = self.read(fixed), self.read(moving)
        before = self.seconds_of(fixed) + self.seconds_of(moving)
        self.load()
        started = time.perf_counter()
        try:
            displacement = self.register(*scans).astype(np.float32)
            if not np.isfinite(displacement).all():
                raise ValueError("the field is not finite")
        except (RuntimeError, ValueError) as error:
            reason = " ".join(str(error).split())
            pair = f"cohort {self.cohort.name}: pair of fixed {fixed} and moving {moving}"
            raise InputError(
                f"{pair}: {self.title} failed ({reason}); expected two scans with contrast, see what it printed"
            ) from error
        return displacement, before + time.perf_counter() - started


@dataclass(frozen=True)
class RegionRegistrar(ImageRegistrar):
    """Registers pairs by their regions; the time of a pair includes the segmentation of both scans.

    Attributes:
        segmentor: name of the cohort's segmentation.
    """

    segmentor: str | None = None

    @property
    def segmentation(self) -> Segmentation:
        """Segmentation of the cohort's scans. Raises InputError if it is missing."""
        folder = segmentation_folder(self.cohort.folder, str(self.segmentor))
        return load_segmentation(folder / "segmentation.json", self.cohort)

    def read(self, subject: str) -> NDArray[np.float32]:
        """Probabilities ``(N, H, W, D)`` of a subject's regions, background first, see `Segmentation.probabilities`."""
        return self.segmentation.probabilities(subject, self.cohort.n_regions)

    def seconds_of(self, subject: str) -> float:
        """Time of a subject's segmentation in s; InputError if it was not measured."""
        return self.segmentation.seconds(subject)


def load_package(module: str, package: str, method: str, part: str) -> ModuleType:
    """Import a module of an optional package.

    Raises:
        InputError: there is no such module, or it lacks its `part`; the message names the extra of `pyproject.toml`.
    """
    try:
        imported = importlib.import_module(module)
        getattr(imported, part)
        return imported
    except (ImportError, AttributeError) as error:
        raise InputError(
            f"method {method}: found no package {package}; expected it installed, by `pip install {package}` or "
            f"with the extra '{method}' of pyproject.toml"
        ) from error
