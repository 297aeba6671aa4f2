"""Makes many subjects from one labelled scan: deforms its anatomy and imitates another scanner.

A subject's labels are the scan's labels at the same places, so they are as exact as the scan's own.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy import ndimage

from textscf.data.simulation.deform import random_displacement, vary
from textscf.data.simulation.fields import smooth_noise, voxel_centres

_ANATOMY, _SCAN = 0, 1
_OUTSIDE = 5e-3
"""Intensity below which a voxel counts as outside; spline interpolation leaves up to this much beside the head."""
_FULL_WIDTH = 2 * np.sqrt(2 * np.log(2))
"""Full width at half maximum of a Gaussian of standard deviation (sd) 1."""


def deformed_subject(
    image: np.ndarray, labels: np.ndarray, settings: Mapping[str, Any], number: int, seed: int, spacing: Sequence[float]
) -> tuple[np.ndarray, np.ndarray]:
    """Image (H, W, D) float32 in [0, 1] and labels (H, W, D) uint8 of subject `number`; same inputs, same bytes.

    Args:
        image: the scan (H, W, D), 0 outside the head or brain.
        labels: label map (H, W, D) of the scan.
        settings: `pose`: sd of the logarithm of `size`, of `turn` (degrees) and of `place` (mm). `deformation`: list
            of noise ``{width, amplitude}`` in mm; their sum is the velocity. `contrast`: sd of the logarithm of the
            exponent applied to intensities. `tissues`: sd of the offset added to each structure. `bias`: noise
            ``{width, amplitude}`` of the logarithm of the bias field, which multiplies intensities. `thickness`:
            largest width (mm) of the blur along an axis. `noise`: smallest and largest sd of the noise. Intensities
            are fractions of the brightest voxel.
        number: number of the subject.
        seed: seed of the cohort.
        spacing: voxel spacing in mm.
    """
    rng = np.random.default_rng((seed, number, _ANATOMY))
    centres = [voxel_centres(n, s) for n, s in zip(image.shape, spacing, strict=True)]
    frame = [n * s for n, s in zip(image.shape, spacing, strict=True)]
    displacement = random_displacement(rng, settings["deformation"], frame, centres)
    points = [part + grid for part, grid in zip(displacement, np.ix_(*centres), strict=True)]
    posed = vary(rng, np.zeros(3), settings["pose"])(points)
    places = np.stack(
        [(p - c[0]) / np.float32(edge) for p, c, edge in zip(posed, centres, spacing, strict=True)], dtype=np.float32
    )
    moved = ndimage.map_coordinates((image / image.max()).astype(np.float32), places, order=3).clip(0, 1)
    regions = ndimage.map_coordinates(labels, places, order=0)
    return _rescanned(moved, regions, settings, np.random.default_rng((seed, number, _SCAN)), spacing), regions


def _rescanned(
    image: np.ndarray,
    regions: np.ndarray,
    settings: Mapping[str, Any],
    rng: np.random.Generator,
    spacing: Sequence[float],
) -> np.ndarray:
    """Image (H, W, D) with another contrast, bias field, blur and noise; the outside stays 0."""
    inside = image > _OUTSIDE
    exponent = np.float32(np.exp(settings["contrast"] * rng.standard_normal()))
    offsets = np.float32(settings["tissues"]) * rng.standard_normal(int(regions.max()) + 1, dtype=np.float32)
    widths = settings["thickness"] * rng.random(3)
    level = np.float32(rng.uniform(*settings["noise"]))
    bias = smooth_noise(rng, image.shape, spacing, settings["bias"]["width"]) * np.float32(
        settings["bias"]["amplitude"]
    )
    seen = (image**exponent + offsets[regions]).clip(0) * np.exp(bias)
    seen = ndimage.gaussian_filter(seen, widths / _FULL_WIDTH / np.asarray(spacing))
    seen += level * rng.standard_normal(image.shape, dtype=np.float32)
    seen[~inside] = 0
    return (seen / seen.max()).clip(0, 1)
