"""Detection of a diverged training: its field or its loss explodes, or its validation Dice collapses.

If the displacement field of a network leaves the volume everywhere, the images give no gradient any more, although all
values may stay finite. The code looks for three signs of divergence:

- a value of the loss is not finite;
- in most of the last `WINDOW` steps, the smoothness term (mean squared gradient of the field) was more than `FACTOR`
  times its running median, and more than `FACTOR` times `FLOOR`. The floor is needed because a field near zero at the
  start may grow by any factor. A smoothness term of 10 means a change of three voxels between neighbouring voxels;
- validation Dice is below `COLLAPSE` times the best of the training.

Within a step, nothing here makes the host wait for the device. `sign` and `first_bad` wait, between steps.
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
    """Watches the smoothness term: the latest steps on the device, their earlier medians on the host."""

    def __init__(self, device: torch.device) -> None:
        self._window = torch.full((WINDOW,), torch.nan, device=device)
        self._first_bad = torch.full((), -1, device=device, dtype=torch.int64)
        self._usual: list[float] = []

    def note(self, step: int, values: Tensor) -> None:
        """Record the loss values ``(4,)`` of a step, and remember the first step with a value that is not finite."""
        self._window[step % WINDOW] = values[_SMOOTHNESS]
        bad = ~values.isfinite().all() & (self._first_bad < 0)
        self._first_bad = torch.where(bad, step, self._first_bad)

    @staticmethod
    def is_due(steps: int) -> bool:
        """Whether to call `sign` after this number of steps; depends on nothing else, so that a resumed run agrees."""
        return steps % WINDOW == 0

    def first_bad(self) -> int | None:
        """First step with a value that is not finite, or None; the host waits for the device."""
        step = int(self._first_bad)
        return None if step < 0 else step

    def sign(self) -> str | None:
        """Text that describes the sign of divergence, or None; the host waits for the device."""
        found = float(self._window.nanmedian())
        usual = median(self._usual) if self._usual else 0.0
        if found > FACTOR * max(usual, FLOOR):
            return f"the smoothness term is {found:.3g}, and was {usual:.3g} before"
        if found == found:
            self._usual = [*self._usual, found][-_REMEMBERED:]
        return None

    def state(self) -> dict[str, Any]:
        """State for `load`."""
        return {"window": self._window, "first_bad": self._first_bad, "usual": self._usual}

    def load(self, state: Mapping[str, Any]) -> None:
        """Continue from a `state`."""
        self._window, self._first_bad = state["window"].clone(), state["first_bad"].clone()
        self._usual = list(state["usual"])


def has_collapsed(dice: float, best: float) -> bool:
    """Whether validation Dice is below `COLLAPSE` times the best Dice before it."""
    return dice < COLLAPSE * best
