"""Prepares one subject: reads and checks its stored image and label map, if any, and brings them to the grid."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from textscf.data import geometry
from textscf.data.recipe import Recipe
from textscf.errors import InputError
from textscf.files.image_file import skewness
from textscf.files.io import Volume, read_image, read_labels
from textscf.world.grid import Grid, sample, upright_grid

_LOG = logging.getLogger(__name__)
_MAX_OBLIQUE_DEGREES = 1.0
_MAX_SKEW_DEGREES = 0.1
_MAX_CORNER_DISTANCE = 0.1  # as a fraction of the smallest voxel edge
_MAX_VOXELS = 2**28


@dataclass(frozen=True)
class Rejection:
    """A file that cannot be used, and the reason."""

    subject: str
    file: str
    reason: str


@dataclass(frozen=True)
class StoredScan:
    """A stored scan that passed all checks.

    Attributes:
        image: (H, W, D).
        labels: label map (H, W, D); None for a scan without labels.
        axes: axis codes; the recipe may override those of the header.
        spacing: voxel edge lengths in mm; the recipe may override those of the header.
        affine: affine (4, 4), voxel to mm. Where the recipe overrides axes or spacing, it has these, and the scan's
            middle at 0 mm.
        header: affine (4, 4) that the file has (of the upright grid for an oblique scan), whatever the recipe says.
    """

    image: np.ndarray
    labels: np.ndarray | None
    axes: str
    spacing: tuple[float, ...]
    affine: np.ndarray
    header: np.ndarray


def read_scan(subject: str, image_path: Path, label_path: Path | None, recipe: Recipe) -> StoredScan | list[Rejection]:
    """Read and check one subject, without labels if there is no path of them.

    Returns the scan, or one rejection for each problem found.
    """
    rejections: list[Rejection] = []

    def attempt(path: Path, step: Callable[[], Any]) -> Any:
        try:
            return step()
        except InputError as error:
            rejections.append(Rejection(subject, str(path), str(error).removeprefix(f"{path}: ")))
            return None

    image = attempt(image_path, lambda: _read_checked(image_path, read_image, recipe))
    labels = numbers = None
    if label_path is not None:
        labels = attempt(label_path, lambda: _read_checked(label_path, read_labels, recipe))
        numbers = None if labels is None else attempt(label_path, lambda: renumbered(labels.data, recipe))
    if image is not None:
        attempt(image_path, lambda: _check_intensities(image.data, recipe))
    if image is not None and labels is not None and label_path is not None:
        attempt(label_path, lambda: _check_same_grid(image, labels, image_path.name, recipe))
    return rejections or _scan(image, numbers, recipe)


def transform(scan: StoredScan, recipe: Recipe) -> tuple[np.ndarray, np.ndarray | None]:
    """Image float32 in [0, 1] and labels uint8, if any, on the cohort's grid, both of `recipe.shape`.

    Intensities are normalised on the whole stored scan. Then the image is resampled with splines of order 2, whose
    overshoot is clipped, and the labels with nearest neighbour. Padding is 0 in both.
    """
    image = _on_grid(normalised(scan.image, recipe), scan.axes, scan.spacing, recipe, order=2)
    labels = None if scan.labels is None else _on_grid(scan.labels, scan.axes, scan.spacing, recipe, order=0)
    return np.clip(image, 0.0, 1.0), labels


def stored_geometry(path: Path, recipe: Recipe) -> tuple[tuple[int, ...], np.ndarray, str, tuple[float, ...]]:
    """Shape, affine (4, 4), axis codes and spacing in mm of a stored scan; `recipe` can override the last two."""
    volume = read_image(path)
    angle = geometry.obliqueness(volume.affine)
    if recipe.axes == "header" and angle > _MAX_OBLIQUE_DEGREES:
        expected = f"at most {_MAX_OBLIQUE_DEGREES:g}, as fields are written on the stored grid"
        raise InputError(f"{path}: oblique affine, {angle:.1f} degrees off the patient axes; expected {expected}")
    return volume.data.shape, volume.affine, _stored_axes(volume, recipe), _stored_spacing(volume, recipe)


def stored_image(path: Path, recipe: Recipe) -> tuple[np.ndarray, str, tuple[float, ...]]:
    """Voxels (H, W, D) float32, axis codes and spacing in mm of a stored image; `recipe` can override the last two."""
    volume = _read_checked(path, read_image, recipe)
    return volume.data, _stored_axes(volume, recipe), _stored_spacing(volume, recipe)


def placed_image(path: Path, recipe: Recipe) -> tuple[np.ndarray, np.ndarray]:
    """Voxels (H, W, D) float32 of a stored image, and their affine (4, 4) as for `StoredScan`."""
    volume = _read_checked(path, read_image, recipe)
    return volume.data, _stored_affine(volume, recipe)


def _on_grid(
    volume: np.ndarray, axes: str, spacing: tuple[float, ...], recipe: Recipe, order: Literal[0, 2]
) -> np.ndarray:
    stored = np.array(spacing)[geometry.axis_order(axes, recipe.orientation)]
    turned = geometry.reorient(volume, axes, recipe.orientation)
    return geometry.centre_fit(geometry.resample(turned, stored, np.array(recipe.spacing), order), recipe.shape)


def _read_checked(path: Path, read: Callable[[Path], Volume], recipe: Recipe) -> Volume:
    """Read a scan, with the patient's axes: an oblique one that is not aligned is resampled through its affine."""
    volume = read(path)
    if recipe.axes == "header" and not recipe.align_to:
        volume = _upright(path, volume, 0 if read is read_labels else 1)
    axes, spacing = _stored_axes(volume, recipe), np.array(_stored_spacing(volume, recipe))
    order = geometry.axis_order(axes, recipe.orientation)
    stored_shape = tuple(volume.data.shape[axis] for axis in order)
    shape = geometry.resampled_shape(stored_shape, spacing[order], np.array(recipe.spacing))
    if min(shape) < 1 or float(np.prod(shape, dtype=float)) > _MAX_VOXELS:
        found = " x ".join(f"{edge:g}" for edge in spacing)
        raise InputError(f"{path}: spacing {found} mm would make it {shape}; expected a possible spacing")
    if recipe.exact and shape != recipe.shape:
        raise InputError(
            f"{path}: shape {volume.data.shape} with axes {axes} becomes {shape} with axes {recipe.orientation}; "
            f"expected exactly {recipe.shape}"
        )
    return volume


