"""Registration by elastix: an affine and a B-spline transformation by mutual information.

S. Klein, M. Staring, K. Murphy, M. A. Viergever, J. P. W. Pluim, "elastix: a toolbox for intensity-based medical image
registration", IEEE Transactions on Medical Imaging 29 (2010) 196-205.

The itk-elastix package (Apache 2.0) runs it with its default parameter maps `affine` and `bspline`: four resolutions,
Mattes mutual information of 2,048 samples that are drawn anew in every iteration, and adaptive stochastic gradient
descent. The bending energy of the B-splines is penalised.
"""

import tempfile
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from textscf.registration.image_registrar import ImageRegistrar, load_package


@dataclass(frozen=True)
class ElastixRegistrar(ImageRegistrar):
    """Registers pairs of a prepared cohort with elastix. The same images give the same bytes.

    elastix computes in one thread and draws its samples with a fixed seed. The defaults are the package's.

    Attributes:
        grid_spacing: distance of the B-splines' control points in mm.
        iterations: iterations at each resolution.
        bending: weight of the bending energy beside the mutual information.
    """

    grid_spacing: float = 10.0
    iterations: int = 256
    bending: float = 1.0
    title: ClassVar[str] = "elastix"

    def load(self) -> Any:
        """Import itk with elastix, for one thread. Raises InputError if it is not installed."""
        itk: Any = load_package("itk", "itk-elastix", "elastix", "ElastixRegistrationMethod")
        itk.MultiThreaderBase.SetGlobalDefaultNumberOfThreads(1)
        return itk

    def register(self, fixed: NDArray[np.float32], moving: NDArray[np.float32]) -> NDArray[np.float64]:
        """Displacement field, including the affine part, see `ImageRegistrar.register`."""
        itk = self.load()
        images = [self._image(itk, volume) for volume in (fixed, moving)]
        _, found = itk.elastix_registration_method(
            *images, parameter_object=self._parameters(itk), number_of_threads=1, log_to_console=False
        )
        with tempfile.TemporaryDirectory(prefix="textscf-elastix-") as folder:  # transformix always writes the field
            field = itk.transformix_deformation_field(images[1], found, output_directory=folder)
            millimetres = itk.GetArrayFromImage(field)
        return millimetres.transpose(2, 1, 0, 3) / np.array(self.cohort.spacing)

    def _image(self, itk: Any, volume: NDArray[np.float32]) -> Any:
        image = itk.GetImageFromArray(np.ascontiguousarray(volume.T))
        image.SetSpacing(list(map(float, self.cohort.spacing)))
        return image

    def _parameters(self, itk: Any) -> Any:
        parameters = itk.ParameterObject.New()
        for transform, own in (("affine", {}), ("bspline", self._of_splines())):
            settings = parameters.GetDefaultParameterMap(transform)
            for name, value in {"MaximumNumberOfIterations": self.iterations, **own}.items():
                settings[name] = [str(value)]
            parameters.AddParameterMap(settings)
        return parameters

    def _of_splines(self) -> dict[str, float]:
        return {"FinalGridSpacingInPhysicalUnits": self.grid_spacing, "Metric1Weight": self.bending}


registrar = ElastixRegistrar
