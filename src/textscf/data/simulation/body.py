"""Builds a body around organs from a label map alone: cavity, wall and diaphragm as smooth level fields.

The code works on a coarse copy of the label map (about 7 mm), so its cost hardly depends on the grid. Axes run left,
anterior, superior. Level fields are in mm, negative inside.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import ndimage

from textscf.data.simulation.fields import smooth_noise
from textscf.data.simulation.shapes import smooth_minimum

_WORKING_SPACING = 7.0


@dataclass(frozen=True)
class Body:
    """Level fields of one subject on its coarse grid, and the courses of spine and aorta.

    `cavity`, `muscle` (h, w, d): levels of the inner and outer surface of the trunk's muscles. `skin`, `lung`, `heart`
    (h, w, d): levels of the skin, the lungs and the heart. `angle` (h, w, d): angle about the spine in radians, 0 at
    the back, pi at the front, the same on both sides. `spine`, `aorta` (2, d): x and y in mm of the vertebral bodies
    and the aorta. `floor`, `dome`: heights in mm of the lowest and the highest labelled slice.
    """

    stride: tuple[int, int, int]
    spacing: tuple[float, float, float]
    cavity: np.ndarray
    muscle: np.ndarray
    skin: np.ndarray
    lung: np.ndarray
    heart: np.ndarray
    angle: np.ndarray
    spine: np.ndarray
    aorta: np.ndarray
    floor: float
    dome: float


def course(line: np.ndarray, n: int, stride: int) -> np.ndarray:
    """Interpolate a coarse course (d,) along z to the `n` slices of the grid."""
    return np.interp(np.arange(n) / stride, np.arange(len(line)), line).astype(np.float32)


def build_body(
    labels: np.ndarray, spacing: Sequence[float], settings: Mapping[str, Any], rng: np.random.Generator
) -> Body:
    """Place a body around the organs of `labels` (H, W, D) with at least one labelled voxel."""
    stride = tuple(max(1, round(_WORKING_SPACING / s)) for s in spacing)
    coarse = labels[tuple(slice(None, None, step) for step in stride)]
    if not coarse.any():
        coarse = ndimage.maximum_filter(labels, size=stride)[tuple(slice(None, None, step) for step in stride)]
    mm = tuple(float(s) * step for s, step in zip(spacing, stride, strict=True))
    axes = [np.arange(n, dtype=np.float32) * np.float32(s) for n, s in zip(coarse.shape, mm, strict=True)]
    organs = coarse > 0
    aorta = _course(coarse == settings["spine"]["aorta"], organs, axes)
    spine = _spine(coarse, organs, axes, aorta, settings["spine"])
    cavity = _cavity(organs, axes, mm, spine, settings["cavity"])
    heights = _extent(organs, axes[2])
    heart = _heart(coarse, axes, settings["lung"])
    lung = _lung(coarse, axes, mm, cavity, heart, spine, settings["lung"])
    dx = axes[0][:, None, None] - spine[0]
    dy = axes[1][None, :, None] - spine[1]
    angle = np.pi - np.abs(np.arctan2(dx, dy))
    muscle = _muscle(cavity, angle, axes, spine, settings["wall"])
    skin = _skin(muscle, mm, settings["wall"], rng)
    return Body(stride, mm, cavity, muscle, skin, lung, heart, angle, spine, aorta, *heights)  # type: ignore[arg-type]


def _extent(organs: np.ndarray, heights: np.ndarray) -> tuple[float, float]:
    """Heights in mm of the lowest and the highest labelled slice."""
    used = heights[organs.any(axis=(0, 1))]
    return float(used[0]), float(used[-1])


def _course(mask: np.ndarray, organs: np.ndarray, axes: Sequence[np.ndarray], smooth: float = 25.0) -> np.ndarray:
    """Centre line (2, d) in mm of `mask`, or of all organs if it is empty; smoothed and continued along z."""
    mask = mask if mask.any() else organs
    weight = mask.sum(axis=(0, 1)).astype(np.float64)
    sums = [
        np.einsum("ijk,i->k", mask.astype(np.float64), axes[0]),
        np.einsum("ijk,j->k", mask.astype(np.float64), axes[1]),
    ]
    per_slice = np.stack([s / np.maximum(weight, 1) for s in sums])
    known = (weight > 0).astype(np.float64)
    sigma = smooth / max(float(axes[2][1] - axes[2][0]) if len(axes[2]) > 1 else 1.0, 1e-3)
    index = np.flatnonzero(known)
    filled = np.stack([np.interp(np.arange(len(known)), index, line[index]) for line in per_slice])
    return ndimage.gaussian_filter1d(filled, sigma, axis=1, mode="nearest").astype(np.float32)


def _spine(
    coarse: np.ndarray, organs: np.ndarray, axes: Sequence[np.ndarray], aorta: np.ndarray, settings: Mapping[str, Any]
) -> np.ndarray:
    """Centre (2, d) in mm of the vertebral bodies: behind the aorta, midway between it and the vena cava."""
    cava = _course(coarse == settings["cava"], organs, axes)
    x = (np.median(aorta[0]) + np.median(cava[0])) / 2
    y = aorta[1] - np.float32(settings["behind"])
    return np.stack([np.full_like(y, x), y])


def _cavity(
    organs: np.ndarray, axes: Sequence[np.ndarray], mm: Sequence[float], spine: np.ndarray, settings: Mapping[str, Any]
) -> np.ndarray:
    """Level of the cavity: a superellipse around all organs that bulges where an organ would stick out."""
    margin, power = float(settings["margin"]), float(settings["power"])
    x, y, z = (axes[0][:, None, None], axes[1][None, :, None], axes[2][None, None, :])
    used = [a[organs.any(axis=tuple(o for o in range(3) if o != i))] for i, a in enumerate(axes)]
    half_width = (used[0][-1] - used[0][0]) / 2 + margin
    front = used[1][-1] + margin
    back = np.minimum(used[1][0] - margin, np.median(spine[1]) - settings["behind_spine"])
    centre = np.array([(used[0][-1] + used[0][0]) / 2, (front + back) / 2], np.float32)
    along = np.clip((z - used[2][-1]) / settings["thorax"], 0, 1.5)
    shrink = np.sqrt(np.maximum(1 - 0.35 * along**2, 0.3)).astype(np.float32)
    superellipse = _superellipse(
        (x - centre[0], y - centre[1]), (half_width * shrink, (front - back) / 2 * np.sqrt(shrink)), power
    )
    bulge = ndimage.distance_transform_edt(~organs, sampling=mm).astype(np.float32)
    bulge -= ndimage.distance_transform_edt(organs, sampling=mm).astype(np.float32)
    return smooth_minimum(superellipse, ndimage.gaussian_filter(bulge, 0.8) - margin * 0.6, settings["smooth"])


def _superellipse(offsets: Sequence[np.ndarray], radii: Sequence[Any], power: float) -> np.ndarray:
    """First-order distance in mm to the curve (|x|/a)^power + (|y|/b)^power = 1."""
    scaled = [np.abs(o) / np.asarray(r, np.float32) for o, r in zip(offsets, radii, strict=True)]
    norm = np.maximum((scaled[0] ** power + scaled[1] ** power) ** (1 / power), 0.05)
    slopes = [(u / norm) ** (power - 1) / np.asarray(r, np.float32) for u, r in zip(scaled, radii, strict=True)]
    steepness = np.sqrt(slopes[0] ** 2 + slopes[1] ** 2)
    return ((norm - 1) / np.maximum(steepness, 0.5 / np.max(radii[0]))).astype(np.float32)


def _muscle(
    cavity: np.ndarray, angle: np.ndarray, axes: Sequence[np.ndarray], spine: np.ndarray, settings: Mapping[str, Any]
) -> np.ndarray:
    """Level of the muscles' outer surface: thick at the flanks, thin in front, with a block behind the spine."""
    around = cavity - np.float32(settings["muscle"]) * (0.65 + 0.5 * np.sin(angle)).astype(np.float32)
    width, depth, behind = settings["back"]
    offsets = (axes[0][:, None, None] - spine[0], axes[1][None, :, None] - spine[1] + np.float32(behind))
    return smooth_minimum(around, _superellipse(offsets, (width, depth), 2.5), 45.0)


