"""Makes the embedding of an anatomy from the settings of a prompt set."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from textscf.errors import InputError
from textscf.files.names import suggest
from textscf.prompts.background import BACKGROUNDS
from textscf.prompts.embedding import Embedding
from textscf.prompts.encoder import Encoder, EncoderOptions, build_encoder
from textscf.prompts.templates import BACKGROUND, check_template, fill_template, region_name

TEXT_BACKGROUND = "text"


class Region(NamedTuple):
    """A region: its label, its name, the word with which prompts name it, and its prompt."""

    label: int
    name: str
    word: str
    prompt: str


@dataclass(frozen=True)
class PromptSet:
    """Settings of a prompt set. Raises ValueError for invalid settings.

    Attributes:
        encoder: a module of `textscf.prompts.encoders`.
        background: `svd`, `svd_released`, or `text`, which encodes the word "background" like a region.
        anatomy: ``{body_part, structures: [{label, name, prompt}, ...]}``, labels 1 to N - 1.
        modality: imaging modality as prompts spell it, e.g. "computerized tomography".
        auxiliary: ``{anatomy, modality}`` of an auxiliary cohort. Its m structures are regions N to N + m - 1, and
            their prompts have its body part and modality. The background's prompt has those of the first anatomy.
        template: template of the prompts, see `textscf.prompts.templates`; None for encoders that read no text.
        model, pretrained, file: options of the encoders that take them.
        rename: maps the name of a structure, as prompts spell it, to the name that its prompt has instead.
    """

    encoder: str
    anatomy: Mapping[str, Any]
    modality: str
    background: str = "svd"
    template: str | None = None
    model: str | None = None
    pretrained: str | None = None
    file: str | None = None
    auxiliary: Mapping[str, Any] | None = None
    rename: Mapping[str, str] | None = None

    def __post_init__(self) -> None:
        encoder = self.build_encoder()
        kinds = (*BACKGROUNDS, TEXT_BACKGROUND)
        if self.background not in kinds:
            raise ValueError(f"background is '{self.background}'; expected one of {', '.join(kinds)}")
        if self.encoder == "one_hot" and self.background != TEXT_BACKGROUND:
            raise ValueError(f"background is '{self.background}'; encoder one_hot expects {TEXT_BACKGROUND}")
        if not encoder.reads_text:
            if self.template is not None:
                raise ValueError(f"encoder {self.encoder} reads no text; expected no 'template'")
        elif self.template is None:
            raise ValueError(f"encoder {self.encoder} needs 'template'")
        else:
            check_template(self.template)
        words = {word for anatomy, _ in self.sources() for word in _words(anatomy).values()}
        for word in self.rename or {}:
            if word not in words:
                raise ValueError(f"rename: no structure is called '{word}'{suggest(word, words)}")

    def build_encoder(self, device: str = "cpu", data_root: Path | None = None) -> Encoder:
        """Create the encoder; nothing is read or computed yet."""
        return build_encoder(self.encoder, EncoderOptions(self.model, self.pretrained, self.file, device, data_root))

    @property
    def title(self) -> str:
        """Title of the anatomy, or the titles of both anatomies."""
        return " and ".join(anatomy["title"] for anatomy, _ in self.sources())

    def sources(self) -> list[tuple[Mapping[str, Any], str]]:
        """Anatomy and modality of the cohort and, if given, of the auxiliary cohort."""
        both = [(self.anatomy, self.modality)]
        return both + ([(self.auxiliary["anatomy"], self.auxiliary["modality"])] if self.auxiliary else [])

    def regions(self) -> list[Region]:
        """All regions, background first."""
        prompt = self._prompt(BACKGROUND, self.anatomy, self.modality)
        regions = [Region(0, BACKGROUND, BACKGROUND, prompt)]
        for anatomy, modality in self.sources():
            before = len(regions) - 1
            words = _words(anatomy)
            for structure in sorted(anatomy["structures"], key=lambda structure: structure["label"]):
                word = words[structure["label"]]
                word = (self.rename or {}).get(word, word)
                prompt = self._prompt(word, anatomy, modality)
                regions.append(Region(before + structure["label"], structure["name"], word, prompt))
        return regions

    def _prompt(self, word: str, anatomy: Mapping[str, Any], modality: str) -> str:
        if self.template is None:
            return word
        return fill_template(self.template, word, modality, anatomy["body_part"])


def _words(anatomy: Mapping[str, Any]) -> dict[int, str]:
    """Names of the structures as prompts spell them, by label."""
    return {structure["label"]: region_name(structure["prompt"]) for structure in anatomy["structures"]}


def embed(settings: PromptSet, device: str = "cpu", data_root: Path | None = None) -> tuple[Embedding, dict[str, Any]]:
    """Encode the regions, background first. Returns the embedding and its provenance.

    `data_root` is a local mirror, searched for an encoder's weights before any download.
    """
    labels, names, words, prompts = (list(part) for part in zip(*settings.regions(), strict=True))
    encoder = settings.build_encoder(device, data_root)
    if settings.background == TEXT_BACKGROUND:
        vectors = encoder.encode(words, prompts)
    else:
        regions = encoder.encode(words[1:], prompts[1:])
        vectors = np.vstack([_background(settings, regions), regions])
        prompts[0] = ""
    provenance = {**asdict(settings), **encoder.provenance(), "anatomy": settings.anatomy.get("title")}
    if settings.auxiliary:
        provenance["auxiliary"] = {**settings.auxiliary, "anatomy": settings.auxiliary["anatomy"]["title"]}
    provenance = {key: value for key, value in provenance.items() if value is not None}
    return Embedding(np.array(labels), names, prompts, vectors.astype(np.float32)), provenance


def _background(settings: PromptSet, regions: np.ndarray) -> np.ndarray:
    try:
        return BACKGROUNDS[settings.background](regions)
    except ValueError as error:
        raise InputError(f"background {settings.background}: {error}") from error
