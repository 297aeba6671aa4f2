"""The embedding artefact."""

import json
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest

from textscf.errors import InputError
from textscf.files.io import sha256_of
from textscf.prompts import Embedding, load_embedding, save_embedding


def an_embedding() -> Embedding:
    vectors = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    return Embedding(np.arange(3), ["background", "liver", "gällbladder"], ["", "a liver", "a gällbladder"], vectors)


def test_comes_back_equal(tmp_path: Path) -> None:
    save_embedding(tmp_path / "embedding.npz", an_embedding(), {"encoder": "one_hot"})
    loaded = load_embedding(tmp_path / "embedding.npz")
    np.testing.assert_array_equal(loaded.vectors, an_embedding().vectors)
    assert loaded.vectors.dtype == np.float32
    assert (loaded.names, loaded.prompts) == (an_embedding().names, an_embedding().prompts)
    assert loaded.labels.tolist() == [0, 1, 2]


def test_provenance_holds_the_digest(tmp_path: Path) -> None:
    save_embedding(tmp_path / "embedding.npz", an_embedding(), {"encoder": "one_hot"})
    provenance = json.loads((tmp_path / "embedding.json").read_text())
    assert provenance == {"encoder": "one_hot", "sha256": sha256_of(tmp_path / "embedding.npz")}


def test_same_embedding_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_embedding(tmp_path / "a.npz", an_embedding(), {})
    later = time.time() + 1e6
    monkeypatch.setattr(time, "time", lambda: later)
    save_embedding(tmp_path / "b.npz", an_embedding(), {})
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.npz") as archive:
        assert {info.date_time[0] for info in archive.infolist()} == {1980}


def _spoiled(tmp_path: Path, **changes: object) -> Path:
    path = tmp_path / "embedding.npz"
    save_embedding(path, an_embedding(), {})
    with np.load(path) as archive:
        arrays = {key: archive[key] for key in archive.files}
    arrays.update(changes)
    np.savez(path, **{key: value for key, value in arrays.items() if value is not None})
    return path


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"vectors": None}, "has the keys labels, names, prompts; expected vectors"),
        ({"vectors": np.full((3, 4), np.nan)}, "3 of 3 vectors are not finite"),
        ({"vectors": np.zeros(3)}, "expected a matrix of numbers"),
        ({"names": np.array(["background"])}, "arrays of different lengths"),
        ({"labels": np.array([0, 2, 1])}, "expected 0 to 2, background first"),
        ({"names": np.array(["a", "b", None], dtype=object)}, "cannot be read as a NumPy archive"),
    ],
)
def test_inconsistent_files_are_refused(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    path = _spoiled(tmp_path, **changes)
    with pytest.raises(InputError, match=r"embedding\.npz: ") as caught:
        load_embedding(path)
    assert message in str(caught.value)


def test_missing_and_truncated_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        load_embedding(tmp_path / "none.npz")
    path = tmp_path / "embedding.npz"
    save_embedding(path, an_embedding(), {})
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(InputError, match="cannot be read as a NumPy archive"):
        load_embedding(path)
