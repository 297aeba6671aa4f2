"""The result type of every kind of figure."""

from dataclasses import dataclass

import pandas as pd
from matplotlib.figure import Figure

from textscf.plotting.style import COLUMN_WIDTH, journal_style, new_figure

_NOTE_HEIGHT = 20


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


def note(text: str) -> Drawing:
    """A sentence in place of a figure that has nothing to show."""
    with journal_style():
        figure = new_figure(COLUMN_WIDTH, _NOTE_HEIGHT)
        figure.text(0.5, 0.5, text, ha="center", va="center")
    return Drawing(figure, [text], pd.DataFrame({"note": [text]}))
