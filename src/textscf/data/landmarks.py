"""Landmarks of subjects: from files in the world of the stored scans to the cohort's grid, and as pairs of points.

The coordinates of a file are millimetres in the world that the header of the subject's stored image describes, also
where the cohort's `preprocess.axes` or `source_spacing` override that header. Prepared landmarks are millimetres of RAS
axes in the world of the prepared grid. Rows of two subjects correspond by the column `name`, else by their order.
"""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from textscf.data.cohort import Cohort
from textscf.data.geometry import centred_affine
from textscf.data.landmark_file import SIGNS, LandmarkFile
from textscf.data.placement import Placement
from textscf.data.recipe import Recipe
from textscf.data.scans import StoredScan
from textscf.errors import InputError
from textscf.files.point_file import read_points
from textscf.world.grid import apply_affine

if TYPE_CHECKING:
    import pandas as pd

_EDGE = 0.5 + 1e-3  # voxels; a voxel reaches half a voxel beyond its centre
_DECIMALS = 6
_AXES = ["x", "y", "z"]


def landmarks_in_scan(file: LandmarkFile, scan: StoredScan) -> "tuple[pd.DataFrame, NDArray[np.float64]]":
    """Landmarks of a scan, and their places in its voxels (K, 3).

    Raises:
        InputError: the file cannot be used, or a landmark lies outside of the scan.
    """
    table = file.read()
    index = apply_affine(np.linalg.inv(scan.header), table[_AXES].to_numpy(float))
    _check_inside(file, table, index, scan.image.shape, "the scan; are they of this scan, and their axes right")
    return table, index


def placed_landmarks(
    file: LandmarkFile, scan: StoredScan, recipe: Recipe, alignment: NDArray[np.float64] | None = None
) -> "pd.DataFrame":
    """Landmarks of a scan as its preparation moves them: columns x, y, z, and `name` if the file has it.

    Args:
        file: the landmarks.
        scan: the scan.
        recipe: settings of the preparation.
        alignment: affine (4, 4) of `textscf.data.cohort_alignment.aligned_with`; None if scans are not aligned.

    Raises:
        InputError: the file cannot be used, or a landmark lies outside of the scan or of the prepared grid.
    """
    table, index = landmarks_in_scan(file, scan)
    grid = centred_affine(recipe.orientation, recipe.spacing, recipe.shape)
    if alignment is None:
        placement = Placement.of_grid(scan.image.shape, scan.affine, scan.axes, scan.spacing, recipe)
        placed = index[:, placement.order] * placement.scale + placement.offset
    else:
        placed = apply_affine(np.linalg.inv(alignment @ grid) @ scan.affine, index)
    _check_inside(file, table, placed, recipe.shape, "the prepared grid; is preprocess.shape too small")
    world = apply_affine(grid, placed).round(_DECIMALS)
    return table.assign(**dict(zip("xyz", world.T, strict=True)))


def _check_inside(
    file: LandmarkFile, table: "pd.DataFrame", index: NDArray[np.float64], shape: Iterable[int], of: str
) -> None:
    outside = ((index < -_EDGE) | (index > np.array(shape) - 1 + _EDGE)).any(axis=1)
    if outside.any():
        place = ", ".join(f"{value:g}" for value in table[_AXES].iloc[int(outside.argmax())] * SIGNS[file.axes])
        found = f"{int(outside.sum())} of {len(table)} landmarks, the first at ({place}) {file.axes}"
        raise InputError(f"{file.path}: {found}, lie outside of {of}?")


def check_correspondence(files: Mapping[str, LandmarkFile], pairs: Iterable[tuple[str, str]]) -> int:
    """Check that both scans of each pair have the same landmarks; pairs with a scan without landmarks are skipped.

    Returns:
        Number of pairs with landmarks.

    Raises:
        InputError: counts or names differ; the message names both files.
    """
    compared = [(files[fixed], files[moving]) for fixed, moving in pairs if fixed in files and moving in files]
    tables = {file.path: file.read() for pair in compared for file in pair}
    for fixed, moving in compared:
        first, second = tables[fixed.path], tables[moving.path]
        if len(first) != len(second):
            found = f"has {len(first)} landmarks, and {moving.path} has {len(second)}"
            raise InputError(f"{fixed.path}: {found}; expected the same landmarks in both scans of a test pair")
        if _names(first) != _names(second):
            found = f"its landmarks have other names than those of {moving.path}"
            raise InputError(f"{fixed.path}: {found}; expected the same names, or no column name in either")
    return len(compared)


def _names(table: "pd.DataFrame") -> set[str] | None:
    return set(table["name"]) if "name" in table else None


def landmarks_of_pair(
    cohort: Cohort, fixed: str, moving: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Corresponding landmarks of two subjects in voxels of the prepared grid, each (K, 3); None if one has none."""
    if not (cohort.has_landmarks(fixed) and cohort.has_landmarks(moving)):
        return None
    tables = [read_points(cohort.landmark_path(subject)) for subject in (fixed, moving)]
    if "name" in tables[0]:
        tables = [table.sort_values("name", kind="stable") for table in tables]
    to_voxels = np.linalg.inv(cohort.affine)
    first, second = (apply_affine(to_voxels, table[_AXES].to_numpy(float)) for table in tables)
    return first, second
