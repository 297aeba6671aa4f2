"""CLIP's weights: OpenAI's archives and open_clip's files from mirror, cache and download, for a small random model."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from tests.faulty_server import Fault, FaultyServer
from tests.test_prompts_open_clip_encoder import PROMPTS, TINY
from textscf.errors import InputError
from textscf.files.io import sha256_of
from textscf.prompts.clip_weights import is_torchscript, published_digest
from textscf.prompts.encoders.open_clip import OpenClipEncoder

open_clip = pytest.importorskip("open_clip")
MODEL = "textscf-archive-quickgelu"
NAMES = ["liver", "spleen"]


class Archive(torch.nn.Module):
    """The weights of a CLIP in half precision, with the three numbers that OpenAI's archives have beside them."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        for name, value in {**model.state_dict(), "input_resolution": torch.tensor(16)}.items():
            *parents, last = name.split(".")
            owner: torch.nn.Module = self
            for parent in parents:
                if not hasattr(owner, parent):
                    owner.add_module(parent, torch.nn.Module())
                owner = getattr(owner, parent)
            owner.register_buffer(last, value.half() if value.is_floating_point() else value)
        for name in ("context_length", "vocab_size"):
            self.register_buffer(name, torch.tensor(77))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    """The weights as OpenAI's archive, as safetensors, and as a state dictionary; open_clip knows the model."""
    folder = tmp_path_factory.mktemp("clip")
    configuration = folder / f"{MODEL}.json"
    configuration.write_text(json.dumps(TINY))
    open_clip.add_model_config(configuration)
    torch.manual_seed(0)
    model = open_clip.create_model(MODEL)
    with torch.no_grad():
        for value in model.state_dict().values():
            value.copy_(value.half())
    torch.jit.script(Archive(model)).save(folder / "Tiny.pt")
    save_file(model.state_dict(), folder / f"{MODEL}.safetensors")
    torch.save(model.state_dict(), folder / f"{MODEL}.bin")
    yield {
        "archive": folder / "Tiny.pt",
        "safetensors": folder / f"{MODEL}.safetensors",
        "bin": folder / f"{MODEL}.bin",
    }
    open_clip.factory._MODEL_CONFIG_PATHS.remove(configuration)
    del open_clip.factory._MODEL_CONFIGS[MODEL]


