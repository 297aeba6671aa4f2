"""Common part of the methods that take two prepared images, optimise the pair by a package, and give a field."""

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

    @abstractmethod
    def load(self) -> object:
        """Import the package, whose time does not count. Raises InputError if it is not installed."""

    @abstractmethod
    def register(self, fixed: NDArray[np.float32], moving: NDArray[np.float32]) -> NDArray[np.floating]:
        """Displacement field ``(H, W, D, 3)`` in voxels, components in axis order, ``warped(x) = moving(x + u(x))``.

        Args:
            fixed: image ``(H, W, D)`` in [0, 1].
            moving: image ``(H, W, D)`` in [0, 1].

        Raises:
            RuntimeError: the package failed.
            ValueError: the package failed, or the field is not finite.
        """

    def displacement(self, fixed: str, moving: str) -> tuple[NDArray[np.float32], float]:
        """Displacement field ``(H, W, D, 3)`` in voxels, and the computing time in s without reading the images.

        InputError if the package is not installed or cannot register the pair.
        """
        images = self.cohort.load_image(fixed), self.cohort.load_image(moving)
        self.load()
        started = time.perf_counter()
        try:
            displacement = self.register(*images).astype(np.float32)
            if not np.isfinite(displacement).all():
                raise ValueError("the field is not finite")
        except (RuntimeError, ValueError) as error:
            reason = " ".join(str(error).split())
            pair = f"cohort {self.cohort.name}: pair of fixed {fixed} and moving {moving}"
            raise InputError(
                f"{pair}: {self.title} failed ({reason}); expected two images with contrast, see what it printed"
            ) from error
        return displacement, time.perf_counter() - started


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
