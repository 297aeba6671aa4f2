"""Displacement fields that other programs wrote for prepared scans, in NIfTI files."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from textscf.data.geometry import corner_distance
from textscf.errors import InputError
from textscf.files.image_file import LPS
from textscf.files.nifti import UNREADABLE
from textscf.world.grid import Grid

Convention = Literal["itk", "voxel"]
"""`itk`: millimetres along LPS axes, as ITK and ANTs write; `voxel`: voxels along the axes of the grid."""

_SAME_GRID = 0.1  # of a voxel


@dataclass(frozen=True)
class FieldFile:
    """A displacement field on a known grid, ``(H, W, D, 3)`` or, as ITK writes vectors, ``(H, W, D, 1, 3)``.

    Attributes:
        path: NIfTI file.
        grid: grid of the prepared scans.
        convention: meaning of the vectors. With `itk`, the file's header must have the grid, too.
    """

    path: Path
    grid: Grid
    convention: Convention

    def check(self) -> None:
        """Raise InputError if the file is not there, or its header does not have the grid."""
        self._opened()

    def displacement(self) -> NDArray[np.float32]:
        """Displacement ``(H, W, D, 3)`` in voxels, components in axis order, ``warped(x) = moving(x + u(x))``.

        Raises:
            InputError: the file cannot be used.
        """
        image = self._opened()
        try:
            field = np.asarray(image.dataobj, dtype=np.float64).reshape(*self.grid.shape, 3)
        except UNREADABLE as error:
            raise self._unreadable(error) from error
        bad = field.size - int(np.isfinite(field).sum())
        if bad:
            raise InputError(f"{self.path}: {bad} values are NaN or infinite; expected a finite displacement field")
        return self._in_voxels(field).astype(np.float32)

    def _in_voxels(self, field: NDArray[np.float64]) -> NDArray[np.float64]:
        if self.convention == "voxel":
            return field
        to_voxels = np.linalg.inv(self.grid.affine[:3, :3]) @ LPS[:3, :3]
        return field @ to_voxels.T

    def _opened(self) -> Any:
        """The image, of which only the header is read."""
        shapes = (*self.grid.shape, 3), (*self.grid.shape, 1, 3)
        expected = f"expected a displacement field of shape {shapes[0]} or {shapes[1]}"
        if not self.path.is_file():
            raise InputError(f"{self.path}: no such file; {expected}")
        try:
            image: Any = nib.load(self.path)
        except UNREADABLE as error:
            raise self._unreadable(error) from error
        if image.shape not in shapes or image.get_data_dtype().kind not in "iuf":
            raise InputError(f"{self.path}: shape {image.shape}, type {image.get_data_dtype()}; {expected}, of numbers")
        if self.convention == "itk":
            self._check_place(image.affine)
        return image

    def _check_place(self, affine: NDArray[np.float64]) -> None:
        distance = corner_distance(affine, self.grid.affine, self.grid.shape)
        if not distance <= _SAME_GRID * self.grid.spacing.min():
            raise InputError(
                f"{self.path}: its grid lies up to {distance:.3g} mm from that of the prepared scans; expected the "
                "same, as for a field that was computed from the files in the cohort's folder images"
            )

    def _unreadable(self, error: BaseException) -> InputError:
        reason = " ".join(str(error).split()) or type(error).__name__
        return InputError(f"{self.path}: cannot be read as NIfTI ({reason}); expected a displacement field")
