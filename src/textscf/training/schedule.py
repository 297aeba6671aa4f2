"""Learning-rate schedule."""


def polynomial(initial: float, step: int, total: int, power: float) -> float:
    """``initial * (1 - step / total) ** power`` (paper, section 4.2: power 0.9)."""
    return initial * max(0.0, 1 - step / total) ** power
