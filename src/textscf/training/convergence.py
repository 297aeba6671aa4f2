"""The rule by which a training counts as done."""

import math
from collections.abc import Sequence

LIMIT = 0.003
"""Rise of validation Dice, a fraction, below which a training is done."""

SHARE = 0.1
"""Share of the schedule over which that rise is taken."""

RULE = "mean validation Dice of the last tenth of the epochs less than 0.3 points above that of the tenth before"
"""The rule in words, for footnotes."""


def last_rise(dice: Sequence[float]) -> float | None:
    """Rise of validation Dice over the last tenth of a schedule.

    The rise is the mean of the epochs of the last tenth minus the mean of as many epochs before it, so that it spans a
    tenth. Means are taken because the Dice of one epoch may differ from the next by more than `LIMIT`. The best Dice so
    far is not used: one lucky epoch would hide that the others still rise. A learning rate that decays makes later
    tenths rise less than earlier ones, so that the rule errs towards "not done". A tenth has one epoch at least, so
    that with fewer than ten epochs the last two are compared, over more than a tenth.

    Args:
        dice: validation Dice of each epoch, a fraction; of a training in stages, of the epochs of its last stage.

    Returns:
        The rise as a fraction; None with fewer than two epochs, which tell nothing.

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
    """Whether a training with this `last_rise` is done.

    Examples:
        >>> is_converged(0.002), is_converged(0.004), is_converged(None)
        (True, False, False)
    """
    return rise is not None and rise < LIMIT
