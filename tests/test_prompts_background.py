"""The background vector, correct and as released."""

from pathlib import Path

import numpy as np
import pytest

from textscf.prompts.background import released_background, svd_background


@pytest.fixture(scope="module")
def clip_vectors(shared: Path) -> np.ndarray:
    """Real CLIP ViT-B/32 text features of 13 organs."""
    with np.load(shared / "data" / "clip_text_embeddings" / "clip_vit_b32_organs.npz") as archive:
        return archive["embeddings"][:13]


def test_orthogonal_to_real_clip_vectors(clip_vectors: np.ndarray) -> None:
    background = svd_background(clip_vectors)
    assert np.linalg.norm(clip_vectors.astype(np.float64) @ background) < 1e-13
    assert np.linalg.norm(background) == pytest.approx(1, abs=1e-12)


def test_released_vector_is_not_orthogonal(clip_vectors: np.ndarray) -> None:
    background = released_background(clip_vectors)
    assert np.linalg.norm(clip_vectors @ background) > 0.1
    assert np.linalg.norm(background) == pytest.approx(1, abs=1e-12)


def test_released_vector_is_the_last_column() -> None:
    regions = np.random.default_rng(0).normal(size=(3, 7))
    expected = np.linalg.svd(regions, full_matrices=True)[2][:, -1]
    np.testing.assert_array_equal(released_background(regions), expected)


def test_known_null_space() -> None:
    regions = np.array([[1.0, 0, 0], [1.0, 1.0, 0]])
    np.testing.assert_allclose(svd_background(regions), [0, 0, 1], atol=1e-12)


def test_sign_does_not_depend_on_the_regions_signs() -> None:
    regions = np.random.default_rng(1).normal(size=(5, 6))
    background = svd_background(regions)
    assert background[np.abs(background).argmax()] > 0
    np.testing.assert_allclose(svd_background(-regions), background, atol=1e-12)


@pytest.mark.parametrize("kind", [svd_background, released_background])
def test_vectors_must_be_longer_than_their_number(kind) -> None:
    with pytest.raises(ValueError, match="4 region vectors of length 4"):
        kind(np.eye(4))
