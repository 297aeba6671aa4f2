"""The result type of every kind of figure."""

from dataclasses import dataclass

import pandas as pd
from matplotlib.figure import Figure


@dataclass(frozen=True)
class Drawing:
    """A figure, its data, and the sentences that its caption adds after the item's own sentences.

    Attributes:
        figure: the figure to save.
        sentences: explanations for the caption.
        data: the plotted values, in the units of the axes.
    """

    figure: Figure
    sentences: list[str]
    data: pd.DataFrame
