"""Prompt sets from settings to embedding, and the script."""

import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from tests.python_server import python
from textscf.errors import InputError
from textscf.files.fill import fill
from textscf.prompts import PromptSet, embed, load_embedding

TEMPLATE = "A {modality} of a {structure} in human {body_part}."
ANATOMY = {
    "title": "Abdomen",
    "body_part": "abdomen",
    "structures": [
        {"label": 2, "name": "left kidney", "prompt": "Left-Kidney"},
        {"label": 1, "name": "spleen", "prompt": "spleen"},
    ],
}


LUNG = {"title": "Lung", "body_part": "chest", "structures": [{"label": 1, "name": "lung", "prompt": "Lung"}]}


def settings(**changes: Any) -> PromptSet:
    content = {
        "encoder": "minilm",
        "background": "svd",
        "template": TEMPLATE,
        "modality": "computerized tomography",
    }
    return fill(PromptSet, {**content, "anatomy": ANATOMY, **changes}, "prompts.yaml")


@pytest.fixture(scope="module")
def minilm() -> tuple[Any, dict[str, Any]]:
    return embed(settings())


def test_rows_follow_labels_with_the_background_first(minilm: tuple[Any, dict[str, Any]]) -> None:
    embedding, _ = minilm
    assert embedding.names == ["background", "spleen", "left kidney"]
    assert embedding.labels.tolist() == [0, 1, 2]
    assert embedding.prompts == [
        "",
        "A computerized tomography of a spleen in human abdomen.",
        "A computerized tomography of a left kidney in human abdomen.",
    ]
    assert embedding.vectors.dtype == np.float32


def test_background_is_orthogonal_to_float32_rounding(minilm: tuple[Any, dict[str, Any]]) -> None:
    vectors = minilm[0].vectors.astype(np.float64)
    assert np.abs(vectors[1:] @ vectors[0]).max() < 1e-6
    assert np.linalg.norm(vectors[0]) == pytest.approx(1, abs=1e-6)


def test_provenance_names_encoder_weights_and_texts(minilm: tuple[Any, dict[str, Any]]) -> None:
    provenance = minilm[1]
    assert provenance["encoder"] == "minilm"
    assert len(provenance["weights_sha256"]) == 64
    assert (provenance["template"], provenance["background"]) == (TEMPLATE, "svd")
    assert "model" in provenance
    assert "file" not in provenance


def test_structures_of_an_auxiliary_cohort_follow_with_their_own_body_part_and_modality(
    minilm: tuple[Any, dict[str, Any]],
) -> None:
    embedding, provenance = embed(settings(auxiliary={"anatomy": LUNG, "modality": "X-ray"}))
    alone, alone_provenance = minilm
    assert embedding.labels.tolist() == [0, 1, 2, 3]
    assert embedding.names == [*alone.names, "lung"]
    assert embedding.prompts == [*alone.prompts, "A X-ray of a lung in human chest."]
    np.testing.assert_array_equal(embedding.vectors[1:3], alone.vectors[1:])
    assert np.abs(embedding.vectors[1:] @ embedding.vectors[0]).max() < 1e-6
    assert abs(alone.vectors[0] @ embedding.vectors[3]) > 1e-4
    assert provenance == alone_provenance | {"auxiliary": {"anatomy": "Lung", "modality": "X-ray"}}


def test_renamed_structures_have_each_others_vectors(minilm: tuple[Any, dict[str, Any]]) -> None:
    swap = {"spleen": "left kidney", "left kidney": "spleen"}
    embedding, provenance = embed(settings(rename=swap, background="svd_released"))
    assert embedding.names == ["background", "spleen", "left kidney"]
    assert embedding.prompts[1] == "A computerized tomography of a left kidney in human abdomen."
    np.testing.assert_array_equal(embedding.vectors[1:], minilm[0].vectors[:0:-1])
    assert np.abs(embedding.vectors[1:] @ embedding.vectors[0]).max() > 1e-5
    assert provenance["rename"] == swap


def test_the_released_list_has_the_adrenals_of_the_other_side(root: Path) -> None:
    abdomen = yaml.safe_load((root / "config/anatomies/abdomen.yaml").read_text())
    content = yaml.safe_load((root / "config/prompts/clip_vit_released.yaml").read_text())
    released = fill(PromptSet, {**content, "anatomy": abdomen, "modality": "computerized tomography"}, "x")
    words = {region.name: region.word for region in released.regions()}
    assert {name: word for name, word in words.items() if name != word} == {
        "oesophagus": "esophagus",
        "right adrenal gland": "left adrenal gland",
        "left adrenal gland": "right adrenal gland",
    }
    assert content["background"] == "svd_released"


