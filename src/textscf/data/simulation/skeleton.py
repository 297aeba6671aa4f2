"""Paints the spine, the muscles beside it, the ribs and the hip bones into a tissue map."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from textscf.data.simulation.body import Body, course
from textscf.data.simulation.fields import resize
from textscf.data.simulation.tissues import Tissue


def paint_skeleton(
    tissues: np.ndarray, body: Body, cavity: np.ndarray, spacing: Sequence[float], settings: Mapping[str, Any]
) -> None:
    """Paint bones and the muscles at the back into `tissues` (H, W, D), in place."""
    _paint_ribs(tissues, body, cavity, spacing, settings["ribs"])
    _paint_spine(tissues, body, spacing, settings["spine"])


def _paint_spine(tissues: np.ndarray, body: Body, spacing: Sequence[float], settings: Mapping[str, Any]) -> None:
    axes = [np.arange(n, dtype=np.float32) * np.float32(s) for n, s in zip(tissues.shape, spacing, strict=True)]
    x, y = (course(line, tissues.shape[2], body.stride[2]) for line in body.spine)
    reach = settings["reach"]
    columns = slice(*np.searchsorted(axes[0], (x.min() - reach, x.max() + reach)))
    rows = slice(*np.searchsorted(axes[1], (y.min() - reach, y.max() + reach)))
    dx = np.abs(axes[0][columns, None, None] - x)
    dy = axes[1][None, rows, None] - y
    z = axes[2][None, None, :]
    width, depth = (np.float32(r) for r in settings["radii"])
    part = tissues[columns, rows]
    trunk = part != Tissue.AIR
    phase = np.mod(z - np.float32(body.floor), np.float32(settings["pitch"]))
    lumbar = np.clip((np.float32(body.dome) - 90 - z) / 120, 0, 1)
    psoas = (_ellipse(dx - 36 - 8 * lumbar, dy + 4, 4 + 20 * lumbar, 5 + 22 * lumbar) < 1) & (lumbar > 0)
    part[trunk & psoas] = Tissue.MUSCLE
    size = _ellipse(dx, dy, width, depth)
    vertebra = (size < 1) & trunk
    part[vertebra] = Tissue.SPONGY_BONE
    part[vertebra & ((size > 0.8) | (np.abs(phase - settings["disc"] - 2) < 2))] = Tissue.DENSE_BONE
    part[vertebra & (phase < settings["disc"])] = Tissue.DISC
    back = dy + depth + 9
    arch = _ellipse(dx, back, 15, 14)
    part[trunk & (arch < 1) & (back < 8) & (phase > 5)] = Tissue.DENSE_BONE
    part[trunk & (_ellipse(dx, back, 10, 8) < 1)] = Tissue.CORD
    process = (dx < 4) & (back < -10) & (back > -34) & (phase > 8) & (phase < 27)
    wings = (dx > 12) & (dx < 34) & (np.abs(back + 3) < 5) & (phase > 12) & (phase < 22)
    part[trunk & (process | wings)] = Tissue.DENSE_BONE


def _ellipse(u: np.ndarray, v: np.ndarray, a: Any, b: Any) -> np.ndarray:
    """Squared radius relative to the ellipse with half-axes `a` and `b` (numbers or arrays): below 1 inside."""
    return (u / np.asarray(a, np.float32)) ** 2 + (v / np.asarray(b, np.float32)) ** 2


def _paint_ribs(
    tissues: np.ndarray, body: Body, cavity: np.ndarray, spacing: Sequence[float], settings: Mapping[str, Any]
) -> None:
    """Paint ribs as oblique bands in the trunk's wall above the costal margin, and hip bone wings below the organs."""
    depth, thickness = settings["depth"], settings["thickness"]
    shell = np.nonzero((np.abs(cavity - depth) < thickness / 2) & (tissues == Tissue.MUSCLE))
    z = (shell[2] * np.float32(spacing[2])).astype(np.float32)
    turn = resize(body.angle / np.float32(np.pi), tissues.shape, body.stride)[shell]
    pitch = settings["pitch"]
    margin = body.dome + settings["margin_from_dome"] + settings["margin_rise"] * turn**2
    phase = np.mod(z + settings["slope"] * turn, pitch)
    rib = (phase < settings["width"]) & (z > margin)
    crest = body.floor - settings["hip_below"] - 480 * (turn - 0.45) ** 2
    bone = rib | ((z < crest) & (turn > 0.12) & (turn < 0.72))
    codes = np.where(rib & (turn > settings["cartilage_from"]), Tissue.CARTILAGE, Tissue.DENSE_BONE)
    marrow = np.abs(cavity[shell] - depth) < thickness / 5
    codes = np.where(marrow & (codes == Tissue.DENSE_BONE), Tissue.SPONGY_BONE, codes)
    tissues[shell] = np.where(bone, codes, tissues[shell])
