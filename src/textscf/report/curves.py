"""Training curves as a small SVG drawing: validation Dice above, loss terms below."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from markupsafe import Markup

from textscf.report.trainings import DICE, Training

WIDTH, HEIGHT = 480, 220
"""Size of a drawing in SVG units."""

POINTS = 60
"""Largest number of points in a curve, because hundreds of runs must fit on a page."""

_DICE_BAND, _LOSS_BAND = (6, 112), (126, 214)
_LEFT, _RIGHT = 4, 476
_AXES = ("epoch", "step", DICE)


@dataclass(frozen=True)
class Curve:
    """A curve of a drawing: its name, its CSS class for the colour (`style`), and its first and last value."""

    name: str
    style: str
    first: float
    last: float


@dataclass(frozen=True)
class CurvePanel:
    """A drawing, with its training and the names and values of its curves."""

    training: Training
    curves: list[Curve]
    svg: Markup


def dice_limits(trainings: list[Training]) -> tuple[float, float]:
    """Lowest and highest validation Dice of all trainings, used as the common scale of their drawings."""
    values = np.concatenate([training.history[DICE].to_numpy(float) for training in trainings])
    values = values[np.isfinite(values)]
    return (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)


def draw_panel(training: Training, limits: tuple[float, float]) -> CurvePanel:
    """Draw Dice on the common scale `limits`, and each loss term on its own scale, from its lowest to highest value."""
    history = training.history
    names = [DICE, *(column for column in history.columns if column not in _AXES)]
    curves, paths = [], []
    for number, name in enumerate(names):
        known = history[np.isfinite(history[name])]
        if known.empty:
            continue
        values = known[name]
        scale, band = (limits, _DICE_BAND) if name == DICE else ((values.min(), values.max()), _LOSS_BAND)
        title = name.replace("_", " ").replace("dice", "Dice")
        curves.append(Curve(title, f"c{number}", float(values.iloc[0]), float(values.iloc[-1])))
        paths.append(f'<path class="c{number}" d="{_path(known["step"], values, scale, band)}"/>')
    told = "; ".join(f"{curve.name} from {curve.first:.3g} to {curve.last:.3g}" for curve in curves)
    svg = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{told}">',
        *(f'<path class="axis" d="M{_LEFT} {y}H{_RIGHT}"/>' for y in (_DICE_BAND[0], _DICE_BAND[1], _LOSS_BAND[1])),
        *paths,
        "</svg>",
    ]
    return CurvePanel(training, curves, Markup("".join(svg)))


def _path(steps: pd.Series, values: pd.Series, scale: tuple[float, float], band: tuple[int, int]) -> str:
    """SVG path data of a curve over steps from 0; `band` is the y of the highest and of the lowest value of `scale`."""
    chosen = np.unique(np.linspace(0, len(values) - 1, POINTS).round().astype(int))
    low, high = scale
    height = (values.to_numpy(float)[chosen] - low) / ((high - low) or 1)
    x = _LEFT + steps.to_numpy(float)[chosen] / steps.max() * (_RIGHT - _LEFT)
    y = band[1] - height * (band[1] - band[0])
    points = [f"{a} {b}" for a, b in zip(x.round().astype(int), y.round().astype(int), strict=True)]
    return "M" + "L".join(points)
