"""Vectors that were made elsewhere."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from textscf.errors import InputError
from textscf.files.io import sha256_of
from textscf.prompts.embedding import check_vectors, read_npz
from textscf.prompts.encoder import Encoder, EncoderOptions
from textscf.prompts.templates import region_name


@dataclass(frozen=True)
class FileEncoder:
    """Vectors from an .npz with `names` and `vectors` (or `embeddings`), matched by region name."""

    reads_text: ClassVar[bool] = False

    path: Path

    def encode(self, names: Sequence[str], prompts: Sequence[str]) -> np.ndarray:
        """See `Encoder.encode`. Raises InputError for a region that the file lacks or has twice."""
        arrays = read_npz(self.path)
        vectors = arrays.get("vectors", arrays.get("embeddings"))
        if vectors is None or "names" not in arrays:
            raise InputError(f"{self.path}: has the keys {', '.join(sorted(arrays))}; expected names and vectors")
        check_vectors(self.path, vectors)
        known = [region_name(str(name)) for name in arrays["names"]]
        if len(known) != len(vectors):
            raise InputError(f"{self.path}: {len(known)} names for {len(vectors)} vectors")
        return vectors[[self._row(known, name) for name in names]].astype(np.float32)

    def _row(self, known: list[str], name: str) -> int:
        if known.count(name) != 1:
            found = f"has the region '{name}' {known.count(name)} times" if name in known else f"lacks '{name}'"
            close = difflib.get_close_matches(name, known, n=3)
            hint = f" (nearest: {', '.join(close)})" if close and name not in known else ""
            raise InputError(f"{self.path}: {found}; expected every region of the anatomy once{hint}")
        return known.index(name)

    def provenance(self) -> dict[str, Any]:
        """See `Encoder.provenance`."""
        return {"file": self.path.name, "weights_sha256": sha256_of(self.path)}


def make(options: EncoderOptions) -> Encoder:
    """Create the encoder of the option `file`."""
    return FileEncoder(Path(options.need("file", "file")))
