"""Tests of every backbone: its defaults build, every head works on it, and it learns a real pair."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from benchmarks.volumes import noise_scan

from textscf.files.io import read_image, read_labels
from textscf.files.registry import BACKBONES, entries, entry
from textscf.metrics.overlap import confusion_counts, dice_scores
from textscf.models import RegistrationNetwork, build_network
from textscf.models.network import build_frozen_network
from textscf.registration.inference import predict
from textscf.registration.volumes import Scan
from textscf.spatial import warp_labels
from textscf.study.catalogue import Catalogue
from textscf.training.objective import Objective

SMALL: dict[str, dict[str, Any]] = {
    "lku_net": {"start_channels": 4},
    "voxelmorph": {"encoder": [8, 8, 8, 8], "decoder": [8, 8, 8, 8, 8, 8]},
    "lapirn": {"start_channels": 2},
    "transmorph": {"embed_channels": 8, "depths": [2, 1, 1, 1], "attention_heads": [1, 1, 2, 2], "drop_path": 0.0},
    "tm_tvf": {
        "embed_channels": 8,
        "depths": [2, 1, 1, 1],
        "attention_heads": [1, 1, 2, 2],
        "drop_path": 0.0,
        "head_channels": 8,
        "time_steps": 2,
    },
    "fourier_net": {"start_channels": 4},
    "im2grid": {"start_channels": 2, "matching_channels": 6},
}
HEADS: dict[str, dict[str, Any] | None] = {
    "plain": None,
    "scf": {"kind": "scf", "hidden_channels": 8, "blend": "convex"},
    "scp": {"kind": "scp", "hidden_channels": 8, "coordinate_stride": 4},
}


def settings_of(name: str, head: str) -> dict[str, Any]:
    return {"backbone": {"name": name, **SMALL[name]}, "head": HEADS[head], "integration_steps": 0}


def randomise(network: RegistrationNetwork, std: float) -> None:
    """Move the heads, and weights that start at zero, away from where the field is zero."""
    zero = [parameter for parameter in network.backbone.parameters() if not parameter.any()]
    for parameter in (*network.heads.parameters(), *zero):
        torch.nn.init.normal_(parameter, std=std)


def test_every_backbone_has_small_settings_here_and_defaults_in_the_configuration(root: Path) -> None:
    defaults = Catalogue(root / "config").run_defaults["backbones"]
    assert set(SMALL) == set(entries(BACKBONES)) == set(defaults)
    for name, arguments in defaults.items():
        assert Catalogue(root / "config").stages(name) == len(entry(BACKBONES, name, "backbone").BACKBONE.strides)
        with torch.device("meta"):
            entry(BACKBONES, name, "backbone").BACKBONE(**arguments)


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("name", SMALL)
def test_frozen_network_of_any_size(name: str, head: str) -> None:
    torch.manual_seed(0)
    settings = settings_of(name, head)
    network = build_network(settings, torch.randn(5, 6)).eval()
    randomise(network, 0.05)
    frozen = build_frozen_network(settings, n_regions=5).eval()
    frozen.load_state_dict(network.frozen().state_dict())
    shape = (1, 1, 33, 37, 42)
    inputs = (torch.rand(shape), torch.rand(shape), torch.randint(0, 5, shape), torch.rand(shape))
    with torch.no_grad():
        field = network(*inputs)
        assert field.shape == (1, 3, *shape[2:])
        assert field.abs().max() > 1e-3
        torch.testing.assert_close(frozen(*inputs), field)


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("name", SMALL)
def test_gradients_reach_every_parameter(name: str, head: str) -> None:
    torch.manual_seed(0)
    network = build_network(settings_of(name, head), torch.randn(5, 6))
    randomise(network, 0.2)
    shape = (1, 1, 64, 64, 64)
    inputs = (torch.rand(shape), torch.rand(shape), torch.randint(0, 5, shape), torch.rand(shape))
    network(*inputs).square().sum().backward()
    without = [name for name, p in network.named_parameters() if p.grad is None or p.grad.abs().sum() == 0]
    assert without == []


@pytest.mark.parametrize("head", ["plain", "scf"])
@pytest.mark.parametrize("name", SMALL)
def test_gradients_in_bfloat16_are_those_in_float32(name: str, head: str) -> None:
    """The maps are smaller than some kernels, and freed memory holds large numbers that must not leak into results."""
    torch.manual_seed(0)
    network = build_network(settings_of(name, head), torch.randn(5, 6))
    randomise(network, 0.02)
    fixed, moving = (noise_scan((34, 40, 32), 5, "cpu", seed) for seed in (0, 1))
    gradients = []
    for in_bfloat16 in (False, True, True):
        poison = [torch.full((size,), 1e30) for size in (10**3, 10**4, 10**5, 10**6)]
        del poison
        network.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=in_bfloat16):
            field = network(moving.image, fixed.image, fixed.regions, fixed.confidence)
        field.square().mean().backward()
        gradients.append(torch.cat([p.grad.flatten() for p in network.parameters() if p.grad is not None]))
    for gradient in gradients[1:]:
        assert torch.cosine_similarity(gradient, gradients[0], dim=0) > 0.97


@pytest.fixture(scope="module")
def real_pair(shared: Path) -> tuple[Scan, Scan]:
    """Two hippocampi, cropped to their middle."""
    scans = []
    folder = shared / "data" / "Task04_Hippocampus"
    for path in sorted((folder / "labelsTr").glob("hippocampus_*.nii.gz"))[:2]:
        image = read_image(folder / "imagesTr" / path.name).data
        labels = read_labels(path).data
        middle = tuple(slice((n - 24) // 2, (n - 24) // 2 + 24) for n in image.shape)
        volume = torch.from_numpy(np.ascontiguousarray(image[middle] / image.max()))[None, None].float()
        label = torch.from_numpy(np.ascontiguousarray(labels[middle]).astype(np.uint8))[None, None]
        scans.append(Scan(volume, label, label, torch.ones_like(volume)))
    return scans[0], scans[1]


def dice(fixed: Scan, moving: Scan, displacement: torch.Tensor) -> float:
    warped = warp_labels(moving.labels, displacement)
    return float(dice_scores(confusion_counts(fixed.labels[0, 0].numpy(), warped[0, 0].numpy(), 3))[1:].mean())


@pytest.mark.parametrize(("name", "head"), [*((name, "plain") for name in SMALL), ("lku_net", "scf")])
def test_it_overfits_one_real_pair(name: str, head: str, real_pair: tuple[Scan, Scan]) -> None:
    torch.manual_seed(0)
    fixed, moving = real_pair
    network = build_network(settings_of(name, head), torch.randn(3, 6))
    objective = Objective(
        {"similarity": "mse", "dice": 1.0, "smoothness": 0.02, "regularise": "displacement", "padding": "zeros"}, 3
    )
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
    for _ in range(40):
        optimizer.zero_grad()
        objective(network, fixed, moving)[0].backward()
        optimizer.step()
    network.eval()
    before = dice(fixed, moving, torch.zeros(1, 3, *fixed.image.shape[2:]))
    after = dice(fixed, moving, predict(network, fixed, moving))
    assert after > before + 0.3 * (1 - before), (before, after)
