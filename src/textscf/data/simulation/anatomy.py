"""First half of the simulation: draws the structures and tissues of one subject from a declarative anatomy."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from textscf.data.simulation.deform import Affine, random_displacement, slide, vary
from textscf.data.simulation.fields import smooth_noise, voxel_centres
from textscf.data.simulation.shapes import bounds, level
from textscf.data.simulation.tissues import painted_codes, tissue_codes

_MIRROR = Affine(np.diag([-1.0, 1.0, 1.0]), np.zeros(3))


def draw_anatomy(
    phantom: Mapping[str, Any], rng: np.random.Generator, shape: Sequence[int], spacing: Sequence[float]
) -> np.ndarray:
    """Draw a random subject as codes (H, W, D) uint8: labels, tissues of unlabelled parts, 0 elsewhere.

    Axes run left, anterior, superior. The phantom is drawn in mm about the centre of the grid, at `drawing_spacing`.
    Its `parts` are painted in order, later parts over earlier ones.
    """
    mm = drawing_spacing(phantom["frame"], shape, spacing)
    centres = [voxel_centres(n, s) for n, s in zip(shape, mm, strict=True)]
    whole = vary(rng, np.zeros(3), phantom["subject"])
    slides = {s["name"]: slide(rng, s) for s in phantom.get("sliding", ())}
    displacement = random_displacement(rng, phantom["deformation"], phantom["frame"], centres)
    reach = np.abs(displacement).reshape(3, -1).max(axis=1)
    grooves = {f["name"]: _grooves(rng, f, shape, mm) for f in phantom.get("folding", ())}
    codes = tissue_codes(phantom["tissues"])
    drawn = np.zeros(tuple(shape), np.uint8)
    for part in phantom["parts"]:
        pulls, swelling = _motion(rng, part, slides)
        for code, pull in zip(painted_codes(part, codes), (pull.after(whole) for pull in pulls), strict=True):
            box = _grid_box(part["shape"], pull, reach + swelling, centres)
            points = [displacement[(axis, *box)] + _along(centres[axis][box[axis]], axis) for axis in range(3)]
            distance = level(part["shape"], pull(points))
            for name, depth in part.get("folds", {}).items():
                distance += np.float32(depth) * grooves[name][box]
            drawn[box][distance < swelling] = code
    return drawn


def drawing_spacing(frame: Sequence[float], shape: Sequence[int], spacing: Sequence[float]) -> tuple[float, ...]:
    """Spacing in mm at which a phantom is drawn and scanned: `spacing`, or coarser along axes too short for `frame`.

    A grid with a small field of view therefore shows a compressed body with all its organs, not a part of it.
    """
    return tuple(max(float(s), extent / n) for n, s, extent in zip(shape, spacing, frame, strict=True))


def _motion(
    rng: np.random.Generator, part: Mapping[str, Any], slides: Mapping[str, Affine]
) -> tuple[list[Affine], float]:
    """Pull-backs of a part and of its mirror image, and the distance (mm) by which filling moves the surfaces out."""
    lower, upper = bounds(part["shape"])
    pulls = [vary(rng, (lower + upper) / 2, part)]
    swelling = float(rng.uniform(*part.get("filling", (0, 0))))
    if "mirror" in part:
        pulls.append(vary(rng, (lower + upper) / 2, part).after(_MIRROR))
    for name in part.get("slides", ()):
        pulls = [pull.after(slides[name]) for pull in pulls]
    return pulls, swelling


def _grooves(
    rng: np.random.Generator, folding: Mapping[str, Any], shape: Sequence[int], spacing: Sequence[float]
) -> np.ndarray:
    """Field (H, W, D): 1 on winding sheets of `width` about `apart` mm from each other, 0 between the sheets."""
    noise = smooth_noise(rng, shape, spacing, folding["apart"])
    return np.exp(-(noise**2) / np.float32(folding["width"]))


def _along(centres: np.ndarray, axis: int) -> np.ndarray:
    return centres.reshape([-1 if i == axis else 1 for i in range(3)])


def _grid_box(
    shape: Mapping[str, Any], pull: Affine, reach: np.ndarray, centres: Sequence[np.ndarray]
) -> tuple[slice, slice, slice]:
    """Slices of the grid that contain every voxel the shape can reach."""
    lower, upper = bounds(shape)
    corners = np.array([[(lower, upper)[b >> a & 1][a] for a in range(3)] for b in range(8)])
    push = pull.inverse()
    placed = np.einsum("ij,nj->ni", push.matrix, corners) + push.offset
    low, high = placed.min(0) - 1.3 * reach - 5, placed.max(0) + 1.3 * reach + 5
    return tuple(slice(*np.searchsorted(c, (low[a], high[a]))) for a, c in enumerate(centres))  # type: ignore[return-value]
