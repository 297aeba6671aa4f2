"""Losses of paper eq. (1): similarity, Dice and smoothness."""

from textscf.losses.dice import SoftDice
from textscf.losses.similarity import SIMILARITIES
from textscf.losses.smoothness import smoothness

__all__ = ["SIMILARITIES", "SoftDice", "smoothness"]
