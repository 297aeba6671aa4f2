"""The rule by which a training counts as converged."""

import pytest

from textscf.training.convergence import LIMIT, is_converged, last_rise


def test_the_last_tenth_is_compared_with_the_tenth_before() -> None:
    dice = [0.0] * 16 + [0.4, 0.6, 0.5, 0.7]
    assert last_rise(dice) == pytest.approx(0.1)
    assert last_rise([*dice, 0.7]) == pytest.approx((0.5 + 0.7 + 0.7) / 3 - (0.0 + 0.4 + 0.6) / 3)


def test_one_lucky_epoch_does_not_hide_that_dice_still_rises() -> None:
    dice = [0.3 + 0.001 * epoch for epoch in range(40)]
    rise = last_rise(dice)
    dice[20] = 0.9
    assert last_rise(dice) == rise == pytest.approx(0.004)
    assert not is_converged(rise)


def test_the_noise_of_single_epochs_does_not_hide_that_dice_is_flat() -> None:
    dice = [0.5 + 0.02 * (-1) ** epoch for epoch in range(40)]
    assert is_converged(last_rise(dice))


@pytest.mark.parametrize(("dice", "rise"), [([], None), ([0.5], None), ([0.2, 0.5], 0.3), ([0.1, 0.2, 0.5], 0.3)])
def test_few_epochs(dice: list[float], rise: float | None) -> None:
    assert last_rise(dice) == (None if rise is None else pytest.approx(rise))
    assert not is_converged(last_rise(dice))


def test_the_limit_itself_is_a_rise() -> None:
    assert not is_converged(last_rise([0.5] * 9 + [0.5 + LIMIT]))
    assert is_converged(last_rise([0.5] * 9 + [0.5 + LIMIT - 1e-6]))
    assert is_converged(last_rise([0.5] * 9 + [0.4]))
