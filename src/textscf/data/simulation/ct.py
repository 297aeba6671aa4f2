"""Second half of the simulation: tissues -> a CT image in Hounsfield units."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy import ndimage

from textscf.data.simulation.fields import smooth_noise
from textscf.data.simulation.tissues import Tissue

_LOWEST, _HIGHEST = -1024, 3071


def render_ct(
    tissues: np.ndarray, phantom: Mapping[str, Any], spacing: Sequence[float], rng: np.random.Generator
) -> np.ndarray:
    """Image (H, W, D) float32 of whole Hounsfield units of a tissue map (H, W, D) uint8.

    Each tissue has a mean per contrast phase, a spread between subjects and a texture within; then the
    scanner's blur (with the partial volume of a voxel), slow drifts and correlated noise.
    """
    scanner = phantom["scanner"]
    means, textures = _draw_intensities(phantom, rng)
    image = means[tissues]
    grain = smooth_noise(rng, tissues.shape, spacing, scanner["grain"])
    grain += np.float32(0.6) * smooth_noise(rng, tissues.shape, spacing, 4 * scanner["grain"])
    image += textures[tissues] * grain
    image = ndimage.gaussian_filter(image, [np.hypot(scanner["blur"] / s, 0.3) for s in spacing], mode="nearest")
    image += np.float32(scanner["drift"]) * smooth_noise(rng, tissues.shape, spacing, 130.0)
    image += np.float32(rng.uniform(*scanner["noise"])) * _scanner_noise(rng, tissues.shape, spacing, scanner)
    return np.clip(np.rint(image), _LOWEST, _HIGHEST).astype(np.float32)


def _draw_intensities(phantom: Mapping[str, Any], rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """One subject's mean and texture (256,), (256,) in Hounsfield units by tissue code."""
    entries = {int(o["label"]): o["ct"] for o in sorted(phantom["organs"], key=lambda o: int(o["label"]))}
    entries |= {int(t): phantom["tissues"][t.name.lower()] for t in Tissue}
    means, textures = np.zeros(256, np.float32), np.zeros(256, np.float32)
    time = rng.uniform(*phantom["scanner"]["phase"])
    for code, entry in entries.items():
        phases = entry["hu"]
        mean = np.interp(time, np.arange(len(phases)), phases)
        means[code] = mean + rng.standard_normal() * entry.get("spread", 0)
        textures[code] = entry.get("texture", 0)
    return means, textures


def _scanner_noise(
    rng: np.random.Generator, shape: Sequence[int], spacing: Sequence[float], scanner: Mapping[str, Any]
) -> np.ndarray:
    """Noise of standard deviation 1, correlated over `noise_width` mm by the reconstruction's filter."""
    sigma = [scanner["noise_width"] / s for s in spacing]
    noise = ndimage.gaussian_filter(rng.standard_normal(shape, dtype=np.float32), sigma, mode="wrap")
    impulse = np.zeros(65)
    impulse[32] = 1
    kept = [float((ndimage.gaussian_filter1d(impulse, s) ** 2).sum()) ** 0.5 for s in sigma]
    return noise / np.float32(np.prod(kept))
