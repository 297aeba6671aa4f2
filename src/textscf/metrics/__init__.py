"""Metrics of registered pairs (Dice, HD95, SDlogJ, folding), and their averages."""

from textscf.metrics.pair import PairMetrics, evaluate_pair

__all__ = ["PairMetrics", "evaluate_pair"]
