"""Many subjects from one labelled scan: its anatomy deformed, its contrast and bias field changed, noise added.

The labels of such a subject are those of the scan at the same places, so that they are as exact as the scan's own.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy import ndimage

from textscf.data.simulation.deform import random_displacement
from textscf.data.simulation.fields import smooth_noise, voxel_centres

_ANATOMY, _SCAN = 0, 1


def deformed_subject(
    image: np.ndarray, labels: np.ndarray, settings: Mapping[str, Any], number: int, seed: int, spacing: Sequence[float]
) -> tuple[np.ndarray, np.ndarray]:
    """Image (H, W, D) float32 in [0, 1] and labels (H, W, D) uint8 of subject `number`; same numbers, same bytes.

    Args:
        image: the scan (H, W, D), 0 outside of the head or brain, and its `labels` (H, W, D).
        settings: `deformation`, noise ``{width, amplitude}`` in mm that a velocity is the sum of; `contrast`, sd of the
            logarithm of the exponent of intensities; `bias`, noise ``{width, amplitude}`` of the logarithm of a factor;
            `noise`, sd of noise in parts of the brightest voxel.
        number: of the subject.
        seed: of the cohort.
        spacing: mm.
    """
    rng = np.random.default_rng((seed, number, _ANATOMY))
    centres = [voxel_centres(n, s) for n, s in zip(image.shape, spacing, strict=True)]
    frame = [n * s for n, s in zip(image.shape, spacing, strict=True)]
    places = random_displacement(rng, settings["deformation"], frame, centres)
    for axis, (edge, count) in enumerate(zip(spacing, image.shape, strict=True)):
        places[axis] /= np.float32(edge)
        places[axis] += np.arange(count, dtype=np.float32).reshape([-1 if i == axis else 1 for i in range(3)])
    moved = ndimage.map_coordinates((image / image.max()).astype(np.float32), places, order=3).clip(0, 1)
    regions = ndimage.map_coordinates(labels, places, order=0)
    return _rescanned(moved, settings, np.random.default_rng((seed, number, _SCAN)), spacing), regions


def _rescanned(
    image: np.ndarray, settings: Mapping[str, Any], rng: np.random.Generator, spacing: Sequence[float]
) -> np.ndarray:
    """The image (H, W, D) in another contrast, under another bias field, with noise; 0 stays 0."""
    inside = image > 0
    exponent = np.float32(np.exp(settings["contrast"] * rng.standard_normal()))
    bias = smooth_noise(rng, image.shape, spacing, settings["bias"]["width"]) * np.float32(
        settings["bias"]["amplitude"]
    )
    seen = image**exponent * np.exp(bias)
    seen += np.float32(settings["noise"]) * rng.standard_normal(image.shape, dtype=np.float32)
    seen[~inside] = 0
    return (seen / seen.max()).clip(0, 1)
