"""Simulates one subject from a phantom or from a given label map. Same seed and number, same bytes."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from textscf.data.simulation.anatomy import draw_anatomy, drawing_spacing
from textscf.data.simulation.contents import tissue_map
from textscf.data.simulation.scan import scan
from textscf.data.simulation.tissues import FIRST_TISSUE, Tissue, structure_labels
from textscf.errors import InputError

_ANATOMY, _SCAN = 0, 1


def simulate_phantom_subject(
    phantom: Mapping[str, Any], number: int, seed: int, shape: Sequence[int], spacing: Sequence[float]
) -> tuple[np.ndarray, np.ndarray]:
    """Image (H, W, D) float32 in the unit of the phantom's signals and labels (H, W, D) uint8 of subject `number`.

    `shape` is in voxels and `spacing` in mm. Axes run left, anterior, superior. `phantom` must pass `check_phantom`.
    """
    drawn = draw_anatomy(phantom, np.random.default_rng((seed, number, _ANATOMY)), shape, spacing)
    image = _image(drawn, phantom, number, seed, drawing_spacing(phantom["frame"], shape, spacing))
    return image, np.where(drawn < FIRST_TISSUE, drawn, np.uint8(0))


def simulate_image(
    labels: np.ndarray, phantom: Mapping[str, Any], number: int, seed: int, spacing: Sequence[float]
) -> np.ndarray:
    """Image (H, W, D) float32 of a label map (H, W, D): whole numbers in the unit of the phantom's signals.

    Axes run left, anterior, superior. Raises InputError for an empty map or for labels that the phantom lacks.
    """
    known = {0} | structure_labels(phantom)
    found = {int(label) for label in np.unique(labels)}
    if not found <= known:
        raise InputError(f"label map: labels {sorted(found - known)} are not in the phantom; expected {sorted(known)}")
    if found == {0}:
        raise InputError("label map: no labelled voxel; expected structures to make an image of")
    return _image(labels, phantom, number, seed, spacing)


def _image(
    drawn: np.ndarray, phantom: Mapping[str, Any], number: int, seed: int, spacing: Sequence[float]
) -> np.ndarray:
    """Image of drawn labels and tissues (H, W, D), within the phantom's body if it has one, else in air."""
    rng = np.random.default_rng((seed, number, _SCAN))
    if "body" in phantom:
        tissues = tissue_map(drawn, spacing, phantom["body"], rng)
    else:
        tissues = np.where(drawn > 0, drawn, Tissue.AIR).astype(np.uint8)
    return scan(tissues, phantom, spacing, rng)