def _upright(path: Path, volume: Volume, order: Literal[0, 1]) -> Volume:
    """The scan itself, or resampled to a grid of its spacing along the patient's axes if its own axes are oblique."""
    skew = skewness(volume.affine)
    if geometry.obliqueness(volume.affine) <= _MAX_OBLIQUE_DEGREES and skew <= _MAX_SKEW_DEGREES:
        return volume
    if skew > _MAX_SKEW_DEGREES:
        _LOG.warning("%s: its axes are skew by %.1f degrees; it is resampled through its affine", path, skew)
    onto = upright_grid(Grid(volume.data.shape, volume.affine))
    outside = 0 if order == 0 else float(volume.data.min())
    return Volume(sample(volume.data, volume.affine, onto, order=order, outside=outside), onto.affine)


def _stored_axes(volume: Volume, recipe: Recipe) -> str:
    return geometry.axis_codes(volume.affine) if recipe.axes == "header" else recipe.axes


def _stored_spacing(volume: Volume, recipe: Recipe) -> tuple[float, ...]:
    return recipe.source_spacing or volume.spacing


def _stored_affine(volume: Volume, recipe: Recipe) -> np.ndarray:
    if recipe.axes == "header" and not recipe.source_spacing:
        return volume.affine
    return geometry.centred_affine(_stored_axes(volume, recipe), _stored_spacing(volume, recipe), volume.data.shape)


def renumbered(stored: np.ndarray, recipe: Recipe) -> np.ndarray:
    """Labels 1, 2, ... uint8 of a stored label map (H, W, D), whose numbers are the recipe's `values`.

    Raises:
        InputError: it has a number that the anatomy lacks, unless the recipe takes these for background; or no label.
    """
    parts = recipe.values or [(label,) for label in recipe.labels]
    values = np.concatenate(parts)
    found = np.unique(stored)
    unknown = sorted(set(found.tolist()) - {0, *values.tolist()})
    if unknown and recipe.other_labels == "refuse":
        ordered = values.tolist() == list(recipe.labels)
        expected = f"{values[0]} to {values[-1]}" if ordered else ", ".join(map(str, values))
        raise InputError(f"labels {', '.join(map(str, unknown))} are not in the anatomy; expected 0 and {expected}")
    table = np.zeros(int(values.max()) + 2, np.uint8)
    table[values] = np.repeat(recipe.labels, [len(numbers) for numbers in parts])
    labels = table[stored.clip(0, values.max() + 1)]
    if not labels.any():
        raise InputError("no voxel is labelled; expected at least one structure of the anatomy")
    return labels


def _check_intensities(image: np.ndarray, recipe: Recipe) -> None:
    low, high = _window(image, recipe)
    if not low < high:
        raise InputError(f"intensities are constant ({low:g}) within the percentiles; expected an image")
    if recipe.intensity == "none" and (image.min() < 0 or image.max() > 1):
        raise InputError(f"intensities run from {image.min():g} to {image.max():g}; expected 0 to 1")


def _check_same_grid(image: Volume, labels: Volume, image_name: str, recipe: Recipe) -> None:
    if image.data.shape != labels.data.shape:
        raise InputError(f"shape {labels.data.shape}; expected {image.data.shape} as in {image_name}")
    if recipe.axes == "header":
        distance = geometry.corner_distance(image.affine, labels.affine, image.data.shape)
        if distance > _MAX_CORNER_DISTANCE * min(image.spacing):
            raise InputError(f"its affine puts a corner {distance:.2f} mm away from where {image_name} has it")


def _scan(image: Volume, labels: np.ndarray | None, recipe: Recipe) -> StoredScan:
    axes, spacing = _stored_axes(image, recipe), _stored_spacing(image, recipe)
    return StoredScan(image.data, labels, axes, spacing, _stored_affine(image, recipe), image.affine)


def _window(image: np.ndarray, recipe: Recipe) -> tuple[float, float]:
    if recipe.intensity == "percentile":
        low, high = np.percentile(image, recipe.intensity_range)
        return float(low), float(high)
    return recipe.intensity_range


def normalised(image: np.ndarray, recipe: Recipe) -> np.ndarray:
    """Scale an image (H, W, D) to [0, 1] as `recipe` says; values beyond its range are clipped. Returns float32.

    Raises:
        InputError: the image has one value only, or is not in the range that the recipe expects.
    """
    _check_intensities(image, recipe)
    low, high = _window(image, recipe)
    return np.clip((image - np.float32(low)) / np.float32(high - low), 0.0, 1.0).astype(np.float32)
