"""The interface of text encoders, which turn the prompts of N regions into vectors ``(N, C1)``."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np

from textscf.files.registry import ENCODERS, entries, entry


class Encoder(Protocol):
    """A text encoder. Its constructor does no I/O; `encode` loads what it needs, on the CPU unless a device is given.

    Attributes:
        reads_text: whether vectors depend on the prompts, which then need a template.
    """

    reads_text: ClassVar[bool]

    def encode(self, names: Sequence[str], prompts: Sequence[str]) -> np.ndarray:
        """Vectors ``(N, C1)``, not normalised, of N regions that are given by name (see `region_name`) and prompt."""

    def provenance(self) -> dict[str, Any]:
        """Everything besides the texts that the vectors depend on; complete after `encode`."""


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


def build_encoder(name: str, options: EncoderOptions) -> Encoder:
    """Create an encoder. Raises ValueError for an unknown name or a missing option."""
    if name not in entries(ENCODERS):
        raise ValueError(f"unknown encoder '{name}'; expected one of {', '.join(entries(ENCODERS))}")
    encoder: Encoder = entry(ENCODERS, name, "encoder").make(options)
    return encoder
