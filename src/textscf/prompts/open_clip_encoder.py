"""CLIP's text encoder through open_clip (paper: ViT-L/14@336px and RN50x64)."""

import difflib
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from textscf.errors import InputError
from textscf.io import sha256_of

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class OpenClipEncoder:
    """Text features as CLIP gives them, without normalisation.

    Args:
        model: an open_clip model, e.g. ``ViT-L-14-336-quickgelu`` (C1 = 768), ``RN50x64-quickgelu`` (1024).
        pretrained: tag, e.g. ``openai`` (from the cache, or downloaded to it), or path of a checkpoint.
        device: where the model runs.
    """

    model: str
    pretrained: str
    device: str = "cpu"

    def encode(self, names: Sequence[str], prompts: Sequence[str]) -> np.ndarray:
        """Vectors ``(N, C1)`` of the prompts.

        Raises:
            InputError: the model is unknown, its weights are not at hand, do not fit, or were trained with
                another activation (QuickGELU) than the model has.
        """
        import open_clip
        import torch

        weights = self._weights()
        model: Any = self._load(weights).eval()
        tokens = open_clip.get_tokenizer(self.model)(list(prompts)).to(self.device)
        with torch.inference_mode():
            return model.encode_text(tokens, normalize=False).float().cpu().numpy()

    def provenance(self) -> dict[str, Any]:
        """Model, weights and their digest, activation."""
        import open_clip

        weights = self._weights()
        quick_gelu = bool(open_clip.get_model_config(self.model).get("quick_gelu", False))
        tag = Path(self.pretrained).name
        return {
            "model": self.model,
            "pretrained": tag,
            "quick_gelu": quick_gelu,
            "weights_sha256": sha256_of(weights),
        }

    def _weights(self) -> Path:
        """The checkpoint file, downloaded by open_clip if need be."""
        import open_clip
        from open_clip.pretrained import download_pretrained, get_pretrained_cfg

        known = open_clip.list_models()
        if self.model not in known:
            close = difflib.get_close_matches(self.model, known, n=3)
            raise InputError(f"open_clip has no model '{self.model}'; nearest: {', '.join(close) or 'none'}")
        source = get_pretrained_cfg(self.model, self.pretrained)
        if not source:
            return self._file()
        try:
            return Path(download_pretrained(source))
        except Exception as error:  # the download libraries raise many kinds
            where = str(source.get("hf_hub", "")).rstrip("/") or source.get("url")
            raise InputError(
                f"open_clip weights '{self.pretrained}' of {self.model} are not in the cache and cannot be "
                f"downloaded ({_one_line(error)}); fetch {where} on a machine with a network and set "
                f"'pretrained' to the file"
            ) from error

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

        with warnings.catch_warnings():
            warnings.filterwarnings("error", message=".*QuickGELU mismatch")
            try:
                return open_clip.create_model(self.model, pretrained=self.pretrained, device=self.device)
            except UserWarning as warning:
                raise InputError(
                    f"open_clip model {self.model}: {warning} Use the variant with the weights' activation."
                ) from warning
            except Exception as error:  # wrong keys, wrong sizes, not a checkpoint: as many kinds
                raise InputError(
                    f"{weights}: does not fit open_clip model {self.model} ({_one_line(error)})"
                ) from error


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
