"""Losses of paper eq. (1): similarity, Dice and smoothness."""

from textscf.losses.soft_dice import SoftDice
from textscf.losses.squared_gradient import smoothness

__all__ = ["SoftDice", "smoothness"]
