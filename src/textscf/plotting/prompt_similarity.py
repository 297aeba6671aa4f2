"""Heat map of the cosine similarities between region vectors."""

from pathlib import Path

import numpy as np

from textscf.prompts.embedding import Embedding

_MAX_ANNOTATED = 20


def cosine_similarity(vectors: np.ndarray) -> np.ndarray:
    """Cosine similarities ``(N, N)`` in [-1, 1], float64, of vectors ``(N, C1)``; 0 for a zero vector."""
    vectors = vectors.astype(np.float64)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    directions = vectors / np.where(lengths > 0, lengths, 1)
    return np.clip(directions @ directions.T, -1, 1)


def plot_similarity(embedding: Embedding, title: str, pdf: Path) -> None:
    """Draw the similarities to `pdf` and a PNG beside it; values are written if they stay readable."""
    from textscf.plotting.style import journal_style, new_figure, save_figure

    similarity = cosine_similarity(embedding.vectors)
    n = len(similarity)
    side = 40.0 + 7.0 * n
    with journal_style():
        figure = new_figure(side + 15, side)
        axes = figure.add_subplot()
        image = axes.imshow(similarity, cmap="cividis", vmin=min(0.0, similarity.min()), vmax=1)
        axes.set_xticks(range(n), embedding.names, rotation=45, ha="right", rotation_mode="anchor")
        axes.set_yticks(range(n), embedding.names)
        axes.set_title(title, wrap=True)
        figure.colorbar(image, ax=axes, label="cosine similarity", fraction=0.046, pad=0.03)
        if n <= _MAX_ANNOTATED:
            middle = (image.norm.vmin + image.norm.vmax) / 2  # type: ignore[operator]
            for (row, column), value in np.ndenumerate(similarity):
                colour = "black" if value > middle else "white"
                axes.text(column, row, f"{value:z.2f}", ha="center", va="center", fontsize=5.5, color=colour)
        save_figure(figure, pdf)
