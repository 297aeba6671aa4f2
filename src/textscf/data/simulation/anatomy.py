"""First half of the simulation: a declarative anatomy -> the label map of one subject."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from textscf.data.simulation.deform import Affine, random_displacement, slide, vary
from textscf.data.simulation.fields import voxel_centres
from textscf.data.simulation.shapes import bounds, level


def simulate_labels(
    phantom: Mapping[str, Any], rng: np.random.Generator, shape: Sequence[int], spacing: Sequence[float]
) -> np.ndarray:
    """Label map (H, W, D) uint8 of a random subject; axes run left, anterior, superior.

    The phantom is drawn in millimetres about the centre of the grid, with `drawing_spacing`. Organs are
    painted in the order of `organs`, later ones over earlier ones.
    """
    mm = drawing_spacing(phantom["frame"], shape, spacing)
    centres = [voxel_centres(n, s) for n, s in zip(shape, mm, strict=True)]
    whole = vary(rng, np.zeros(3), phantom["subject"])
    slides = {s["name"]: slide(rng, s) for s in phantom["sliding"]}
    displacement = random_displacement(rng, phantom["deformation"], phantom["frame"], centres)
    reach = np.abs(displacement).reshape(3, -1).max(axis=1)
    labels = np.zeros(tuple(shape), np.uint8)
    for organ in phantom["organs"]:
        pull, swelling = _organ_motion(rng, organ, slides)
        pull = pull.after(whole)
        box = _grid_box(organ["shape"], pull, reach + swelling, centres)
        points = [displacement[(axis, *box)] + _along(centres[axis][box[axis]], axis) for axis in range(3)]
        inside = level(organ["shape"], pull(points)) < swelling
        labels[box][inside] = organ["label"]
    return labels


def drawing_spacing(frame: Sequence[float], shape: Sequence[int], spacing: Sequence[float]) -> tuple[float, ...]:
    """Spacing in mm at which a phantom is drawn and scanned: `spacing`, or coarser along axes too short for `frame`.

    So a grid with a small field of view shows a compressed body with all its organs, not a part of it.
    """
    return tuple(max(float(s), extent / n) for n, s, extent in zip(shape, spacing, frame, strict=True))


def _organ_motion(
    rng: np.random.Generator, organ: Mapping[str, Any], slides: Mapping[str, Affine]
) -> tuple[Affine, float]:
    """Pull-back of one organ and how far (mm) its filling moves its surface outwards."""
    lower, upper = bounds(organ["shape"])
    pull = vary(rng, (lower + upper) / 2, organ)
    for name in organ.get("slides", ()):
        pull = pull.after(slides[name])
    return pull, float(rng.uniform(*organ.get("filling", (0, 0))))


def _along(centres: np.ndarray, axis: int) -> np.ndarray:
    return centres.reshape([-1 if i == axis else 1 for i in range(3)])


def _grid_box(
    shape: Mapping[str, Any], pull: Affine, reach: np.ndarray, centres: Sequence[np.ndarray]
) -> tuple[slice, slice, slice]:
    """Part of the grid that the organ can reach."""
    lower, upper = bounds(shape)
    corners = np.array([[(lower, upper)[b >> a & 1][a] for a in range(3)] for b in range(8)])
    push = pull.inverse()
    placed = np.einsum("ij,nj->ni", push.matrix, corners) + push.offset
    low, high = placed.min(0) - 1.3 * reach - 5, placed.max(0) + 1.3 * reach + 5
    return tuple(slice(*np.searchsorted(c, (low[a], high[a]))) for a, c in enumerate(centres))  # type: ignore[return-value]
