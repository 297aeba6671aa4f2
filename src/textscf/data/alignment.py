"""Alignment of two scans: by their headers, their centres, ANTs, or a file."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textscf.data.ants_package import load_ants
from textscf.errors import InputError
from textscf.files.image_file import LPS, skewness
from textscf.world.grid import Grid, apply_affine, sample, upright_grid

INITIALS = ("auto", "none", "centre", "rigid", "affine")
"""Kinds of alignment; anything else is the file of an affine transformation as ITK and ANTs write it."""

GOOD_OVERLAP = 0.95
"""Overlap of the two scans' contents from which `auto` trusts the headers.

Two brains at 2 mm, deformed at random from one, overlap by 0.95 to 0.98; turned by 20 degrees by 0.93, 40 mm apart by
0.67.
"""

CONTENT = 0.05
"""Intensity of a prepared image, in [0, 1], above which a voxel shows something."""

_FAILED_OVERLAP = 0.8
"""Overlap after an alignment of ANTs below which `auto` doubts it."""

_SKEW = 0.1  # degrees
_SAMPLES = 200_000
"""Voxels that ANTs compares; its own fifth of a small crop is too few, and it turns some crops by 20 degrees."""
_TRANSFORMS = {"rigid": "Rigid", "affine": "Affine"}


@dataclass(frozen=True)
class PlacedImage:
    """An image in [0, 1] with the grid of its voxels in the world of its scan."""

    data: NDArray[np.float32]
    grid: Grid


def on_covering_grid(image: NDArray[np.float32], affine: NDArray[np.float64], spacing: Sequence[float]) -> PlacedImage:
    """An image (H, W, D) at another spacing in mm, on a grid with the same axes and centre that covers the scan.

    If the axes of `affine` (4, 4) are skew, the grid has those of the patient, because ITK and ANTs need right angles.
    """
    covered = Grid(image.shape, affine)
    if skewness(affine) > _SKEW:
        covered = upright_grid(covered)
    shape = np.ceil(np.array(covered.shape) * covered.spacing / spacing).astype(int)
    matrix = np.eye(4)
    matrix[:3, :3] = covered.affine[:3, :3] / covered.spacing * spacing
    matrix[:3, 3] = covered.centre - matrix[:3, :3] @ ((shape - 1) / 2)
    onto = Grid(tuple(shape.tolist()), matrix)
    return PlacedImage(sample(image, affine, onto), onto)


def content_overlap(fixed: PlacedImage, moving: PlacedImage, alignment: NDArray[np.float64]) -> float:
    """Overlap of what the two images show: the common volume as a part of the smaller of the two volumes.

    Args:
        fixed: fixed image, whose grid covers its scan.
        moving: moving image, whose grid covers its scan.
        alignment: affine (4, 4) from points of the fixed scan to points of the moving scan.
    """
    turned = sample(moving.data, moving.grid.affine, fixed.grid, lambda points: apply_affine(alignment, points))
    contents = fixed.data > CONTENT, turned > CONTENT
    voxel = float(np.prod(fixed.grid.spacing))
    whole = float(np.prod(moving.grid.spacing)) * float((moving.data > CONTENT).sum()) / np.linalg.det(alignment)
    smaller = min(voxel * float(contents[0].sum()), whole)
    return min(1.0, voxel * float((contents[0] & contents[1]).sum()) / max(smaller, 1e-9))


def align(
    fixed: PlacedImage, moving: PlacedImage, initial: str, trained: str | None = None
) -> tuple[NDArray[np.float64], str]:
    """Affine (4, 4) from points of the fixed scan to points of the moving scan, and the kind of alignment that it is.

    `auto` is the alignment that the network's training scans had. Where they had none, `auto` is ``none``, which trusts
    the headers, if the scans' contents overlap by `GOOD_OVERLAP` or more. Elsewhere, and where ANTs seems to fail, it
    is the one of ``affine``, ``centre`` and ``none`` by which they overlap most: on small crops ANTs can fail.

    Args:
        fixed: fixed image, whose grid covers its scan.
        moving: moving image, whose grid covers its scan.
        initial: one of `INITIALS`, or the path of a file.
        trained: alignment of the training scans, rigid or affine; None for none.

    Raises:
        InputError: the file is no affine transformation, or ANTs fails.
    """
    if initial == "auto":
        return _automatic(fixed, moving, trained)
    if initial == "none":
        return np.eye(4), initial
    if initial == "centre":
        return _shift(moving.grid.centre - fixed.grid.centre), initial
    if initial in _TRANSFORMS:
        try:
            return by_ants(fixed, moving, initial), initial
        except InputError as error:
            raise InputError(f"{error}; try --initial centre") from error
    return _from_file(Path(initial)), initial


def _automatic(fixed: PlacedImage, moving: PlacedImage, trained: str | None) -> tuple[NDArray[np.float64], str]:
    def overlap(found: tuple[NDArray[np.float64], str]) -> float:
        return content_overlap(fixed, moving, found[0])

    if trained:
        found = align(fixed, moving, trained)
        if overlap(found) >= _FAILED_OVERLAP:
            return found
    elif overlap((np.eye(4), "none")) >= GOOD_OVERLAP:
        return np.eye(4), "none"
    return max((align(fixed, moving, kind) for kind in (trained or "affine", "centre", "none")), key=overlap)


def _shift(millimetres: NDArray[np.float64]) -> NDArray[np.float64]:
    matrix = np.eye(4)
    matrix[:3, 3] = millimetres
    return matrix


def by_ants(fixed: PlacedImage, moving: PlacedImage, kind: str) -> NDArray[np.float64]:
    """Affine (4, 4) from points of the fixed scan to points of the moving scan, which ANTs finds.

    It has the largest mutual information, by a search that starts from the centres of mass. The same images give the
    same affine.

    Args:
        fixed: fixed image.
        moving: moving image.
        kind: rigid or affine.

    Raises:
        InputError: ANTs fails.
    """
    ants = load_ants(f"alignment {kind}")
    with tempfile.TemporaryDirectory(prefix="textscf-align-") as folder:
        images = [_as_ants(ants, image) for image in (fixed, moving)]
        try:
            found = ants.registration(
                *images,
                type_of_transform=_TRANSFORMS[kind],
                outprefix=f"{folder}/",
                aff_random_sampling_rate=float(np.clip(_SAMPLES / fixed.data.size, 0.2, 1)),
            )
            transform = ants.read_transform(found["fwdtransforms"][0])
        except (RuntimeError, ValueError, IndexError) as error:
            reason = " ".join(str(error).split())
            raise InputError(f"alignment {kind}: ANTs failed ({reason})") from error
    centre = np.array(transform.fixed_parameters)
    matrix = np.eye(4)
    matrix[:3, :3] = np.array(transform.parameters[:9]).reshape(3, 3)
    matrix[:3, 3] = np.array(transform.parameters[9:]) + centre - matrix[:3, :3] @ centre
    return LPS @ matrix @ LPS


def _as_ants(ants: Any, image: PlacedImage) -> Any:
    affine = LPS @ image.grid.affine
    return ants.from_numpy(
        np.ascontiguousarray(image.data),
        origin=tuple(affine[:3, 3].tolist()),
        spacing=tuple(image.grid.spacing.tolist()),
        direction=affine[:3, :3] / image.grid.spacing,
    )


def _from_file(path: Path) -> NDArray[np.float64]:
    expected = f"expected one of {', '.join(INITIALS)}, or the file of an affine transformation of ITK or ANTs"
    if not path.is_file():
        raise InputError(f"{path}: no such file; {expected}")
    import SimpleITK

    try:
        transform = SimpleITK.ReadTransform(str(path))
    except RuntimeError as error:
        raise InputError(f"{path}: cannot be read as a transformation; {expected}") from error
    if transform.GetDimension() != 3:
        raise InputError(f"{path}: has {transform.GetDimension()} dimensions instead of 3; {expected}")
    corners = [np.zeros(3), *np.eye(3)]
    moved = [np.array(transform.TransformPoint(corner.tolist())) for corner in corners]
    matrix = np.eye(4)
    matrix[:3, :3] = np.stack([point - moved[0] for point in moved[1:]], axis=1)
    matrix[:3, 3] = moved[0]
    if not transform.IsLinear() or abs(np.linalg.det(matrix)) < 1e-6:
        raise InputError(f"{path}: is no invertible affine transformation; {expected}")
    return LPS @ matrix @ LPS
