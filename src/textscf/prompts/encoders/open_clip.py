"""CLIP's text encoder through open_clip (paper: ViT-L/14@336px and RN50x64)."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from textscf.errors import InputError
from textscf.files.io import sha256_of
from textscf.prompts.clip_weights import check_code, find_weights, is_torchscript
from textscf.prompts.encoder import Encoder, EncoderOptions

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class OpenClipEncoder:
    """Encoder that returns CLIP's text features, not normalised.

    Args:
        model: name of an open_clip model, e.g. ``ViT-L-14-336-quickgelu`` (C1 = 768), ``RN50x64-quickgelu`` (1024).
        pretrained: tag, e.g. ``openai`` (see `find_weights`), or path of a checkpoint.
        device: where the model runs.
        data_root: local mirror, searched for the weights of a tag.
    """

    reads_text: ClassVar[bool] = True

    model: str
    pretrained: str
    device: str = "cpu"
    data_root: Path | None = None

    def encode(self, names: Sequence[str], prompts: Sequence[str]) -> np.ndarray:
        """Vectors ``(N, C1)`` of the prompts.

        Raises:
            InputError: the model is unknown, or its weights cannot be obtained, do not fit, hold code that OpenAI did
                not publish, or were trained with another activation (QuickGELU) than the model has.
        """
        import open_clip
        import torch

        model: Any = self._load(self._weights()).eval()
        tokens = open_clip.get_tokenizer(self.model)(list(prompts)).to(self.device)
        with torch.inference_mode():
            return model.encode_text(tokens, normalize=False).float().cpu().numpy()

    def provenance(self) -> dict[str, Any]:
        """Names of the model and its weights, the SHA-256 of the weights, and the activation."""
        weights = self._weights()
        return {
            "model": self.model,
            "pretrained": Path(self.pretrained).name,
            "quick_gelu": self._quick_gelu(),
            "weights_file": weights.name,
            "weights_sha256": sha256_of(weights),
        }

    def _published(self) -> dict[str, Any]:
        """open_clip's entry for the weights; empty if `pretrained` is a file."""
        import open_clip
        from open_clip.pretrained import get_pretrained_cfg

        known = open_clip.list_models()
        if self.model not in known:
            close = difflib.get_close_matches(self.model, known, n=3)
            raise InputError(f"open_clip has no model '{self.model}'; nearest: {', '.join(close) or 'none'}")
        return dict(get_pretrained_cfg(self.model, self.pretrained))

    def _quick_gelu(self) -> bool:
        import open_clip

        return bool((open_clip.get_model_config(self.model) or {}).get("quick_gelu", False))

    def _weights(self) -> Path:
        """Path of the checkpoint file, which is downloaded if needed."""
        published = self._published()
        if not published:
            return self._file()
        trained_with = bool(published.get("quick_gelu", False))
        if trained_with != self._quick_gelu():
            kinds = {True: "QuickGELU", False: "GELU"}
            raise InputError(
                f"open_clip model {self.model}: has {kinds[not trained_with]}, but weights '{self.pretrained}' were "
                f"trained with {kinds[trained_with]}; expected the model's variant with the weights' activation"
            )
        return find_weights(self.model, published, self.data_root)

    def _file(self) -> Path:
        path = Path(self.pretrained)
        if not path.is_file():
            import open_clip

            tags = ", ".join(open_clip.list_pretrained_tags_by_model(self.model)) or "none"
            raise InputError(
                f"pretrained '{self.pretrained}' is neither a file nor a tag of {self.model} (tags: {tags})"
            )
        return path

    def _load(self, weights: Path) -> "nn.Module":
        import open_clip

        scripted = is_torchscript(weights)
        if scripted:
            check_code(weights, self._published())
        try:
            return open_clip.create_model(
                self.model, pretrained=str(weights), device=self.device, weights_only=not scripted
            )
        except Exception as error:  # wrong keys, wrong sizes and non-checkpoints raise different types
            reason = " ".join(str(error).split())[:200] or type(error).__name__
            raise InputError(f"{weights}: does not fit open_clip model {self.model} ({reason})") from error


def make(options: EncoderOptions) -> Encoder:
    """Create the encoder of the options `model` and `pretrained`."""
    model, pretrained = (options.need(key, "open_clip") for key in ("model", "pretrained"))
    return OpenClipEncoder(model, pretrained, options.device, options.data_root)
