"""SwinUNETR (Hatamizadeh et al. 2022, Tang et al. 2022) from MONAI, and its application to a whole scan."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.inferers import sliding_window_inference
from monai.networks.nets import SwinUNETR
from torch import Tensor, nn

from textscf.errors import InputError
from textscf.files.state import load_state
from textscf.models.convolution import hasten

_EDGE = 32
_NAMED_IN_MESSAGE = 3


def build_segmentor(settings: Mapping[str, Any], n_regions: int) -> nn.Module:
    """Untrained SwinUNETR with one output channel for each region, the background included."""
    network = SwinUNETR(
        in_channels=1,
        out_channels=n_regions,
        feature_size=settings["feature_size"],
        depths=tuple(settings["depths"]),
        window_size=settings["attention_window"],
    )
    return hasten(network).to(memory_format=torch.channels_last_3d)


def segmentor_parameters(settings: Mapping[str, Any], n_regions: int) -> int:
    """Number of parameters of a segmentor with these settings; 0 for label maps of the cohort."""
    if settings["source"] == "ground_truth":
        return 0
    return sum(each.numel() for each in build_segmentor(settings, n_regions).parameters())


def check_window(window: Sequence[int], source: str) -> None:
    """Raise InputError unless each edge is a multiple of 32 and the deepest level, 1/32, has more than one voxel."""
    if any(edge < _EDGE or edge % _EDGE for edge in window) or math.prod(window) == _EDGE**3:
        raise InputError(
            f"{source}: window is {list(window)}; expected multiples of {_EDGE}, at least one of {2 * _EDGE} or more"
        )


def load_segmentor(path: Path, settings: Mapping[str, Any], n_regions: int, device: torch.device) -> nn.Module:
    """Load a segmentor with the weights of a file, in evaluation mode; see `read_weights` and `segmentor_with`."""
    return segmentor_with(read_weights(path, settings), settings, n_regions, device, str(path))


def read_weights(path: Path, settings: Mapping[str, Any]) -> Mapping[str, Any]:
    """Read a file's state dictionary, `network` (ours) or `state_dict` (MONAI's). Raises InputError without one."""
    if not path.is_file():
        raise InputError(
            f"{path}: no such file; expected weights of a SwinUNETR with feature size {settings['feature_size']}"
        )
    content = load_state(path)
    weights = content.get("network", content.get("state_dict"))
    if not isinstance(weights, Mapping):
        raise InputError(f"{path}: holds neither 'network' nor 'state_dict'; expected weights of a SwinUNETR")
    return weights


def segmentor_with(
    weights: Mapping[str, Any], settings: Mapping[str, Any], n_regions: int, device: torch.device, source: str
) -> nn.Module:
    """Build a segmentor with given weights, in evaluation mode.

    Args:
        weights: state dictionary of the network.
        settings: settings of the segmentor, see `config/schemas/segmentor.yaml`.
        n_regions: number of regions, the background included.
        device: where to compute.
        source: where the weights come from, for messages.

    Raises:
        InputError: weights are missing, unexpected, or of another shape.
    """
    network = build_segmentor(settings, n_regions).to(device)
    problems = _differences(network.state_dict(), weights)
    if problems:
        raise InputError(f"{source}: weights do not fit a SwinUNETR of the segmentor's settings: {problems}")
    network.load_state_dict(weights)
    return network.eval()


def _differences(wanted: Mapping[str, Tensor], found: Mapping[str, Any]) -> str:
    """Number of keys that are missing, unexpected or of another shape, with the first names; empty if all fit."""
    shapes = {key: _shape(found[key]) for key in sorted(wanted.keys() & found.keys())}
    kinds = {
        "missing": sorted(wanted.keys() - found.keys()),
        "unexpected": sorted(map(str, found.keys() - wanted.keys())),
        "of another shape": [
            f"{key} {shape} instead of {_shape(wanted[key])}"
            for key, shape in shapes.items()
            if shape != _shape(wanted[key])
        ],
    }
    return "; ".join(
        f"{len(keys)} {kind}, such as {', '.join(keys[:_NAMED_IN_MESSAGE])}" for kind, keys in kinds.items() if keys
    )


def _shape(value: Any) -> tuple[int, ...] | str:
    return tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__


def probabilities(network: nn.Module, image: np.ndarray, settings: Mapping[str, Any], device: torch.device) -> Tensor:
    """d(x): softmax ``(N, H, W, D)`` on `device` of an image ``(H, W, D)``, by overlapping windows."""
    tensor = torch.from_numpy(image)[None, None].to(device)
    with torch.inference_mode():
        logits = sliding_window_inference(
            tensor, settings["window"], 2, network, overlap=settings["overlap"], mode="gaussian"
        )
    return logits[0].softmax(0)
