"""Checkpoint of a trained run; inference, evaluation and `src/register.py` read it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.modules.module import register_module_parameter_registration_hook

from textscf.data.cohort import Cohort
from textscf.errors import InputError
from textscf.files.io import read_json, read_yaml
from textscf.files.state import load_state, save_state
from textscf.models import RegistrationNetwork
from textscf.models.network import build_frozen_network

FORMAT = "textscf checkpoint 1"
_DESCRIBED = ("name", "title", "notice", "licence", "modality", "anatomy", "shape", "spacing", "affine")


@dataclass(frozen=True)
class TrainedRun:
    """A trained network with frozen region filters.

    Attributes:
        network: network in evaluation mode.
        run: settings of the run.
        cohort: description of the run's cohort.
        segmentor: `settings` and `weights` of the segmentor in a released model; None for other checkpoints.
        covered: smallest and largest share of the training scans' content that their structures cover, of a released
            model (see `textscf.registration.coverage`); None for other checkpoints.
    """

    network: RegistrationNetwork
    run: dict[str, Any]
    cohort: dict[str, Any]
    segmentor: Mapping[str, Any] | None = None
    covered: tuple[float, float] | None = None


def export_checkpoint(path: Path, network: RegistrationNetwork, run: Mapping[str, Any], cohort: Cohort) -> None:
    """Write `network` with frozen filters, and the settings needed to apply it to new scans."""
    content = {
        "format": FORMAT,
        "run": dict(run),
        "cohort": description(cohort),
        "network": network.frozen().state_dict(),
    }
    save_state(path, content)


def load_checkpoint(path: Path, device: torch.device) -> TrainedRun:
    """Read a checkpoint; InputError if the file is not a checkpoint or its weights do not fit its settings."""
    content = load_state(path, device)
    if content.get("format") != FORMAT:
        found = f"format {content.get('format')!r:.60}"
        raise InputError(f"{path}: is no checkpoint of a run ({found}); expected '{FORMAT}'")
    missing = [key for key in ("run", "cohort", "network") if not isinstance(content.get(key), Mapping)]
    if missing:
        raise InputError(f"{path}: has no {missing[0]}; expected run, cohort and network")
    run, cohort = content["run"], content["cohort"]
    try:
        with _at_most(path.stat().st_size):
            network = build_frozen_network(run["network"], _regions(content["network"], cohort))
        network.load_state_dict(content["network"])
    except (InputError, RuntimeError, LookupError, AttributeError, TypeError, ValueError, ArithmeticError) as error:
        reason = " ".join(str(error).split())[:300]
        raise InputError(f"{path}: weights do not fit the network of its settings ({reason})") from error
    if not all(weights.isfinite().all() for weights in network.state_dict().values()):
        raise InputError(f"{path}: has weights that are not finite; expected those of a finished training")
    segmentor, covered = _segmentor(path, content.get("segmentor")), _covered(path, content.get("covered"))
    return TrainedRun(network.to(device).eval(), run, cohort, segmentor, covered)


@contextmanager
def _at_most(weights: int) -> Iterator[None]:
    """Raise ValueError if a network that is built in this context gets more weights, before they take memory.

    The settings in a small file could otherwise ask for a network that fills the memory.
    """
    total = 0

    def count(module: nn.Module, name: str, parameter: nn.Parameter | None) -> None:
        nonlocal total
        total += 0 if parameter is None else parameter.numel()
        if total > weights:
            raise ValueError(f"its settings ask for more than {weights} weights, which the file cannot hold")

    hook = register_module_parameter_registration_hook(count)
    try:
        yield
    finally:
        hook.remove()


def _segmentor(path: Path, content: Any) -> Mapping[str, Any] | None:
    """The segmentor in a released model, None without one; InputError for anything else."""
    parts = [content.get(key) for key in ("settings", "weights")] if isinstance(content, Mapping) else [content]
    if content is not None and (len(parts) < 2 or not all(isinstance(part, Mapping) for part in parts)):
        raise InputError(f"{path}: segmentor: expected its settings and weights, as src/release.py writes them")
    found: Mapping[str, Any] | None = content
    return found


def _covered(path: Path, content: Any) -> tuple[float, float] | None:
    """The range of shares in a released model, None without one; InputError for anything else."""
    if content is None:
        return None
    try:
        low, high = (float(share) for share in content)
    except (TypeError, ValueError):
        low, high = 1.0, 0.0
    if not 0 <= low <= high <= 1:
        raise InputError(f"{path}: covered: expected two shares in order, as src/release.py writes them")
    return low, high


def _regions(state: Mapping[str, torch.Tensor], cohort: Mapping[str, Any]) -> int:
    """Number of regions with filters in a network: those of the cohort and of an encoded auxiliary cohort."""
    stored = [len(value) for name, value in state.items() if name.endswith(".stored")]
    return max([len(cohort["anatomy"]["structures"]) + 1, *stored])


def description(cohort: Cohort) -> dict[str, Any]:
    """Description of a cohort, needed to prepare new scans: anatomy, grid and preprocessing."""
    content = read_json(cohort.folder / "cohort.json")
    kept = {key: content[key] for key in _DESCRIBED}
    return {**kept, "preprocess": read_yaml(cohort.folder / "config.yaml")["preprocess"]}
