"""Application of a written transformation to other images, label maps and points."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from textscf.errors import InputError
from textscf.files.image_file import LPS, ImageFile, read_image_file, read_label_file
from textscf.files.io import write_csv
from textscf.files.itk import image_of, read_transform, write_like
from textscf.files.point_file import read_points
from textscf.results.items import read_csv

if TYPE_CHECKING:
    import SimpleITK

_LOG = logging.getLogger(__name__)

INTERPOLATIONS = {"linear": "sitkLinear", "nearest": "sitkNearestNeighbor", "label": "sitkLabelGaussian",
                  "spline": "sitkBSpline3"}  # fmt: skip
"""Names of the interpolations and of the interpolators of ITK; `nearest` and `label` keep labels as they are."""

_LABELS = ("nearest", "label")
_LISTED = ("input", "out")


def apply_to_image(
    warp: Path, reference: Path, source: Path, out: Path, interpolation: str = "linear", fill: float | None = None
) -> None:
    """Warp an image or a label map to the grid of a reference scan.

    Args:
        warp: transformation, see `textscf.files.itk.read_transform`; it maps points of the reference to the source.
        reference: scan whose grid and header the result gets.
        source: image or label map in the other scan's space, on any grid.
        out: NIfTI file of the result.
        interpolation: one of `INTERPOLATIONS`.
        fill: value where the source has no voxel; the default is 0 for labels and the smallest intensity for images.

    Raises:
        InputError: a file cannot be used.
    """
    import SimpleITK

    onto = read_image_file(reference, fill=0.0)
    moving = read_label_file(source) if interpolation in _LABELS else read_image_file(source)
    for remark in (*onto.remarks, *moving.remarks):
        _LOG.warning("%s", remark)
    outside = fill if fill is not None else 0.0 if interpolation in _LABELS else float(moving.data.min())
    resampler = SimpleITK.ResampleImageFilter()
    resampler.SetReferenceImage(image_of(onto))
    resampler.SetTransform(_covering(read_transform(warp), warp, onto))
    resampler.SetInterpolator(getattr(SimpleITK, INTERPOLATIONS[interpolation]))
    resampler.SetDefaultPixelValue(outside)
    result = SimpleITK.GetArrayFromImage(resampler.Execute(image_of(moving))).T
    write_like(out, result, onto)


def apply_to_points(warp: Path, points: Path, out: Path, axes: str) -> None:
    """Move points of the scan that the transformation starts from: with `warp.nii.gz` those of the fixed scan.

    Points move the other way than images: the same file that brings the moving image to the fixed image takes points of
    the fixed image to the moving image. `inverse_warp.nii.gz` takes points of the moving image to the fixed image.

    Args:
        warp: transformation, see `textscf.files.itk.read_transform`.
        points: CSV with the columns x, y and z in mm; other columns are kept.
        out: CSV of the moved points.
        axes: axes of the points in both files, `LPS` (ITK, ANTs, DICOM) or `RAS` (NIfTI, 3D Slicer's display).

    Raises:
        InputError: a file cannot be used, or a point lies outside of a displacement field.
    """
    table = read_points(points)
    transform = read_transform(warp)
    sign = np.diag(LPS)[:3] if axes == "RAS" else np.ones(3)
    places = table[["x", "y", "z"]].to_numpy(float) * sign
    _check_inside(transform, places, points, warp)
    moved = np.array([transform.TransformPoint(place.tolist()) for place in places]).reshape(-1, 3)
    write_csv(out, table.assign(**dict(zip("xyz", (moved * sign).T, strict=True))))


def apply_to_list(listed: Path, apply: Callable[[dict[str, str]], None]) -> int:
    """Call `apply` for every row of a CSV whose result is not there yet; returns the number of rows."""
    table = read_csv(listed, _LISTED, f"rows with {', '.join(_LISTED)} and, by name, other options")
    for row in table.to_dict("records"):
        given = {str(key): str(value) for key, value in row.items() if pd.notna(value)}
        if Path(given["out"]).exists():
            _LOG.info("%s: is there", given["out"])
        else:
            apply(given)
    return len(table)


def _field_of(transform: "SimpleITK.Transform") -> "SimpleITK.Image | None":
    """The displacement field that a transformation begins with; None if it begins with another kind."""
    import SimpleITK

    first = transform.Downcast()
    if isinstance(first, SimpleITK.CompositeTransform):
        first = first.GetNthTransform(first.GetNumberOfTransforms() - 1).Downcast()
    return first.GetDisplacementField() if isinstance(first, SimpleITK.DisplacementFieldTransform) else None


def _covering(transform: "SimpleITK.Transform", warp: Path, reference: ImageFile) -> "SimpleITK.Transform":
    """The transformation itself, after a warning if the reference reaches beyond its field, where nothing moves."""
    corners = np.array([*np.ndindex(2, 2, 2)]) * (np.array(reference.data.shape) - 1)
    affine = LPS @ reference.affine
    outside = _outside(transform, corners @ affine[:3, :3].T + affine[:3, 3])
    if outside.any():
        _LOG.warning("%s: does not cover %s; there the result is not warped", warp, reference.path)
    return transform


def _check_inside(transform: "SimpleITK.Transform", places: np.ndarray, points: Path, warp: Path) -> None:
    outside = _outside(transform, places)
    if outside.any():
        first = ", ".join(f"{value:g}" for value in places[outside.argmax()])
        raise InputError(
            f"{points}: {int(outside.sum())} of {len(places)} points, the first at ({first}) LPS, lie outside of the "
            f"field of {warp}; expected points inside: are they in the scan that it starts from, and --axes right?"
        )


def _outside(transform: "SimpleITK.Transform", places: np.ndarray) -> np.ndarray:
    """Mask (N,) of the points (N, 3), in LPS axes, that lie beyond the voxels of a displacement field."""
    field = _field_of(transform)
    if field is None:
        return np.zeros(len(places), bool)
    index = np.array([field.TransformPhysicalPointToContinuousIndex(place.tolist()) for place in places])
    last = np.array(field.GetSize()) - 1
    return np.asarray(((index < -0.501) | (index > last + 0.501)).any(axis=1))
