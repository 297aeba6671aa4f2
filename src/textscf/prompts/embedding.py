"""Embedding of a prompt set and its file: one vector per region, with names and provenance."""

import hashlib
import io
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from textscf.errors import InputError
from textscf.files.io import atomic_path, sha256_of, write_json

_KEYS = ("vectors", "labels", "names", "prompts")
_EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Embedding:
    """Vectors of N regions, the matrix B of the paper; row 0 is the background.

    Attributes:
        labels: ``(N,)`` integers 0 to N - 1.
        names: N structure names, the first "background".
        prompts: N texts; empty for a computed background, the region's name if the encoder reads no text.
        vectors: ``(N, C1)`` float32, not normalised.
    """

    labels: np.ndarray
    names: list[str]
    prompts: list[str]
    vectors: np.ndarray

    def fingerprint(self) -> str:
        """SHA-256 of the vectors and of their regions' labels and names."""
        content = [*map(str, self.labels.tolist()), *self.names]
        return hashlib.sha256("\n".join(content).encode() + self.vectors.tobytes()).hexdigest()


def save_embedding(path: Path, embedding: Embedding, provenance: dict[str, Any]) -> None:
    """Write `path` (.npz; same embedding, same bytes), then `provenance` and the file's SHA-256 as .json beside it."""
    arrays: dict[str, np.ndarray] = {
        "vectors": embedding.vectors.astype(np.float32),
        "labels": embedding.labels.astype(np.int64),
        "names": np.array(embedding.names, dtype=np.str_),
        "prompts": np.array(embedding.prompts, dtype=np.str_),
    }
    with atomic_path(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for key, array in arrays.items():
            content = io.BytesIO()
            np.save(content, array, allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{key}.npy", _EPOCH), content.getvalue())
    write_json(path.with_suffix(".json"), {**provenance, "sha256": sha256_of(path)})


def load_embedding(path: Path) -> Embedding:
    """Read and check an embedding file. Raises InputError if it is missing, unreadable or inconsistent."""
    arrays = read_npz(path)
    absent = [key for key in _KEYS if key not in arrays]
    if absent:
        raise InputError(f"{path}: has the keys {', '.join(sorted(arrays))}; expected {', '.join(_KEYS)}")
    vectors, labels = arrays["vectors"], arrays["labels"]
    check_vectors(path, vectors)
    if any(arrays[key].ndim == 0 for key in _KEYS):
        raise InputError(f"{path}: has a single value in place of labels, names or prompts; expected one per region")
    if {len(arrays[key]) for key in _KEYS} != {len(vectors)}:
        lengths = ", ".join(f"{key} {len(arrays[key])}" for key in _KEYS)
        raise InputError(f"{path}: arrays of different lengths ({lengths})")
    if not np.array_equal(labels, np.arange(len(labels))):
        raise InputError(f"{path}: labels are {labels.tolist()}; expected 0 to {len(labels) - 1}, background first")
    names, prompts = (arrays[key].tolist() for key in ("names", "prompts"))
    return Embedding(labels, names, prompts, vectors.astype(np.float32))


def read_npz(path: Path) -> dict[str, np.ndarray]:
    """Read all arrays of a NumPy archive, never with pickle. Raises InputError if it cannot be read."""
    if not path.is_file():
        raise InputError(f"{path}: no such file; expected a NumPy archive (.npz)")
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {key: archive[key] for key in archive.files}
    except (OSError, EOFError, ValueError, AttributeError, MemoryError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: cannot be read as a NumPy archive ({' '.join(str(error).split())})") from error


def check_vectors(path: Path, vectors: np.ndarray) -> None:
    """Raise InputError unless `vectors` is a finite real matrix with at least one row and column."""
    if vectors.ndim != 2 or vectors.size == 0 or vectors.dtype.kind not in "iuf":
        found = f"{vectors.dtype} of shape {vectors.shape}"
        raise InputError(f"{path}: vectors are {found}; expected a matrix of numbers, one row per region")
    bad = int((~np.isfinite(vectors)).any(axis=1).sum())
    if bad:
        raise InputError(f"{path}: {bad} of {len(vectors)} vectors are not finite")
