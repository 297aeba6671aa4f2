"""Noticing that a training has diverged: its field or its loss explodes, or its validation Dice collapses.

A network whose field leaves the volume everywhere gets no gradient from the images any more, and all its values may
stay finite. Three signs are looked for:

- a value of the loss is not finite;
- the smoothness term, the mean squared gradient of the field, has in most of the last `WINDOW` steps been more than
  `FACTOR` times its running median, and more than `FACTOR` times `FLOOR`. A field near the identity at the start may
  grow by any factor; one of 10 changes by three voxels from each voxel to the next;
- validation Dice is below `COLLAPSE` times the best of the training.

Nothing here makes the host wait for the device within a step; `sign` does, at the steps of `is_due`.
"""

from collections.abc import Mapping
from statistics import median
from typing import Any

import torch
from torch import Tensor

from textscf.training.objective import TERMS

WINDOW = 20
FACTOR = 100.0
FLOOR = 0.1
COLLAPSE = 0.5
_REMEMBERED = 50
_SMOOTHNESS = TERMS.index("smoothness")


class DivergenceWatch:
    """Values of the latest steps, on the device, and the smoothness that was usual before them, on the host."""

    def __init__(self, device: torch.device) -> None:
        self._window = torch.full((WINDOW,), torch.nan, device=device)
        self._first_bad = torch.full((), -1, device=device, dtype=torch.int64)
        self._usual: list[float] = []

    def note(self, step: int, values: Tensor) -> None:
        """Remember the values ``(4,)`` of a step, and the first step that had one which is not finite."""
        self._window[step % WINDOW] = values[_SMOOTHNESS]
        bad = ~values.isfinite().all() & (self._first_bad < 0)
        self._first_bad = torch.where(bad, step, self._first_bad)

    @staticmethod
    def is_due(steps: int) -> bool:
        """Whether `sign` is to be asked after so many steps: by their number alone, so that a resumed run agrees."""
        return steps % WINDOW == 0

    def first_bad(self) -> int | None:
        """The first step with a value that is not finite; the host waits for the device."""
        step = int(self._first_bad)
        return None if step < 0 else step

    def sign(self) -> str | None:
        """What shows that the training has diverged, in words, or None; the host waits for the device."""
        found = float(self._window.nanmedian())
        usual = median(self._usual) if self._usual else 0.0
        if found > FACTOR * max(usual, FLOOR):
            return f"the smoothness term is {found:.3g}, and was {usual:.3g} before"
        if found == found:
            self._usual = [*self._usual, found][-_REMEMBERED:]
        return None

    def state(self) -> dict[str, Any]:
        """Everything that `load` needs."""
        return {"window": self._window, "first_bad": self._first_bad, "usual": self._usual}

    def load(self, state: Mapping[str, Any]) -> None:
        """Go on from a `state`."""
        self._window, self._first_bad = state["window"].clone(), state["first_bad"].clone()
        self._usual = list(state["usual"])


def has_collapsed(dice: float, best: float) -> bool:
    """Whether validation Dice is a small part of the best before it."""
    return dice < COLLAPSE * best
