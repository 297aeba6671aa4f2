"""What every kind of figure returns."""

from dataclasses import dataclass

from matplotlib.figure import Figure


@dataclass(frozen=True)
class Drawing:
    """A figure, and the sentences that its caption needs after the item's own: what is shown and how."""

    figure: Figure
    sentences: list[str]
