"""Registration by uniGradICON, a network that was trained on many data sets of several organs.

L. Tian, H. Greer, R. Kwitt, F.-X. Vialard, R. San José Estépar, S. Bouix, R. Rushmore, M. Niethammer, "uniGradICON: a
foundation model for medical image registration", MICCAI 2024 (arXiv:2403.05780).

The unigradicon package (Apache 2.0) runs it, with weights that it downloads from its own release. It resizes the scans
to 175x175x175 voxels; they are given to it as they were prepared. Abdomen CT of Learn2Reg was part of its training
(30 scans, by its README).
"""

import contextlib
import functools
import io
import pickle
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from textscf.errors import InputError
from textscf.registration.image_registrar import ImageRegistrar, load_package


@dataclass(frozen=True)
class UniGradIconRegistrar(ImageRegistrar):
    """Registers pairs of a prepared cohort with uniGradICON, on the GPU if there is one.

    Attributes:
        weights: file of the network's weights; None for those that the package downloads into `network_weights/`.
        steps: steps of instance optimisation, by the package; 0 for the network alone.
    """

    weights: str | None = None
    steps: int = 0
    title: ClassVar[str] = "uniGradICON"
    in_workers: ClassVar[bool] = False

    def load(self) -> Any:
        """The network with its weights, loaded once.

        Raises InputError if the package is not installed, or the weights are missing or do not fit.
        """
        return self._network

    @functools.cached_property
    def _network(self) -> Any:
        package = self._package()
        if self.weights is not None and not Path(self.weights).is_file():
            raise InputError(f"method unigradicon: weights: '{self.weights}': no such file")
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                return package.get_unigradicon(weights_location=self.weights)
        except OSError as error:
            raise InputError(
                f"method unigradicon: weights cannot be downloaded ({error}); give their file as the option 'weights'"
            ) from error
        except (RuntimeError, ValueError, TypeError, AttributeError, EOFError, pickle.UnpicklingError) as error:
            reason = " ".join(str(error).split())[:200]
            raise InputError(f"{self.weights}: not weights of uniGradICON ({reason})") from error

    def register(self, fixed: NDArray[np.float32], moving: NDArray[np.float32]) -> NDArray[np.float64]:
        """Displacement field, see `ImageRegistrar.register`. Raises ValueError for an image without contrast."""
        if any(image.min() == image.max() for image in (fixed, moving)):
            raise ValueError("an image has no contrast")
        itk: Any = load_package("itk", "itk", "unigradicon", "Image")
        wrapper = load_package("icon_registration.itk_wrapper", "icon-registration", "unigradicon", "register_pair")
        images = [self._image(itk, volume) for volume in (moving, fixed)]
        with contextlib.redirect_stdout(io.StringIO()):
            transform, _ = wrapper.register_pair(self._network, *images, finetune_steps=self.steps or None)
        sampler = itk.TransformToDisplacementFieldFilter[itk.Image[itk.Vector[itk.F, 3], 3], itk.D].New()
        sampler.SetTransform(transform)
        sampler.SetReferenceImage(images[1])
        sampler.UseReferenceImageOn()
        sampler.Update()
        millimetres: NDArray[np.float64] = itk.GetArrayFromImage(sampler.GetOutput())
        return millimetres.transpose(2, 1, 0, 3) / np.array(self.cohort.spacing)

    def _package(self) -> ModuleType:
        return load_package("unigradicon", "unigradicon", "unigradicon", "get_unigradicon")

    def _image(self, itk: Any, volume: NDArray[np.float32]) -> Any:
        image = itk.GetImageFromArray(np.ascontiguousarray(volume.T))
        image.SetSpacing(list(map(float, self.cohort.spacing)))
        return image


registrar = UniGradIconRegistrar
