"""Metrics of registered pairs (Dice, HD95, SDlogJ, folding), and their averages."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from textscf.metrics.pair import PairMetrics, evaluate_pair

__all__ = ["PairMetrics", "evaluate_pair"]


def __getattr__(name: str) -> Any:
    """Import on first use: a study is planned without NumPy."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from textscf.metrics import pair

    return getattr(pair, name)