@pytest.fixture(autouse=True)
def published(files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Registers the small weights in open_clip as OpenAI's, with an empty home folder and without the hub."""
    known = {"url": f"https://127.0.0.1:9/{sha256_of(files['archive'])}/Tiny.pt", "quick_gelu": True}
    monkeypatch.setitem(open_clip.pretrained._PRETRAINED, MODEL, {"openai": known})
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("textscf.data.fetch._FIRST_PAUSE", 0.0)
    return known


@pytest.fixture(scope="module")
def expected(files: dict[str, Path]) -> np.ndarray:
    return OpenClipEncoder(MODEL, str(files["bin"])).encode(NAMES, PROMPTS)


def put(source: Path, folder: Path, name: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(source.read_bytes())
    return folder


@pytest.mark.parametrize(
    ("kind", "name"),
    [("archive", "Tiny.pt"), ("safetensors", f"{MODEL}.safetensors"), ("bin", f"{MODEL}.bin"), ("bin", f"{MODEL}.pt")],
)
def test_every_form_in_the_mirror_gives_the_same_vectors(
    files: dict[str, Path], expected: np.ndarray, tmp_path: Path, kind: str, name: str
) -> None:
    encoder = OpenClipEncoder(MODEL, "openai", data_root=put(files[kind], tmp_path / "mirror", name))
    np.testing.assert_allclose(encoder.encode(NAMES, PROMPTS), expected, atol=1e-6)
    provenance = encoder.provenance()
    assert (provenance["weights_file"], provenance["weights_sha256"]) == (name, sha256_of(files[kind]))


def test_the_cache_of_clip_is_used_if_the_file_is_openais(
    files: dict[str, Path], expected: np.ndarray, tmp_path: Path
) -> None:
    cache = put(files["archive"], tmp_path / "home/.cache/clip", "Tiny.pt")
    np.testing.assert_allclose(OpenClipEncoder(MODEL, "openai").encode(NAMES, PROMPTS), expected, atol=1e-6)
    (cache / "Tiny.pt").write_bytes(b"broken off")
    with pytest.raises(InputError, match=f"{MODEL}: no weights in data_root or the cache, and no download"):
        OpenClipEncoder(MODEL, "openai").encode(NAMES, PROMPTS)


def test_the_cache_of_open_clip_is_used(
    files: dict[str, Path], published: dict[str, Any], expected: np.ndarray, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    published["hf_hub"] = "somebody/tiny/"
    folder = tmp_path / "hub/models--somebody--tiny"
    put(files["safetensors"], folder / "snapshots/0123", "open_clip_model.safetensors")
    (folder / "refs").mkdir()
    (folder / "refs/main").write_text("0123")
    encoder = OpenClipEncoder(MODEL, "openai")
    np.testing.assert_allclose(encoder.encode(NAMES, PROMPTS), expected, atol=1e-6)
    assert encoder.provenance()["weights_sha256"] == sha256_of(files["safetensors"])


def test_openais_file_is_downloaded_and_verified(
    files: dict[str, Path], published: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in FaultyServer.environment.items():
        monkeypatch.setenv(name, value)
    digest = published_digest(published)
    put(files["archive"], tmp_path / f"server/{digest}", "Tiny.pt")
    with FaultyServer(tmp_path / "server") as server:
        published["url"] = server.url(f"{digest}/Tiny.pt")
        server.faults[f"/{digest}/Tiny.pt"] = [Fault(status=503), Fault(break_after=1000)]
        assert OpenClipEncoder(MODEL, "openai").encode(NAMES, PROMPTS).shape == (2, 24)
    assert sha256_of(tmp_path / "home/.cache/clip/Tiny.pt") == digest
    assert server.ranges()[-1] == "bytes=1000-"


def test_without_weights_one_line_says_what_to_put_where() -> None:
    with pytest.raises(InputError) as caught:
        OpenClipEncoder("RN50x64-quickgelu", "openai", data_root=Path("/nowhere")).encode(["liver"], PROMPTS[:1])
    message = str(caught.value)
    assert message.startswith("RN50x64-quickgelu: no weights in data_root or the cache, and no download (")
    assert message.endswith("/RN50x64.pt on a machine with a network and put it as RN50x64.pt into data_root")
    assert "\n" not in message


@pytest.mark.parametrize(
    ("model", "file"), [("ViT-L-14-336-quickgelu", "ViT-L-14-336px.pt"), ("RN50x64-quickgelu", "RN50x64.pt")]
)
def test_the_papers_models_have_a_published_digest(model: str, file: str) -> None:
    known = open_clip.pretrained.get_pretrained_cfg(model, "openai")
    assert known["url"].endswith(f"/{file}")
    assert published_digest(known) is not None


def test_an_archive_that_is_not_openais_is_not_opened(
    files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert is_torchscript(files["archive"])
    assert not is_torchscript(files["bin"])
    assert not is_torchscript(files["safetensors"])
    monkeypatch.setattr(torch.jit, "load", lambda *_, **__: pytest.fail("code was loaded"))
    other = torch.jit.script(torch.nn.Identity())
    (tmp_path / "mirror").mkdir()
    other.save(tmp_path / "mirror/Tiny.pt")
    with pytest.raises(InputError, match=r"Tiny\.pt: is a TorchScript archive, and .* expected checksum sha256:"):
        OpenClipEncoder(MODEL, "openai", data_root=tmp_path / "mirror").encode(NAMES, PROMPTS)
    with pytest.raises(InputError, match=r"Tiny\.pt: is a TorchScript archive, which can hold code"):
        OpenClipEncoder(MODEL, str(files["archive"])).encode(NAMES, PROMPTS)
