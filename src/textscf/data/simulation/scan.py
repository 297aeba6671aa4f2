"""Second half of the simulation: turns tissues into an image in the unit of the phantom's signals."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy import ndimage

from textscf.data.simulation.fields import smooth_noise
from textscf.data.simulation.tissues import painted_codes, tissue_codes


def scan(
    tissues: np.ndarray, phantom: Mapping[str, Any], spacing: Sequence[float], rng: np.random.Generator
) -> np.ndarray:
    """Scan a tissue map (H, W, D) uint8: image (H, W, D) float32, whole numbers within the scanner's `range`.

    Each tissue has a mean per contrast, a spread between subjects and a texture within the tissue. The scanner then
    adds blur (with the partial volume of a voxel), slow changes and correlated noise. Tissues in `blank` become black.
    """
    scanner = phantom["scanner"]
    means, textures = _draw_intensities(phantom, rng)
    image = means[tissues]
    grain = smooth_noise(rng, tissues.shape, spacing, scanner["grain"])
    grain += np.float32(0.6) * smooth_noise(rng, tissues.shape, spacing, 4 * scanner["grain"])
    image += textures[tissues] * grain
    image = ndimage.gaussian_filter(image, [np.hypot(scanner["blur"] / s, 0.3) for s in spacing], mode="nearest")
    if "bias" in scanner:
        image *= 1 + np.float32(scanner["bias"]) * smooth_noise(rng, tissues.shape, spacing, 130.0)
    if "drift" in scanner:
        image += np.float32(scanner["drift"]) * smooth_noise(rng, tissues.shape, spacing, 130.0)
    image += np.float32(rng.uniform(*scanner["noise"])) * _scanner_noise(rng, tissues.shape, spacing, scanner)
    codes = tissue_codes(phantom["tissues"])
    image[np.isin(tissues, [codes[name] for name in scanner.get("blank", ())])] = scanner["range"][0]
    return np.clip(np.rint(image), *scanner["range"]).astype(np.float32)


def _draw_intensities(phantom: Mapping[str, Any], rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Mean and texture (256,), (256,) of each code in one subject; a structure made of a tissue has its signal."""
    codes = tissue_codes(phantom["tissues"])
    signals = {codes[name]: signal for name, signal in phantom["tissues"].items()}
    signals |= {part["label"]: part["signal"] for part in phantom["parts"] if "signal" in part}
    means, textures = np.zeros(256, np.float32), np.zeros(256, np.float32)
    contrast = rng.uniform(*phantom["scanner"]["contrast"])
    for code in sorted(signals):
        signal = signals[code]
        mean = np.interp(contrast, np.arange(len(signal["mean"])), signal["mean"])
        means[code] = mean + rng.standard_normal() * signal.get("spread", 0)
        textures[code] = signal.get("texture", 0)
    for part in phantom["parts"]:
        drawn = part["label"] if "signal" in part else codes[part["tissue"]]
        for code in painted_codes(part, codes):
            means[code], textures[code] = means[drawn], textures[drawn]
    return means, textures


def _scanner_noise(
    rng: np.random.Generator, shape: Sequence[int], spacing: Sequence[float], scanner: Mapping[str, Any]
) -> np.ndarray:
    """Noise of standard deviation 1, correlated over `noise_width` mm as by a reconstruction filter."""
    sigma = [scanner["noise_width"] / s for s in spacing]
    noise = ndimage.gaussian_filter(rng.standard_normal(shape, dtype=np.float32), sigma, mode="wrap")
    impulse = np.zeros(65)
    impulse[32] = 1
    kept = [float((ndimage.gaussian_filter1d(impulse, s) ** 2).sum()) ** 0.5 for s in sigma]
    return noise / np.float32(np.prod(kept))
