"""Images and transformations for ITK, ANTs and 3D Slicer: LPS axes, millimetres."""

import gzip
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from textscf.errors import InputError
from textscf.files.image_file import LPS, ImageFile, skewness
from textscf.files.io import atomic_path
from textscf.files.nifti import UNREADABLE

if TYPE_CHECKING:
    import SimpleITK

_VECTOR = 1007  # NIfTI's code of a vector in every voxel, as ANTs writes displacement fields
_ORTHOGONAL = 0.1  # degrees
_MM = "mm"
_NAMES = (".nii", ".nii.gz")


def check_name(path: Path) -> None:
    """Raise InputError if a file's name does not end as that of a NIfTI file."""
    if not path.name.endswith(_NAMES):
        raise InputError(f"{path}: found '{path.suffix}'; expected a name that ends in {' or '.join(_NAMES)}")


def write_like(path: Path, data: NDArray[Any], reference: ImageFile, intent: int = 0) -> None:
    """Write a NIfTI file with the grid and the header of a scan; the same data gives the same bytes.

    Args:
        path: file, `.nii` or `.nii.gz`.
        data: (H, W, D), or (H, W, D, 1, 3) for vectors.
        reference: scan whose affine and header the file gets. Both the sform and the qform are set to its affine.
        intent: NIfTI intent code.
    """
    image: Any = nib.Nifti1Image(data, reference.affine)
    if isinstance(reference.header, nib.Nifti1Header):
        codes = [int(reference.header[key]) for key in ("sform_code", "qform_code")]
        image.header["descrip"] = reference.header["descrip"]
    else:
        codes = [1, 1]
    code = max(codes) or 1
    image.set_sform(reference.affine, code)
    image.set_qform(reference.affine, code)
    image.header.set_xyzt_units(_MM)
    image.header["intent_code"] = intent
    with atomic_path(path) as temporary:
        content = image.to_bytes()
        temporary.write_bytes(gzip.compress(content, 1, mtime=0) if path.suffix == ".gz" else content)


def write_displacement(path: Path, displacement: NDArray[np.floating], reference: ImageFile) -> None:
    """Write a displacement field ``(H, W, D, 3)``, in mm of RAS axes, as ITK and ANTs read it: 5-D, LPS axes."""
    lps = (displacement * np.diag(LPS)[:3]).astype(np.float32)
    write_like(path, lps[:, :, :, None, :], reference, _VECTOR)


def write_composite(
    path: Path, displacement: NDArray[np.floating], affine: NDArray[np.float64], initial: NDArray[np.float64]
) -> None:
    """Write ``x -> initial(x + d(x))`` as a composite transformation of ITK (`.h5`).

    Args:
        path: file.
        displacement: d, ``(H, W, D, 3)`` in mm of RAS axes.
        affine: affine (4, 4) of the grid of d.
        initial: affine (4, 4) in RAS axes.
    """
    import SimpleITK

    field = as_itk(displacement * np.diag(LPS)[:3], affine)
    matrix = LPS @ initial @ LPS
    linear = SimpleITK.AffineTransform(3)
    linear.SetMatrix(matrix[:3, :3].ravel().tolist())
    linear.SetTranslation(matrix[:3, 3].tolist())
    composite = SimpleITK.CompositeTransform(3)
    composite.AddTransform(linear)
    composite.AddTransform(SimpleITK.DisplacementFieldTransform(SimpleITK.Cast(field, SimpleITK.sitkVectorFloat64)))
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp.h5")
    try:
        SimpleITK.WriteTransform(composite, str(temporary))
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def as_itk(data: NDArray[Any], affine: NDArray[np.float64]) -> "SimpleITK.Image":
    """Image of ITK from voxels (H, W, D), or vectors (H, W, D, 3), and an affine (4, 4) in RAS axes."""
    import SimpleITK

    lps = LPS @ affine
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    vectors = data.ndim == 4
    image = SimpleITK.GetImageFromArray(np.ascontiguousarray(np.moveaxis(data, (0, 1, 2), (2, 1, 0))), vectors)
    image.SetSpacing(spacing.tolist())
    image.SetOrigin(lps[:3, 3].tolist())
    image.SetDirection((lps[:3, :3] / spacing).ravel().tolist())
    return image


def image_of(scan: ImageFile) -> "SimpleITK.Image":
    """Image of ITK with the voxels and the place of a scan. Raises InputError if the scan's axes are skew."""
    if scan.skew > _ORTHOGONAL:
        raise InputError(
            f"{scan.path}: its axes are skew by {scan.skew:.1f} degrees; expected right angles, as ITK needs them"
        )
    return as_itk(scan.data, _with_right_angles(scan.affine))


def _with_right_angles(affine: NDArray[np.float64]) -> NDArray[np.float64]:
    """The nearest affine with right angles; undoes the rounding of a header."""
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    left, _, right = np.linalg.svd(affine[:3, :3] / spacing)
    result = affine.copy()
    result[:3, :3] = left @ right * spacing
    return result


def read_transform(path: Path) -> "SimpleITK.Transform":
    """Read a transformation: a displacement field of ITK or ANTs (`.nii.gz`), `.h5`, `.mat`, `.tfm` or `.txt`.

    Raises:
        InputError: the file cannot be read, is no transformation, or is a NIfTI file with skew axes, which ITK would
            read as if they were at right angles.
    """
    import SimpleITK

    expected = "expected a displacement field of ITK or ANTs (.nii.gz), or a transformation (.h5, .mat, .tfm)"
    if not path.is_file():
        raise InputError(f"{path}: no such file; {expected}")
    SimpleITK.ProcessObject.SetGlobalWarningDisplay(False)
    try:
        if not path.name.endswith((".nii", ".nii.gz", ".nrrd", ".mha")):
            return SimpleITK.ReadTransform(str(path))
        field = SimpleITK.ReadImage(str(path), SimpleITK.sitkVectorFloat64)
        header: Any = nib.load(path) if path.name.endswith(_NAMES) else None
    except (RuntimeError, *UNREADABLE) as error:
        reason = " ".join(str(error).split())[-200:]
        raise InputError(f"{path}: cannot be read ({reason}); {expected}") from error
    if field.GetDimension() != 3 or field.GetNumberOfComponentsPerPixel() != 3:
        parts = field.GetNumberOfComponentsPerPixel()
        raise InputError(f"{path}: is an image with {parts} values a voxel; {expected}")
    if header is not None and skewness(header.affine) > _ORTHOGONAL:
        found = f"its axes are skew by {skewness(header.affine):.1f} degrees"
        raise InputError(f"{path}: {found}; expected right angles: use transform.h5, which is the same as warp.nii.gz")
    return SimpleITK.DisplacementFieldTransform(field)
