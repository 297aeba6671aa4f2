"""Check of the paper's complexity claim (abstract; section 4.3.4) on networks counted in several ways."""

import dataclasses
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from textscf.files.fill import fill
from textscf.files.io import read_yaml
from textscf.models import build_network
from textscf.models.complexity import complexity
from textscf.tables.complexity_table import CONVENTION, counts, giga
from textscf.tables.content import Content
from textscf.tables.display import UNDEFINED, Cell, Column, Display, number

_REDUCTIONS = {"parameters": "parameter_reduction_percent", "multi_adds": "multi_add_reduction_percent"}


@dataclass(frozen=True)
class Network:
    """A network to count.

    Attributes:
        label: name shown.
        backbone, head: settings, see `build_network`; with `head` None, the backbone's own head.
        stored: whether the filters of a text-driven head are stored, so that its MLP does not count.
        unused_parameters: number of parameters in unused layers of the published code, which we do not build.
    """

    label: str
    backbone: dict[str, Any]
    head: dict[str, Any] | None = None
    stored: bool = False
    unused_parameters: int = 0


@dataclass(frozen=True)
class Claim:
    """A complexity claim: the networks to compare and their input sizes.

    Attributes:
        caption: first sentence of the table's caption.
        shape: shape of the volumes, (H, W, D).
        embedding_shape: number of regions N with the background, and length C1 of their text vectors.
        reference: network with which the candidates are compared.
        candidates: networks that the claim may be about.
        notes: footnotes of the table.
    """

    caption: str
    shape: list[int]
    embedding_shape: list[int]
    reference: Network
    candidates: list[Network]
    notes: list[str]


def load_claim(path: Path) -> Claim:
    """Read the YAML file of a complexity claim; InputError if it is not one."""
    claim = fill(Claim, read_yaml(path), path)
    reference = fill(Network, claim.reference, f"{path}: reference")
    candidates = [fill(Network, each, f"{path}: candidates[{n}]") for n, each in enumerate(claim.candidates)]
    return dataclasses.replace(claim, reference=reference, candidates=candidates)


def check_claim(claim: Claim, reported: Path) -> Content:
    """Count all networks and compare them with the paper: one line per network, the reference first.

    Columns of the frame: network, parameters, multi_adds. Then, for each of the two counts, the columns
    `<count>_reduction_percent` (against the reference), the same name with `_paper` (the paper's value) and with `_met`
    (whether both agree to two decimals). The names have `parameter` and `multi_add` as `<count>`. These columns are
    empty for the reference.
    """
    paper = read_yaml(reported)["complexity"]
    frame = pd.DataFrame([_count(network, claim) for network in (claim.reference, *claim.candidates)])
    for count, name in _REDUCTIONS.items():
        reduction = (100 * (1 - frame[count] / frame[count].iloc[0])).where(frame.index > 0)
        frame[name] = reduction
        frame[f"{name}_paper"] = reduction.mask(frame.index > 0, paper[name])
        frame[f"{name}_met"] = reduction.round(2).eq(paper[name]).astype(object).where(frame.index > 0, None)
    return Content(frame, _display(claim, frame))


def _count(network: Network, claim: Claim) -> dict[str, Any]:
    settings = {"backbone": network.backbone, "head": network.head, "integration_steps": 0}
    built = build_network(settings, torch.ones(claim.embedding_shape) if network.head else None)
    counted = complexity(built.frozen() if network.stored else built, claim.shape)
    size = counted.parameters + network.unused_parameters
    return {"network": network.label, "parameters": size, "multi_adds": counted.multi_adds}


def _display(claim: Claim, frame: pd.DataFrame) -> Display:
    shape = "x".join(map(str, claim.shape))
    regions, length = claim.embedding_shape
    columns = [
        Column("Network", "", [Cell(label) for label in frame["network"]]),
        *_columns("Parameters", "number", counts(frame["parameters"]), frame, _REDUCTIONS["parameters"]),
        *_columns("Multi-adds", "G", giga(frame["multi_adds"]), frame, _REDUCTIONS["multi_adds"]),
    ]
    caption = (
        f"{claim.caption} For a pair of volumes of {shape} voxels, {regions} regions with the background and text "
        f"vectors of length {length}; reductions against {claim.reference.label}."
    )
    return Display(
        "Complexity claim", "complexity_claim", caption, columns, [*_verdict(frame), *claim.notes, *CONVENTION]
    )


def _columns(heading: str, unit: str, cells: list[Cell], frame: pd.DataFrame, name: str) -> list[Column]:
    met = frame[f"{name}_met"]
    ours = [Cell(_percent(value), bold=agrees is True) for value, agrees in zip(frame[name], met, strict=True)]
    paper = [Cell(_percent(value)) for value in frame[f"{name}_paper"]]
    verdict = [Cell({True: "yes", False: "no"}.get(agrees, UNDEFINED)) for agrees in met]
    parts = {unit: cells, "fewer (%)": ours, "paper (%)": paper, "met": verdict}
    return [Column(heading, subheading, column) for subheading, column in parts.items()]


def _percent(value: float) -> str:
    return number(value, 2) if math.isnan(value) else f"{value:.2f}".replace("-", "−")


def _verdict(frame: pd.DataFrame) -> list[str]:
    """Sentences on the networks that meet each number of the claim, and on those larger than the reference."""
    candidates = frame.iloc[1:]
    met = {name: candidates[f"{name}_met"].astype(bool) for name in _REDUCTIONS.values()}
    sentences = []
    for count, name in _REDUCTIONS.items():
        claimed = f"{frame[f'{name}_paper'].iloc[1]:.2f} % fewer {count.replace('_', '-')}"
        sentences.append(f"{claimed}: met by {_names(candidates[met[name]])}.")
    both = candidates[pd.concat(met.values(), axis=1).all(axis=1)]
    larger = candidates[candidates[_REDUCTIONS["parameters"]] < 0]
    more = f"More parameters than {frame['network'].iloc[0]}: {_names(larger)}."
    return [" ".join([*sentences, f"Both: met by {_names(both)}."]), *([more] if len(larger) else [])]


def _names(networks: pd.DataFrame) -> str:
    return "; ".join(networks["network"]) or "none of these networks"
