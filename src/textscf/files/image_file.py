"""Reading of scans in the formats that people have: NIfTI, NRRD, MetaImage, a folder of DICOM slices."""

import contextlib
import locale
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from textscf.errors import InputError
from textscf.files.nifti import UNREADABLE, read_volume

if TYPE_CHECKING:
    import SimpleITK

LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
"""Converts points from RAS, the axes of NIfTI, to LPS, the axes of ITK, ANTs and DICOM, and back."""

_NIFTI = (".nii", ".nii.gz", ".mgz", ".mgh", ".hdr", ".img")
_ITK = (".nrrd", ".nhdr", ".mha", ".mhd")
_EXPECTED = "expected NIfTI (.nii, .nii.gz), NRRD (.nrrd), MetaImage (.mha) or a folder of one DICOM series"
_NO_ORIENTATION = (
    "its header has no orientation: its axes are taken to run left, forward and up with 0 mm in the middle, as nibabel "
    "takes them; ITK takes others: left and right, and front and back, are a guess"
)
_NO_SPACE = (
    "its header does not name the axes of the patient (space: {}): they are taken to be LPS, as ITK takes them; left "
    "and right, and front and back, are a guess"
)
_SAME_GRID = 0.1  # of a voxel
_SAME_STEP = 0.02  # of the distance between two slices


@dataclass(frozen=True)
class ImageFile:
    """A scan as its file describes it.

    Attributes:
        path: file or DICOM folder.
        data: voxels (H, W, D).
        affine: (4, 4), voxel index to millimetres in RAS axes.
        header: NIfTI header of the file; None for other formats.
        remarks: oddities of the header that the reader of a result should know.
    """

    path: Path
    data: NDArray[Any]
    affine: NDArray[np.float64]
    header: Any = None
    remarks: list[str] = field(default_factory=list)

    @property
    def spacing(self) -> NDArray[np.float64]:
        """Voxel edge lengths (3,) in mm."""
        return np.linalg.norm(self.affine[:3, :3], axis=0)

    @property
    def skew(self) -> float:
        """Largest deviation of the angle between two voxel axes from 90 degrees, in degrees."""
        return skewness(self.affine)


def skewness(affine: NDArray[np.floating]) -> float:
    """Largest deviation from 90 degrees of the angle between two voxel axes of `affine` (4, 4), in degrees."""
    directions = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    cosines = (directions.T @ directions)[np.triu_indices(3, 1)]
    return float(np.degrees(np.arcsin(np.abs(cosines).max().clip(0, 1))))


def read_image_file(path: Path, fill: float | None = None) -> ImageFile:
    """Read a scan as float32.

    Args:
        path: file, or folder of one DICOM series.
        fill: value for voxels that are NaN or infinite; None refuses them.

    Raises:
        InputError: the file cannot be read, is no 3-D scan, or has voxels that are not finite.
    """
    found = _read(path)
    with np.errstate(over="ignore"):
        data = found.data.astype(np.float32)
    finite = np.isfinite(data)
    bad = data.size - int(finite.sum())
    if bad and fill is None:
        raise InputError(f"{path}: {bad} voxels are NaN or infinite; expected finite intensities (--fill VALUE fills)")
    if bad:
        data[~finite] = fill
        found.remarks.append(f"{bad} voxels that are NaN or infinite were filled with {fill:g}")
    return ImageFile(path, data, found.affine, found.header, found.remarks)


def read_label_file(path: Path) -> ImageFile:
    """Read a label map as int32; InputError if it cannot be read or holds anything but integers."""
    found = _read(path)
    values = found.data.astype(np.float64)
    labels = np.rint(values)
    if not np.isfinite(values).all() or np.abs(values - labels).max(initial=0) > 1e-3:
        raise InputError(f"{path}: has voxels that are not integers; expected a label map")
    if np.abs(labels).max(initial=0) > np.iinfo(np.int32).max:
        raise InputError(f"{path}: labels range up to {labels.max():.0f}; expected 32-bit integers")
    return ImageFile(path, labels.astype(np.int32), found.affine, found.header, found.remarks)


