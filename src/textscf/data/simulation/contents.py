"""Turns a label map into a map of tissues: body, bones, lungs, bowel, and the contents of the organs."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy import ndimage

from textscf.data.simulation.body import Body, build_body, course
from textscf.data.simulation.fields import resize, smooth_noise
from textscf.data.simulation.skeleton import paint_skeleton
from textscf.data.simulation.tissues import Tissue


def tissue_map(
    labels: np.ndarray, spacing: Sequence[float], settings: Mapping[str, Any], rng: np.random.Generator
) -> np.ndarray:
    """Tissues (H, W, D) uint8 of a trunk around and in the organs of `labels` (H, W, D).

    Codes are the labels themselves and, above them, the codes of `Tissue`. `settings` is the phantom's `body` section.
    """
    body = build_body(labels, spacing, settings, rng)
    cavity = resize(body.cavity, labels.shape, body.stride)
    tissues = _trunk(body, cavity, settings["wall"])
    paint_skeleton(tissues, body, cavity, spacing, settings)
    _paint_chest(tissues, body, cavity)
    _paint_vessel(tissues, body, spacing, settings["spine"]["aorta_radius"])
    _paint_bowel(tissues, body, cavity, spacing, settings["bowel"], rng)
    np.copyto(tissues, labels.astype(np.uint8), where=labels > 0)
    for filled in settings["filled"]:
        _fill(tissues, labels, spacing, filled, rng)
    _paint_branches(tissues, labels, spacing, settings["branches"], rng)
    return tissues


def _trunk(body: Body, cavity: np.ndarray, settings: Mapping[str, Any]) -> np.ndarray:
    """Tissues of the trunk: skin, the fat under it, the muscles around the cavity, and fat in the cavity."""
    skin = resize(body.skin, cavity.shape, body.stride)
    muscle = resize(body.muscle, cavity.shape, body.stride)
    tissues = np.full(cavity.shape, Tissue.AIR, np.uint8)
    tissues[skin < 0] = Tissue.SKIN
    tissues[skin < -settings["skin"]] = Tissue.FAT
    tissues[(muscle < 0) & (skin < -settings["skin"] - 2)] = Tissue.MUSCLE
    tissues[cavity < 0] = Tissue.FAT
    return tissues


def _paint_chest(tissues: np.ndarray, body: Body, cavity: np.ndarray) -> None:
    """Paint the heart, the lungs, and the diaphragm as a thin muscle under them."""
    lung = resize(body.lung, tissues.shape, body.stride)
    heart = resize(body.heart, tissues.shape, body.stride)
    free = (tissues == Tissue.FAT) & (cavity < -3)
    tissues[free & (lung < 4)] = Tissue.MUSCLE
    tissues[free & (heart < 0)] = Tissue.HEART
    tissues[free & (lung < 0)] = Tissue.LUNG


def _paint_vessel(tissues: np.ndarray, body: Body, spacing: Sequence[float], radius: float) -> None:
    """Paint the aorta beyond the slices in which it is labelled."""
    x, y = (course(line, tissues.shape[2], body.stride[2]) for line in body.aorta)
    dx = (np.arange(tissues.shape[0], dtype=np.float32) * np.float32(spacing[0]))[:, None, None] - x
    dy = (np.arange(tissues.shape[1], dtype=np.float32) * np.float32(spacing[1]))[None, :, None] - y
    inside = dx**2 + dy**2 < radius**2
    inside &= np.isin(tissues, (Tissue.FAT, Tissue.LUNG, Tissue.MUSCLE))
    tissues[inside] = Tissue.VESSEL


def _paint_bowel(
    tissues: np.ndarray,
    body: Body,
    cavity: np.ndarray,
    spacing: Sequence[float],
    settings: Mapping[str, Any],
    rng: np.random.Generator,
) -> None:
    """Paint loops of bowel into the fat of the cavity, denser towards the pelvis; loops at the front hold gas."""
    loops = smooth_noise(rng, tissues.shape, spacing, settings["width"])
    gas = smooth_noise(rng, tissues.shape, spacing, 1.6 * settings["width"])
    z = np.arange(tissues.shape[2], dtype=np.float32) * np.float32(spacing[2])
    y = np.arange(tissues.shape[1], dtype=np.float32) * np.float32(spacing[1])
    span = max(body.dome - body.floor, 1.0)
    loops += np.clip((body.floor + 0.55 * span - z) / span, -1, 0.8).astype(np.float32)
    front = course(body.spine[1], tissues.shape[2], body.stride[2])[None, None, :] + np.float32(70)
    gas += np.clip((y[None, :, None] - front) / 50, -1.5, 1)
    free = (tissues == Tissue.FAT) & (cavity < -6) & (y[None, :, None] > front - 65)
    threshold = settings["threshold"] + 0.3 * rng.standard_normal()
    tissues[free & (loops > threshold)] = Tissue.BOWEL
    lumen = free & (loops > threshold + settings["wall"])
    tissues[lumen] = Tissue.BOWEL_CONTENT
    tissues[lumen & (gas > settings["gas"])] = Tissue.GAS


def _fill(
    tissues: np.ndarray,
    labels: np.ndarray,
    spacing: Sequence[float],
    filled: Mapping[str, Any],
    rng: np.random.Generator,
) -> None:
    """Fill the part of an organ deeper than `wall` mm with a tissue, and the front of that part with gas."""
    gas_share = rng.uniform(*filled.get("gas", (0, 0)))
    box = ndimage.find_objects(labels == filled["label"], max_label=1)[0]
    if box is None:
        return
    inside = np.pad(labels[box] == filled["label"], 1)
    depth = ndimage.distance_transform_edt(inside, sampling=spacing)[1:-1, 1:-1, 1:-1]
    ragged = smooth_noise(rng, depth.shape, spacing, 14.0) * np.float32(filled.get("ragged", 0))
    lumen = depth + ragged > filled["wall"] + 0.5 * min(spacing)
    lumen &= inside[1:-1, 1:-1, 1:-1]
    part = tissues[box]
    part[lumen] = Tissue[filled["tissue"].upper()]
    if gas_share and lumen.any():
        rows = np.cumsum(lumen.sum(axis=(0, 2))) / lumen.sum()
        part[lumen & (rows > 1 - gas_share)[None, :, None]] = Tissue.GAS


def _paint_branches(
    tissues: np.ndarray,
    labels: np.ndarray,
    spacing: Sequence[float],
    settings: Mapping[str, Any],
    rng: np.random.Generator,
) -> None:
    """Paint vessels into an organ: curves along which two smooth fields are both near zero."""
    box = ndimage.find_objects(labels == settings["label"], max_label=1)[0]
    if box is None:
        return
    shape = labels[box].shape
    first, second = (smooth_noise(rng, shape, spacing, settings["apart"]) for _ in range(2))
    inside = (labels[box] == settings["label"]) & (first**2 + second**2 < settings["width"])
    tissues[box][inside] = Tissue.BRANCH
