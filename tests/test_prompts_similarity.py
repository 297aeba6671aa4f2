"""Cosine similarities and their heat map."""

from pathlib import Path

import numpy as np
import pytest

from textscf.plotting.prompt_similarity import cosine_similarity, plot_similarity
from textscf.prompts import Embedding


def test_known_angles() -> None:
    similarity = cosine_similarity(np.array([[2.0, 0], [0, 5.0], [1.0, 1.0], [-3.0, 0]]))
    half = np.sqrt(0.5)
    expected = [[1, 0, half, -1], [0, 1, half, 0], [half, half, 1, -half], [-1, 0, -half, 1]]
    np.testing.assert_allclose(similarity, expected, atol=1e-12)


def test_zero_vector_is_similar_to_none() -> None:
    np.testing.assert_array_equal(cosine_similarity(np.array([[0.0, 0], [1.0, 0]])), [[0, 0], [0, 1]])


@pytest.mark.parametrize("n", [3, 24])
def test_same_embedding_same_pictures(tmp_path: Path, n: int) -> None:
    names = [f"structure {k}" for k in range(n)]
    embedding = Embedding(np.arange(n), names, names, np.random.default_rng(0).normal(size=(n, 30)))
    for name in ("a", "b"):
        plot_similarity(embedding, "Abdomen", tmp_path / f"{name}.pdf")
    for suffix in ("pdf", "png"):
        assert (tmp_path / f"a.{suffix}").read_bytes() == (tmp_path / f"b.{suffix}").read_bytes()
        assert (tmp_path / f"a.{suffix}").stat().st_size > 5000
