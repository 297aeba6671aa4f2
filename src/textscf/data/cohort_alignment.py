"""Alignment of a cohort's scans with the first of them or with a template (`preprocess.align`), one affine each."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from textscf.data.alignment import PlacedImage, by_ants, content_overlap, on_covering_grid
from textscf.data.geometry import centred_affine
from textscf.data.recipe import FIRST, Recipe
from textscf.data.scans import StoredScan, normalised, placed_image
from textscf.errors import InputError
from textscf.world.grid import Grid, apply_affine, sample

_MAX_VOXELS = 2**19
"""Voxels of the images that ANTs compares; more take minutes a scan and gain less than 0.02 voxels."""

LEAST_OVERLAP = 0.5
"""Overlap of an aligned scan's content with the reference's below which the alignment has failed."""


@dataclass(frozen=True)
class Reference:
    """The scan or template with which a cohort is aligned.

    Attributes:
        path: its file.
        image: its image; the middle of its grid is the middle of the cohort's.
        edge: edge of the voxels in mm at which images are compared.
    """

    path: Path
    image: PlacedImage
    edge: float

    @classmethod
    def read(cls, path: Path, recipe: Recipe) -> "Reference":
        """Read a reference, with the intensities of `recipe`. Raises InputError if it cannot be used."""
        if not path.is_file():
            raise InputError(f"{path}: no such file; expected '{FIRST}' or a template for preprocess.align.to")
        data, affine = placed_image(path, recipe)
        try:
            image = normalised(data, recipe)
        except InputError as error:
            raise InputError(f"{path}: {error}") from error
        volume = image.size * abs(float(np.linalg.det(affine[:3, :3])))
        edge = max(math.prod(recipe.spacing), volume / _MAX_VOXELS) ** (1 / 3)
        return cls(path, on_covering_grid(image, affine, (edge,) * 3), edge)


def aligned_with(reference: Reference, path: Path, scan: StoredScan, recipe: Recipe) -> NDArray[np.float64]:
    """Affine (4, 4) that takes points of the cohort's grid to points of a stored scan, both in mm of RAS axes.

    The middle of the reference lies at 0 mm of the cohort's grid.

    Args:
        reference: what the scan is aligned with; if it is the scan itself, nothing is turned.
        path: file of the scan's image.
        scan: the scan.
        recipe: settings of the preparation.

    Raises:
        InputError: ANTs fails, or the aligned contents hardly overlap.
    """
    to_reference = np.eye(4)
    to_reference[:3, 3] = reference.image.grid.centre
    if path == reference.path:
        return to_reference
    kind = str(recipe.align_kind)
    image = on_covering_grid(normalised(scan.image, recipe), scan.affine, (reference.edge,) * 3)
    matrix = by_ants(reference.image, image, kind)
    overlap = content_overlap(reference.image, image, matrix)
    if overlap < LEAST_OVERLAP:
        raise InputError(
            f"alignment {kind} with {reference.path} leaves an overlap of {overlap:.2f} of what the two scans show; "
            f"expected at least {LEAST_OVERLAP:g}"
        )
    return matrix @ to_reference


def transform_aligned(
    scan: StoredScan, recipe: Recipe, alignment: NDArray[np.float64]
) -> tuple[NDArray[np.float32], NDArray[np.uint8] | None]:
    """Image and labels on the cohort's grid, as `textscf.data.scans.transform`, by an affine of `aligned_with`.

    Both are sampled once, from the stored voxels. Points beyond the stored scan are 0.
    """
    onto = Grid(recipe.shape, centred_affine(recipe.orientation, recipe.spacing, recipe.shape))

    def place(points: NDArray[np.float64]) -> NDArray[np.float64]:
        return apply_affine(alignment, points)

    image = sample(normalised(scan.image, recipe), scan.affine, onto, place, order=2)
    labels = None if scan.labels is None else sample(scan.labels, scan.affine, onto, place, order=0)
    return np.clip(image, 0.0, 1.0), labels
