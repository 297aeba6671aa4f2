"""CLIP through open_clip: a small random model, saved and loaded by open_clip's own functions."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from textscf.errors import InputError
from textscf.files.io import sha256_of
from textscf.prompts.encoders.open_clip import OpenClipEncoder

open_clip = pytest.importorskip("open_clip")

TINY = {
    "embed_dim": 24,
    "quick_gelu": True,
    "vision_cfg": {"image_size": 16, "layers": 1, "width": 64, "patch_size": 8},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
}
PROMPTS = ["A computerized tomography of a liver in human abdomen.", "A computerized tomography of a spleen."]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Checkpoint of the registered model `textscf-tiny-quickgelu`."""
    folder = tmp_path_factory.mktemp("open_clip")
    configuration = folder / "textscf-tiny-quickgelu.json"
    configuration.write_text(json.dumps(TINY))
    open_clip.add_model_config(configuration)
    torch.manual_seed(0)
    model = open_clip.create_model("textscf-tiny-quickgelu")
    torch.save({"state_dict": model.state_dict()}, folder / "tiny.pt")
    yield folder / "tiny.pt"
    open_clip.factory._MODEL_CONFIG_PATHS.remove(configuration)
    del open_clip.factory._MODEL_CONFIGS["textscf-tiny-quickgelu"]


def test_text_features_are_the_models_and_not_normalised(checkpoint: Path) -> None:
    vectors = OpenClipEncoder("textscf-tiny-quickgelu", str(checkpoint)).encode(["liver", "spleen"], PROMPTS)
    model = open_clip.create_model("textscf-tiny-quickgelu", pretrained=str(checkpoint)).eval()
    with torch.inference_mode():
        expected = model.encode_text(open_clip.tokenize(PROMPTS)).numpy()
    np.testing.assert_array_equal(vectors, expected)
    assert vectors.shape == (2, 24)
    assert not np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=0.05)


def test_provenance_names_weights_without_their_folder(checkpoint: Path) -> None:
    assert OpenClipEncoder("textscf-tiny-quickgelu", str(checkpoint)).provenance() == {
        "model": "textscf-tiny-quickgelu",
        "pretrained": "tiny.pt",
        "quick_gelu": True,
        "weights_file": "tiny.pt",
        "weights_sha256": sha256_of(checkpoint),
    }


def test_unknown_model_suggests_the_nearest() -> None:
    with pytest.raises(InputError, match=r"no model 'ViT-L-14-336-quikgelu'; nearest: ViT-L-14-336-quickgelu"):
        OpenClipEncoder("ViT-L-14-336-quikgelu", "openai").encode(["liver"], PROMPTS[:1])


def test_neither_tag_nor_file_lists_the_tags() -> None:
    with pytest.raises(InputError, match=r"'opena1' is neither a file nor a tag .*openai"):
        OpenClipEncoder("ViT-L-14-336-quickgelu", "opena1").encode(["liver"], PROMPTS[:1])


def test_another_activation_than_the_weights_is_an_error() -> None:
    with pytest.raises(InputError, match="ViT-L-14-336: has GELU, but weights 'openai' were trained with QuickGELU"):
        OpenClipEncoder("ViT-L-14-336", "openai").encode(["liver"], PROMPTS[:1])


def test_weights_of_another_model_are_refused(checkpoint: Path, tmp_path: Path) -> None:
    state = torch.load(checkpoint, weights_only=True)["state_dict"]
    state.pop("text_projection")
    torch.save(state, tmp_path / "other.pt")
    with pytest.raises(InputError, match=r"other\.pt: does not fit open_clip model textscf-tiny-quickgelu.*text_proj"):
        OpenClipEncoder("textscf-tiny-quickgelu", str(tmp_path / "other.pt")).encode(["liver"], PROMPTS[:1])
