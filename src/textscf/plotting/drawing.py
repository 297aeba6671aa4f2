"""What every kind of figure returns."""

from dataclasses import dataclass

import pandas as pd
from matplotlib.figure import Figure


@dataclass(frozen=True)
class Drawing:
    """A figure, what it plots, and what its caption says after the item's own sentences.

    Attributes:
        figure: to be saved.
        sentences: what is shown, and how.
        data: the plotted values, in the units of the axes.
    """

    figure: Figure
    sentences: list[str]
    data: pd.DataFrame
