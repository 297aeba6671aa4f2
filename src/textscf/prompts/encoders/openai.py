"""OpenAI's text embeddings, such as text-embedding-ada-002 (paper, Table 1, row 7), through its API."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from textscf.errors import InputError
from textscf.prompts.encoder import Encoder, EncoderOptions

KEY_VARIABLE = "OPENAI_API_KEY"
_ATTEMPTS = 4
_MEANINGS = {
    401: f"the key in {KEY_VARIABLE} is not accepted",
    403: f"the key in {KEY_VARIABLE} may not use this model",
    404: "it has no such model",
    429: "the limit of requests or the budget is used up",
}


@dataclass(frozen=True)
class OpenAIEncoder:
    """Encoder that returns the service's embeddings. The key comes from the environment and is never written anywhere.

    Args:
        model: name of a model of the service, e.g. ``text-embedding-ada-002`` (C1 = 1536).
    """

    reads_text: ClassVar[bool] = True

    model: str

    def encode(self, names: Sequence[str], prompts: Sequence[str]) -> np.ndarray:
        """Vectors ``(N, C1)`` of the prompts, from one request.

        Raises:
            InputError: there is no key, the service refuses or cannot be reached, or its answer is unusable.
        """
        import openai

        if not os.environ.get(KEY_VARIABLE, "").strip():
            raise InputError(f"encoder openai: no key in the environment; expected {KEY_VARIABLE} with a key of OpenAI")
        where = f"encoder openai: {self.model}"
        try:
            with openai.OpenAI(max_retries=_ATTEMPTS - 1) as client:
                answer = client.embeddings.create(model=self.model, input=list(prompts), encoding_format="float")
            vectors = np.array([item.embedding for item in sorted(answer.data, key=lambda item: item.index)])
        except openai.APIStatusError as error:  # the service's own message can quote the key
            meaning = _MEANINGS.get(error.status_code, "a fault of the service; try again later")
            raise InputError(f"{where}: the service answers {error.status_code}: {meaning}") from None
        except openai.APIConnectionError:
            raise InputError(f"{where}: the service cannot be reached") from None
        except (openai.OpenAIError, ValueError, TypeError, AttributeError) as error:
            raise InputError(f"{where}: no answer that can be used ({type(error).__name__})") from None
        if vectors.ndim != 2 or len(vectors) != len(prompts) or not np.isfinite(vectors).all():
            raise InputError(f"{where}: answers numbers of shape {vectors.shape}; expected {len(prompts)} vectors")
        return vectors.astype(np.float32)

    def provenance(self) -> dict[str, Any]:
        """Names of the service and of its model; the model's weights are not public."""
        return {"model": self.model, "service": "OpenAI API"}


def make(options: EncoderOptions) -> Encoder:
    """Create the encoder of the option `model`."""
    return OpenAIEncoder(options.need("model", "openai"))