def _read(path: Path) -> ImageFile:
    if path.is_dir():
        return _read_dicom(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file; {_EXPECTED}")
    if path.name.lower().endswith(_NIFTI):
        return _read_nifti(path)
    if path.suffix.lower() in _ITK:
        return _from_itk(path, _by_itk(path, lambda itk: itk.ReadImage(str(path))))
    raise InputError(f"{path}: unknown format; {_EXPECTED}")


def _read_nifti(path: Path) -> ImageFile:
    try:
        data, affine, header = read_volume(path)
    except UNREADABLE as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{path}: cannot be read as NIfTI ({reason}); the file may be truncated") from error
    return ImageFile(path, data, affine, header, _header_remarks(header, affine, data.shape))


def _header_remarks(header: Any, affine: NDArray[np.float64], shape: tuple[int, ...]) -> list[str]:
    if "sform_code" not in header:
        default = isinstance(header, nib.AnalyzeHeader) and np.allclose(affine, header.get_best_affine())
        return [_NO_ORIENTATION] if default else []  # SPM may have written an affine beside an Analyze file
    sform, qform = int(header["sform_code"]), int(header["qform_code"])
    if not sform and not qform:
        return [_NO_ORIENTATION]
    if sform and qform:
        distance = _corner_distance(affine, header.get_qform(), shape)
        if distance > _SAME_GRID * float(np.linalg.norm(affine[:3, :3], axis=0).min()):
            return [
                f"its sform and qform differ by up to {distance:.1f} mm: the sform is used, but ITK, ANTs and 3D "
                "Slicer may place the file by its qform: warp it with src/apply.py, or set both forms alike first"
            ]
    return []


def _corner_distance(affine: NDArray[np.float64], other: NDArray[np.float64], shape: tuple[int, ...]) -> float:
    corners = np.array([*np.ndindex(2, 2, 2)]) * (np.array(shape) - 1)
    homogeneous = np.column_stack([corners, np.ones(8)])
    return float(np.linalg.norm((homogeneous @ (affine - other).T)[:, :3], axis=1).max())


@contextlib.contextmanager
def kept_locale() -> Iterator[None]:
    """Restore the process's locale, which ITK's DICOM library sets to C, so that Python would read text as ASCII."""
    before = locale.setlocale(locale.LC_ALL)
    try:
        yield
    finally:
        locale.setlocale(locale.LC_ALL, before)


def _by_itk(path: Path, read: Any) -> Any:
    import SimpleITK  # the import takes a second, which NIfTI does not need

    SimpleITK.ProcessObject.SetGlobalWarningDisplay(False)
    try:
        with kept_locale():
            return read(SimpleITK)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[-200:]
        raise InputError(f"{path}: cannot be read ({reason}); {_EXPECTED}") from error


def _from_itk(path: Path, image: "SimpleITK.Image") -> ImageFile:
    import SimpleITK

    size = image.GetSize()
    if image.GetNumberOfComponentsPerPixel() > 1 or len(size) < 3 or any(n != 1 for n in size[3:]):
        parts = image.GetNumberOfComponentsPerPixel()
        raise InputError(f"{path}: shape {size} with {parts} values a voxel; expected a 3-D scan with one")
    data = SimpleITK.GetArrayFromImage(image).T.reshape(size[:3])
    n = len(size)
    direction = np.array(image.GetDirection()).reshape(n, n)[:3, :3]
    affine = np.eye(4)
    affine[:3, :3] = direction * np.array(image.GetSpacing()[:3])
    affine[:3, 3] = image.GetOrigin()[:3]
    if abs(np.linalg.det(affine)) < 1e-9:
        raise InputError(f"{path}: its axes or spacing are degenerate; expected three independent axes")
    return ImageFile(path, data, LPS @ affine, remarks=_space_remarks(path, image))


def _space_remarks(path: Path, image: "SimpleITK.Image") -> list[str]:
    """A remark on a NRRD file without a known space; ITK has converted every known one to LPS."""
    space = image.GetMetaData("NRRD_space") if image.HasMetaDataKey("NRRD_space") else "none"
    known = path.suffix.lower() not in (".nrrd", ".nhdr") or space == "left-posterior-superior"
    return [] if known else [_NO_SPACE.format(space)]


def _read_dicom(folder: Path) -> ImageFile:
    return _from_itk(folder, _by_itk(folder, lambda itk: _read_series(folder, itk)))


def _read_series(folder: Path, itk: Any) -> Any:
    series = itk.ImageSeriesReader.GetGDCMSeriesIDs(str(folder))
    if len(series) != 1:
        raise InputError(f"{folder}: has {len(series)} DICOM series; expected one: give the folder of one series")
    names = itk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder), series[0])
    _check_steps(folder, [_position(name, itk) for name in names])
    reader = itk.ImageSeriesReader()
    reader.SetFileNames(names)
    reader.ForceOrthogonalDirectionOff()  # the slices of a tilted gantry are not at right angles to the table
    return reader.Execute()


def _position(name: str, itk: Any) -> tuple[float, ...]:
    reader = itk.ImageFileReader()
    reader.SetFileName(name)
    reader.ReadImageInformation()
    return tuple(reader.GetOrigin())


def _check_steps(folder: Path, positions: list[tuple[float, ...]]) -> None:
    steps = np.linalg.norm(np.diff(np.array(positions), axis=0), axis=1)
    if not len(steps):
        return
    if steps.min() == 0:
        raise InputError(f"{folder}: two of its slices lie at one place; expected slices that follow each other")
    if steps.max() - steps.min() > _SAME_STEP * float(np.median(steps)):
        found = f"{steps.min():.2f} to {steps.max():.2f} mm apart"
        raise InputError(f"{folder}: its slices lie {found}; expected equal steps: a slice may be missing")
