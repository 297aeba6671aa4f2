"""Reading of NIfTI files with checks of the header and of the compressed stream."""

import gzip
import struct
import zlib
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from textscf.errors import InputError

UNREADABLE = (
    *(OSError, EOFError, KeyError, ValueError, OverflowError, MemoryError, struct.error, zlib.error),
    *(nib.filebasedimages.ImageFileError, nib.spatialimages.HeaderDataError, nib.wrapstruct.WrapStructError),
)
"""Exceptions that reading raises for a file that is broken or not a NIfTI image."""

_MAX_VOXELS = 2**28
_MAX_DEFLATION = 1032  # largest compression ratio of zlib
_MAX_REST = 1024  # bytes allowed after the voxels
_SPACINGS = (1e-3, 1e3)  # mm
_UNIT_OF_LENGTH = 7  # bits of xyzt_units
_OTHER_UNITS = {1: "metres", 3: "micrometres"}  # 2 is mm, and 0 unknown
_GZIP = b"\x1f\x8b"
_NIFTI2 = (b"\x1c\x02\0\0", b"\0\0\x02\x1c")


def read_volume(path: Path) -> tuple[np.ndarray, np.ndarray, Any]:
    """Read voxels (H, W, D), affine (4, 4) voxel to mm, and header; raises InputError or one of `UNREADABLE`.

    The function checks the size that the header claims before it allocates memory for it. It reads a compressed stream
    to its end, because the checksum is there. Whether a file is compressed is seen from its content, not its name. A
    4-D file with one volume is read as that volume.
    """
    if not path.name.endswith((".nii", ".nii.gz")):
        image: Any = nib.load(path)
        return _voxels(path, image), np.asarray(image.affine, dtype=np.float64), image.header
    with path.open("rb") as file:
        compressed = file.read(2) == _GZIP
    with gzip.open(path) if compressed else path.open("rb") as stream:
        image = _opened(path, stream)
        data = _voxels(path, image)
        _check_end(path, stream, image)
    return data, np.asarray(image.affine, dtype=np.float64), image.header


def _voxels(path: Path, image: Any) -> np.ndarray:
    _check_image(path, image)
    return np.asanyarray(image.dataobj).reshape(image.shape[:3])


def _opened(path: Path, stream: Any) -> Any:
    kind: Any = nib.Nifti2Image if stream.read(4) in _NIFTI2 else nib.Nifti1Image
    stream.seek(0)
    header_class = kind.header_class
    _check_fields(path, header_class(stream.read(header_class.template_dtype.itemsize), check=False))
    stream.seek(0)
    return kind.from_stream(stream)


def _check_fields(path: Path, header: Any) -> None:
    """Refuse header errors that nibabel would repair or ignore."""
    if int(header["sizeof_hdr"]) != header.sizeof_hdr:
        raise ValueError(f"the header's size is {header['sizeof_hdr']}; expected {header.sizeof_hdr}")
    if not bytes(header["magic"]).startswith(header.single_magic):
        raise ValueError(f"its magic string is {bytes(header['magic'])!r}; expected {header.single_magic!r}")
    if not header["vox_offset"] >= header.single_vox_offset:
        raise ValueError(f"voxels begin at byte {header['vox_offset']}; expected {header.single_vox_offset} or more")
    if header.get_data_dtype().kind not in "iuf":
        raise InputError(f"{path}: voxel type {header.get_data_dtype()}; expected integers or floats")
    if not header["sform_code"]:
        _check_spacing(path, header["pixdim"][1:4])
    if np.isinf(header["scl_slope"]) or np.isinf(header["scl_inter"]):
        raise InputError(f"{path}: slope or intercept of the intensities is infinite; expected numbers")


def _check_image(path: Path, image: Any) -> None:
    shape, kind, affine = image.shape, image.get_data_dtype(), image.affine
    if len(shape) < 3 or any(n != 1 for n in shape[3:]):
        raise InputError(f"{path}: has {len(shape)} dimensions, shape {shape}; expected a 3-D volume")
    n_voxels = int(np.prod(shape, dtype=object))
    if min(shape) < 1 or n_voxels > _MAX_VOXELS:
        raise InputError(f"{path}: shape {shape} is not possible; expected 1 to {_MAX_VOXELS} voxels")
    size = Path(image.file_map["image"].filename or path).stat().st_size  # a header's voxels can lie in another file
    if n_voxels * kind.itemsize > _MAX_DEFLATION * size:
        raise ValueError(f"{size} bytes cannot hold {n_voxels} voxels")
    if kind.kind not in "iuf":
        raise InputError(f"{path}: voxel type {kind}; expected integers or floats")
    unit = int(image.header["xyzt_units"]) & _UNIT_OF_LENGTH if "xyzt_units" in image.header else 0
    if unit in _OTHER_UNITS:
        raise InputError(f"{path}: its header is in {_OTHER_UNITS[unit]}; expected millimetres")
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-9:
        raise InputError(f"{path}: the affine is singular or not finite; expected a voxel-to-millimetre matrix")
    _check_spacing(path, np.linalg.norm(affine[:3, :3], axis=0))


def _check_spacing(path: Path, spacing: np.ndarray) -> None:
    if not ((spacing >= _SPACINGS[0]) & (spacing <= _SPACINGS[1])).all():
        found = " x ".join(f"{edge:g}" for edge in spacing)
        raise InputError(f"{path}: spacing {found} mm; expected {_SPACINGS[0]:g} to {_SPACINGS[1]:g} mm each")


def _check_end(path: Path, stream: Any, image: Any) -> None:
    """Read to the end, which checks the checksum; InputError if more than `_MAX_REST` bytes follow the voxels."""
    stream.seek(int(image.dataobj.offset) + int(np.prod(image.shape)) * image.get_data_dtype().itemsize)
    if len(stream.read(_MAX_REST + 1)) > _MAX_REST:
        raise InputError(f"{path}: goes on after its {int(np.prod(image.shape))} voxels; expected nothing more")
