"""Counts against the published code's, and against a count by hand."""

import json
import subprocess
import sys
from pathlib import Path

import torch
from torch import nn

from textscf.complexity import multi_adds, parameters
from textscf.models import RegistrationNetwork, build_network
from textscf.models.backbones import Backbone
from textscf.models.heads import ConvolutionHead


class _Small(Backbone):
    feature_channels, stride, minimum_size = 4, 2, 2

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Conv3d(2, 8, 3, 4, 1)
        self.up = nn.ConvTranspose3d(8, 4, 2, 2)

    def forward(self, moving: torch.Tensor, fixed: torch.Tensor) -> torch.Tensor:
        return self.up(self.down(torch.cat((moving, fixed), 1)))


def test_multi_adds_counted_by_hand() -> None:
    network = RegistrationNetwork(_Small(), ConvolutionHead(4))
    down, up, head = 2 * 8 * 27 * 4**3, 8 * 4 * 8 * 4**3, 4 * 3 * 27 * 8**3
    assert multi_adds(network, (16, 16, 16)) == down + up + head


def test_multi_adds_of_the_published_lku_net() -> None:
    """18.37 G at half and 36.72 G at full resolution for N_s = 8 at 96x80x128, measured on the published code."""
    for full, expected in ((False, 18.37), (True, 36.72)):
        backbone = {"name": "lku_net", "start_channels": 8, "full_resolution": full}
        network = build_network({"backbone": backbone, "head": None, "integration_steps": 0})
        assert round(multi_adds(network, (96, 80, 128)) / 1e9, 2) == expected


def test_frozen_filters_replace_the_mlp_in_both_counts() -> None:
    settings = {"backbone": {"name": "lku_net", "start_channels": 4}, "integration_steps": 0}
    head = {"hidden_channels": 16, "blend": "convex"}
    network = build_network({**settings, "head": head}, torch.zeros(3, 10))
    mlp = 10 * 16 + 16 + 16 * 32 + 32 + 32 * 24 + 24
    assert parameters(network) - parameters(network.frozen()) == mlp - 3 * 3 * 8
    shape = (16, 16, 16)
    assert multi_adds(network, shape) - multi_adds(network.frozen(), shape) == 3 * (10 * 16 + 16 * 32 + 32 * 24)


def test_script(root: Path) -> None:
    command = [sys.executable, root / "src/complexity.py", "--backbone", "lku_net", "--start-channels", "8"]
    output = subprocess.check_output([*command, "--shape", "96", "80", "128", "--full-resolution"], text=True)
    assert json.loads(output)["parameters"] == 2_086_342
