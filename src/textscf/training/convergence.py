"""Convergence rule of a training."""

import math
from collections.abc import Sequence

LIMIT = 0.003
"""Rise of validation Dice (a fraction) below which a training has converged."""

SHARE = 0.1
"""Share of the schedule over which the rise is measured."""

RULE = "mean validation Dice of the last tenth of the epochs less than 0.3 points above that of the tenth before"
"""Text of the rule for footnotes."""


def last_rise(dice: Sequence[float]) -> float | None:
    """Rise of validation Dice over the last tenth of a schedule.

    The rise is the mean over the last tenth of the epochs minus the mean over the same number of epochs before it. The
    rule uses means because Dice may differ between two epochs by more than `LIMIT`. It does not use the best Dice so
    far, because one lucky epoch would hide that the others still rise. With a decaying learning rate, later tenths rise
    less than earlier ones, so that the rule errs towards "not converged". A tenth has at least one epoch. With fewer
    than ten epochs the rule therefore compares the last two epochs, over more than a tenth.

    Args:
        dice: validation Dice of each epoch, a fraction; for a training in stages, only of its last training stage.

    Returns:
        Rise as a fraction; None with fewer than two epochs.

    Examples:
        >>> last_rise([0.2, 0.3, 0.375])
        0.075
        >>> last_rise([0.2]) is None
        True
    """
    count = math.ceil(len(dice) * SHARE)
    if len(dice) < 2 * count or not count:
        return None
    last, before = dice[-count:], dice[-2 * count : -count]
    return round(math.fsum(last) / count - math.fsum(before) / count, 9)


def is_converged(rise: float | None) -> bool:
    """Whether a training with this `last_rise` has converged.

    Examples:
        >>> is_converged(0.002), is_converged(0.004), is_converged(None)
        (True, False, False)
    """
    return rise is not None and rise < LIMIT
