"""From the settings of a prompt set to the embedding of an anatomy."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from textscf.errors import InputError
from textscf.prompts.background import BACKGROUNDS
from textscf.prompts.embedding import Embedding
from textscf.prompts.encoders import Encoder, EncoderOptions, build_encoder
from textscf.prompts.templates import BACKGROUND, check_template, fill_template, region_name

TEXT_BACKGROUND = "text"
_WITHOUT_TEXT = ("one_hot", "file")


@dataclass(frozen=True)
class PromptSet:
    """Settings of a prompt set; ValueError for one that cannot be.

    Attributes:
        encoder: one of `ENCODERS`.
        background: `svd`, `svd_released`, or `text`: the word "background" is encoded like a region.
        anatomy: ``{body_part, structures: [{label, name, prompt}, ...]}``, labels 1 to N - 1.
        modality: as prompts spell it, e.g. "computerized tomography".
        template: see `textscf.prompts.templates`; None for encoders that read no text.
        model, pretrained, file: of the encoders that take them.
    """

    encoder: str
    anatomy: Mapping[str, Any]
    modality: str
    background: str = "svd"
    template: str | None = None
    model: str | None = None
    pretrained: str | None = None
    file: str | None = None

    def __post_init__(self) -> None:
        self.build_encoder()
        kinds = (*BACKGROUNDS, TEXT_BACKGROUND)
        if self.background not in kinds:
            raise ValueError(f"background is '{self.background}'; expected one of {', '.join(kinds)}")
        if self.encoder == "one_hot" and self.background != TEXT_BACKGROUND:
            raise ValueError(f"background is '{self.background}'; encoder one_hot expects {TEXT_BACKGROUND}")
        if self.encoder in _WITHOUT_TEXT:
            if self.template is not None:
                raise ValueError(f"encoder {self.encoder} reads no text; expected no 'template'")
        elif self.template is None:
            raise ValueError(f"encoder {self.encoder} needs 'template'")
        else:
            check_template(self.template)

    def build_encoder(self, device: str = "cpu") -> Encoder:
        """Its encoder; nothing is read or computed yet."""
        return build_encoder(self.encoder, EncoderOptions(self.model, self.pretrained, self.file, device))

    def prompt(self, structure: str) -> str:
        """What is encoded for a region."""
        if self.template is None:
            return region_name(structure)
        return fill_template(self.template, structure, self.modality, self.anatomy["body_part"])


def embed(settings: PromptSet, device: str = "cpu") -> tuple[Embedding, dict[str, Any]]:
    """Encode the regions of the anatomy, background first; returns the embedding and its provenance."""
    structures = sorted(settings.anatomy["structures"], key=lambda structure: structure["label"])
    words = [BACKGROUND] + [structure["prompt"] for structure in structures]
    prompts = [settings.prompt(word) for word in words]
    encoder = settings.build_encoder(device)
    if settings.background == TEXT_BACKGROUND:
        vectors = encoder.encode([region_name(word) for word in words], prompts)
    else:
        regions = encoder.encode([region_name(word) for word in words[1:]], prompts[1:])
        vectors = np.vstack([_background(settings, regions), regions])
        prompts[0] = ""
    names = [BACKGROUND] + [structure["name"] for structure in structures]
    labels = np.array([0] + [structure["label"] for structure in structures])
    provenance = {**asdict(settings), **encoder.provenance(), "anatomy": settings.anatomy.get("title")}
    provenance = {key: value for key, value in provenance.items() if value is not None}
    return Embedding(labels, names, prompts, vectors.astype(np.float32)), provenance


def _background(settings: PromptSet, regions: np.ndarray) -> np.ndarray:
    try:
        return BACKGROUNDS[settings.background](regions)
    except ValueError as error:
        raise InputError(f"background {settings.background}: {error}") from error
