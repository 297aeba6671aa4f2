"""Application of a written transformation to other images, label maps and points."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from textscf.errors import InputError
from textscf.files.csv_file import read_rows
from textscf.files.image_file import LPS, ImageFile, read_image_file, read_label_file
from textscf.files.io import is_current, write_csv
from textscf.files.itk import check_name, image_of, read_transform, write_like
from textscf.files.point_file import read_points

if TYPE_CHECKING:
    import SimpleITK

_LOG = logging.getLogger(__name__)

INTERPOLATIONS = {"linear": "sitkLinear", "nearest": "sitkNearestNeighbor", "label": "sitkLabelGaussian",
                  "spline": "sitkBSpline3"}  # fmt: skip
"""Names of the interpolations and of the interpolators of ITK; `nearest` and `label` keep labels as they are."""

AXES = ("LPS", "RAS")
"""Names of the axes of points, see `apply_to_points`."""

_LABELS = ("nearest", "label")
_OF_IMAGES = ("warp", "reference", "input", "out")
_OF_POINTS = ("warp", "points", "axes", "out")
_OPTIONS = ("input", "out", "warp", "reference", "points", "axes", "interpolation", "fill")
_CHOICES = {"axes": AXES, "interpolation": tuple(INTERPOLATIONS)}


def apply(options: Mapping[str, str]) -> None:
    """Apply one transformation.

    Args:
        options: text of the options of `src/apply.py` by their names: those of `apply_to_points` if there is `points`,
            else those of `apply_to_image`.

    Raises:
        InputError: an option is missing or has another value than expected, or a file cannot be used.
    """
    _check_options(options)
    paths = {name: Path(text) for name, text in options.items() if name not in (*_CHOICES, "fill")}
    if "points" in options:
        apply_to_points(paths["warp"], paths["points"], paths["out"], options["axes"])
        return
    fill = float(options["fill"]) if "fill" in options else None
    interpolation = options.get("interpolation", "linear")
    apply_to_image(paths["warp"], paths["reference"], paths["input"], paths["out"], interpolation, fill)


def apply_to_list(listed: Path, common: Mapping[str, str]) -> None:
    """Apply a transformation for every row of a CSV whose result is not there, or older than a file that it is made of.

    Args:
        listed: CSV with the column `out`, and with `input`, `points` and others of the options of `apply` by their
            names; paths are relative to the working directory.
        common: options of rows that do not have them.

    Raises:
        InputError: a row cannot be used. The options of all rows are checked before the first is applied.
    """
    rows = [{**common, **row} for row in read_rows(listed, _OPTIONS, ("out",), "rows with out, and input or points")]
    for number, options in enumerate(rows, 1):
        try:
            _check_options(options)
        except InputError as error:
            raise InputError(f"{listed}: row {number}: {error}") from error
    for options in rows:
        sources = [Path(options[name]) for name in ("warp", "reference", "input", "points") if name in options]
        if is_current(Path(options["out"]), sources):
            _LOG.info("%s: is there", options["out"])
        else:
            apply(options)


def _check_options(options: Mapping[str, str]) -> None:
    if "points" in options and "input" in options:
        raise InputError(f"--input {options['input']} and --points {options['points']}: expected one for each result")
    needed = _OF_POINTS if "points" in options else _OF_IMAGES
    missing = [f"--{name}" for name in needed if name not in options]
    if missing:
        raise InputError(f"{', '.join(missing)} missing; expected {', '.join(f'--{name}' for name in needed)}")
    for name, choices in _CHOICES.items():
        if options.get(name, choices[0]) not in choices:
            raise InputError(f"{name}: found '{options[name]}'; expected one of {', '.join(choices)}")
    try:
        float(options.get("fill", 0))
    except ValueError:
        raise InputError(f"fill: found '{options['fill']}'; expected a number") from None
    if "points" not in options:
        check_name(Path(options["out"]))


def apply_to_image(
    warp: Path, reference: Path, source: Path, out: Path, interpolation: str = "linear", fill: float | None = None
) -> None:
    """Warp an image or a label map to the grid of a reference scan.

    Args:
        warp: transformation, see `textscf.files.itk.read_transform`; it maps points of the reference to the source.
        reference: scan whose grid and header the result gets.
        source: image or label map in the other scan's space, on any grid.
        out: NIfTI file of the result, `.nii` or `.nii.gz`.
        interpolation: one of `INTERPOLATIONS`.
        fill: value where the source has no voxel, and of an image's voxels that are NaN or infinite; by default 0 for
            labels and the smallest intensity for images, and voxels that are NaN are refused.

    Raises:
        InputError: a file cannot be used.
    """
    import SimpleITK

    check_name(out)
    onto = read_image_file(reference, fill=0.0)
    moving = read_label_file(source) if interpolation in _LABELS else read_image_file(source, fill)
    for scan in (onto, moving):
        for remark in scan.remarks:
            _LOG.warning("%s: %s", scan.path, remark)
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