def test_text_background_is_the_encoded_word() -> None:
    embedding, _ = embed(settings(background="text"))
    assert embedding.prompts[0] == "A computerized tomography of a background in human abdomen."
    assert abs(embedding.vectors[0] @ embedding.vectors[1]) > 0.05


def test_one_hot_includes_the_background() -> None:
    embedding, _ = embed(settings(encoder="one_hot", background="text", template=None))
    np.testing.assert_array_equal(embedding.vectors, np.eye(3))
    assert embedding.prompts == ["background", "spleen", "left kidney"]


def test_file_follows_prompt_names(tmp_path: Path) -> None:
    np.savez(tmp_path / "v.npz", names=np.array(["left kidney", "spleen"]), vectors=np.eye(3)[:2])
    embedding, _ = embed(settings(encoder="file", file=str(tmp_path / "v.npz"), template=None))
    np.testing.assert_allclose(embedding.vectors, [[0, 0, 1], [0, 1, 0], [1, 0, 0]], atol=1e-7)


def test_svd_needs_long_vectors(tmp_path: Path) -> None:
    np.savez(tmp_path / "v.npz", names=np.array(["left kidney", "spleen"]), vectors=np.eye(2))
    with pytest.raises(InputError, match="background svd: 2 region vectors of length 2"):
        embed(settings(encoder="file", file=str(tmp_path / "v.npz"), template=None))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"encoder": "clip"}, "unknown encoder 'clip'; expected one of file"),
        ({"background": "pca"}, "background is 'pca'; expected one of svd, svd_released, text"),
        ({"template": None}, "encoder minilm needs 'template'"),
        ({"template": "A photo."}, "does not name the {structure}"),
        ({"encoder": "one_hot", "template": None}, "encoder one_hot expects text"),
        ({"encoder": "file", "file": "v.npz"}, "encoder file reads no text"),
        ({"encoder": "open_clip"}, "encoder open_clip needs 'model'"),
        ({"encoder": "openai"}, "encoder openai needs 'model'"),
        ({"rename": {"splen": "liver"}}, "rename: no structure is called 'splen'; did you mean 'spleen'?"),
        ({"tempalte": "x"}, "unknown key 'tempalte'; did you mean 'template'?"),
    ],
)
def test_bad_settings_name_file_and_key(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=r"^prompts\.yaml: ") as caught:
        settings(**changes)
    assert message in str(caught.value)


def test_every_prompt_set_of_the_project_is_valid(root: Path) -> None:
    files = sorted((root / "config" / "prompts").glob("*.yaml"))
    abdomen = yaml.safe_load((root / "config/anatomies/abdomen.yaml").read_text())
    assert {"minilm.yaml", "one_hot.yaml", "clip_vit.yaml", "clip_resnet.yaml"} <= {file.name for file in files}
    for file in files:
        content = yaml.safe_load(file.read_text())
        fill(PromptSet, {**content, "anatomy": abdomen, "modality": "computerized tomography"}, file)


def run_script(root: Path, folder: Path, **changes: Any) -> subprocess.CompletedProcess[str]:
    content = {
        "encoder": "one_hot",
        "background": "text",
        "anatomy": ANATOMY,
        "modality": "tomography",
        **changes,
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(content))
    command = [
        python(),
        str(root / "src" / "embed_prompts.py"),
        "--config",
        str(folder / "config.yaml"),
    ]
    return subprocess.run([*command, "--out", str(folder / "p" / "embedding.npz")], capture_output=True, text=True)


def test_script_writes_artefact_provenance_and_heat_map(root: Path, tmp_path: Path) -> None:
    completed = run_script(root, tmp_path)
    assert completed.returncode == 0, completed.stderr
    assert load_embedding(tmp_path / "p" / "embedding.npz").vectors.shape == (3, 3)
    assert json.loads((tmp_path / "p" / "embedding.json").read_text())["encoder"] == "one_hot"
    assert (tmp_path / "p" / "similarity.pdf").read_bytes().startswith(b"%PDF")
    assert (tmp_path / "p" / "similarity.png").read_bytes().startswith(b"\x89PNG")


def test_script_refuses_with_one_line_and_writes_nothing(root: Path, tmp_path: Path) -> None:
    completed = run_script(root, tmp_path, encoder="file", file=str(tmp_path / "absent.npz"))
    assert completed.returncode == 2
    errors = [line for line in completed.stderr.splitlines() if line.startswith("error:")]
    assert errors == [f"error: {tmp_path}/absent.npz: no such file; expected a NumPy archive (.npz)"]
    assert not (tmp_path / "p").exists()
