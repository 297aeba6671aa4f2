"""One-hot vectors in place of text."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from textscf.prompts.encoder import Encoder, EncoderOptions


@dataclass(frozen=True)
class OneHotEncoder:
    """One-hot vectors: region k has row k of the identity, and no text is read (paper, Table 1, row 1)."""

    reads_text: ClassVar[bool] = False

    def encode(self, names: Sequence[str], prompts: Sequence[str]) -> np.ndarray:
        """See `Encoder.encode`; C1 = N."""
        return np.eye(len(names), dtype=np.float32)

    def provenance(self) -> dict[str, Any]:
        """See `Encoder.provenance`."""
        return {}


def make(options: EncoderOptions) -> Encoder:
    """Create the encoder; it has no options."""
    return OneHotEncoder()
