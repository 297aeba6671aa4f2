"""One simulated subject: from a phantom, or a CT of a given label map. Same seed and number, same bytes."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from textscf.data.simulation.anatomy import drawing_spacing, simulate_labels
from textscf.data.simulation.contents import tissue_map
from textscf.data.simulation.ct import render_ct
from textscf.errors import InputError

_ANATOMY, _SCAN = 0, 1


def simulate_phantom_subject(
    phantom: Mapping[str, Any], number: int, seed: int, shape: Sequence[int], spacing: Sequence[float]
) -> tuple[np.ndarray, np.ndarray]:
    """Image (H, W, D) float32 in Hounsfield units and labels (H, W, D) uint8 of subject `number`.

    `shape` in voxels and `spacing` in mm; axes run left, anterior, superior. `phantom` as `check_phantom` accepts.
    """
    labels = simulate_labels(phantom, np.random.default_rng((seed, number, _ANATOMY)), shape, spacing)
    return simulate_ct(labels, phantom, number, seed, drawing_spacing(phantom["frame"], shape, spacing)), labels


def simulate_ct(
    labels: np.ndarray, phantom: Mapping[str, Any], number: int, seed: int, spacing: Sequence[float]
) -> np.ndarray:
    """CT image (H, W, D) float32, whole Hounsfield units, of a label map (H, W, D).

    Axes run left, anterior, superior. InputError for an empty map and for labels that the phantom lacks.
    """
    known = {0} | {int(organ["label"]) for organ in phantom["organs"]}
    found = {int(label) for label in np.unique(labels)}
    if not found <= known:
        raise InputError(f"label map: labels {sorted(found - known)} are not in the phantom; expected {sorted(known)}")
    if found == {0}:
        raise InputError("label map: no labelled voxel; expected organs to place a body around")
    rng = np.random.default_rng((seed, number, _SCAN))
    tissues = tissue_map(labels, spacing, phantom["body"], rng)
    return render_ct(tissues, phantom, spacing, rng)