def _skin(muscle: np.ndarray, mm: Sequence[float], settings: Mapping[str, Any], rng: np.random.Generator) -> np.ndarray:
    """Level of the skin: a layer of fat of varying thickness around the muscles."""
    fat = settings["fat"] * np.exp(settings["fat_spread"] * rng.standard_normal())
    return muscle - np.float32(fat) * (1 + 0.2 * smooth_noise(rng, muscle.shape, mm, 90.0))


def _heart(coarse: np.ndarray, axes: Sequence[np.ndarray], settings: Mapping[str, Any]) -> np.ndarray:
    """Level of the heart: an ellipsoid on the middle of the diaphragm, left of and above the liver's centre."""
    liver = np.argwhere(coarse == settings["liver"])
    liver = liver if len(liver) else np.argwhere(coarse > 0)
    where = [float(a[i]) for a, i in zip(axes, np.median(liver, axis=0).astype(int), strict=True)]
    where[2] = float(axes[2][liver[:, 2].max()])
    centre = [w + s for w, s in zip(where, settings["heart_from_liver"], strict=True)]
    parts = [(a - c) / r for a, c, r in zip(axes, centre, settings["heart_radii"], strict=True)]
    norm = np.sqrt(parts[0][:, None, None] ** 2 + parts[1][None, :, None] ** 2 + parts[2][None, None, :] ** 2)
    return ((norm - 1) * min(settings["heart_radii"])).astype(np.float32)


def _lung(
    coarse: np.ndarray,
    axes: Sequence[np.ndarray],
    mm: Sequence[float],
    cavity: np.ndarray,
    heart: np.ndarray,
    spine: np.ndarray,
    settings: Mapping[str, Any],
) -> np.ndarray:
    """Level of the lungs: in the cavity, above the organs, reaching deeper along the wall, beside the mediastinum."""
    below = np.isin(coarse, settings["above"])
    below = below if below.any() else coarse > 0
    has = below.any(axis=2)
    top = np.where(has, axes[2][below.shape[2] - 1 - np.argmax(below[:, :, ::-1], axis=2)], 0).astype(np.float32)
    sigma = [settings["smooth"] / s for s in mm[:2]]
    weight = ndimage.gaussian_filter(has.astype(np.float32), sigma)
    mean = ndimage.gaussian_filter(top, sigma) / np.maximum(weight, 1e-3)
    dome = np.where(weight > 1e-3, mean, np.median(top[has]))
    dome = np.maximum(dome, np.where(has, top, -np.inf)) + np.float32(settings["diaphragm"])
    recess = np.clip(1 + cavity / np.float32(settings["recess_width"]), 0, 1) * np.float32(settings["recess_depth"])
    z = axes[2][None, None, :]
    above = (dome[:, :, None] - recess - z).astype(np.float32)
    middle = np.hypot((axes[0][:, None, None] - spine[0]) / 1.0, (axes[1][None, :, None] - spine[1] - 45) / 2.2)
    parts = [above, cavity + np.float32(settings["pleura"]), settings["mediastinum"] - middle, 4 - heart]
    return np.maximum.reduce([np.broadcast_to(p, cavity.shape) for p in parts]).astype(np.float32)
