"""Counts against the published code's, against an independent counter, and against counts by hand."""

import json
import math
import runpy
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.cohorts import SHAPE, make_cohort
from textscf.errors import InputError
from textscf.files.io import read_json, read_yaml, write_yaml
from textscf.models import RegistrationNetwork, build_network
from textscf.models.backbone import Backbone, Head, Level
from textscf.models.backbones.lku_net import LargeKernelBlock
from textscf.models.complexity import Complexity, complexity, complexity_of_run, multi_adds, parameters
from textscf.models.heads import ConvolutionHead, FrozenSCFHead, SCFHead
from textscf.prompts.embedding import Embedding, save_embedding
from textscf.segmentation.swin_unetr import build_segmentor

LKU_NET = {"name": "lku_net", "start_channels": 4}
VOXELMORPH = {"name": "voxelmorph", "encoder": [4, 8], "decoder": [8, 8, 4]}
SCF = {"kind": "scf", "hidden_channels": 16, "blend": "convex"}


def network_of(backbone: dict[str, Any], head: dict[str, Any] | None = None) -> RegistrationNetwork:
    settings = {"backbone": backbone, "head": head, "integration_steps": 0}
    return build_network(settings, torch.randn(3, 10))


class _Small(Backbone):
    levels, minimum_size = (Level(4, 2),), 2

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Conv3d(2, 8, 3, 4, 1)
        self.up = nn.ConvTranspose3d(8, 4, 2, 2)

    def forward(self, moving: Tensor, fixed: Tensor, heads: Sequence[Head]) -> Tensor:
        return heads[0](self.up(self.down(torch.cat((moving, fixed), 1))))


class _Attentive(_Small):
    """Every voxel of the small grid attends to every other, in two heads of 4 channels."""

    def __init__(self) -> None:
        super().__init__()
        self.query_key_value = nn.Linear(8, 24, bias=False)

    def forward(self, moving: Tensor, fixed: Tensor, heads: Sequence[Head]) -> Tensor:
        features = self.down(torch.cat((moving, fixed), 1))
        tokens = self.query_key_value(features.flatten(2).transpose(1, 2)).unflatten(2, (3, 2, 4))
        query, key, value = tokens.permute(2, 0, 3, 1, 4)
        mixed = (query @ key.transpose(-2, -1)).softmax(-1) @ value
        return heads[0](self.up(mixed.transpose(1, 2).flatten(2).transpose(1, 2).unflatten(2, features.shape[2:])))


def counted_by_hooks(network: RegistrationNetwork, shape: Sequence[int]) -> int:
    """Multi-adds of a real forward pass: shapes of every layer multiplied, a large-kernel block as its branches."""
    total = 0

    def voxels(volume: Tensor) -> int:
        return math.prod(volume.shape[2:])

    def count(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        if isinstance(module, LargeKernelBlock):
            channels, taps = output.shape[1], 3**3 + module.large.kernel_size[0] ** 3 + 1
            total += channels**2 * taps * voxels(output)
        elif isinstance(module, nn.ConvTranspose3d):
            taps = math.prod(module.kernel_size)
            total += module.in_channels * module.out_channels * taps * voxels(inputs[0])
        elif isinstance(module, nn.Conv3d):
            total += module.in_channels * module.out_channels * math.prod(module.kernel_size) * voxels(output)
        elif isinstance(module, nn.Linear):
            total += module.in_features * module.out_features * math.prod(output.shape[:-1])
        elif isinstance(module, (SCFHead, FrozenSCFHead)):
            total += 3 * inputs[0].shape[1] * voxels(output)

    for module in network.modules():
        module.register_forward_hook(count)
    image, regions = torch.rand(1, 1, *shape), torch.zeros(1, 1, *shape, dtype=torch.uint8)
    with torch.no_grad():
        network(image, image, regions, image)
    return total


def test_multi_adds_counted_by_hand() -> None:
    network = RegistrationNetwork(_Small(), [ConvolutionHead(4)])
    down, up, head = 2 * 8 * 27 * 4**3, 8 * 4 * 8 * 4**3, 4 * 3 * 27 * 8**3
    assert multi_adds(network, (16, 16, 16)) == down + up + head


def test_attention_is_counted_on_its_own() -> None:
    counted = complexity(RegistrationNetwork(_Attentive(), [ConvolutionHead(4)]), (16, 16, 16))
    plain = multi_adds(RegistrationNetwork(_Small(), [ConvolutionHead(4)]), (16, 16, 16))
    tokens = 4**3
    assert counted.multi_adds == plain + tokens * 8 * 24
    assert counted.attention_multi_adds == 2 * 2 * tokens**2 * 4


def test_attention_to_a_neighbourhood_counts_27_products_per_channel() -> None:
    counted = complexity(network_of({"name": "im2grid", "start_channels": 2, "matching_channels": 7}), (16, 16, 16))
    assert counted.attention_multi_adds == 27 * 7 * sum(edge**3 for edge in (16, 8, 4, 2, 1))


@pytest.mark.parametrize("shape", [(16, 18, 20), (17, 23, 16)])
@pytest.mark.parametrize("head", [None, SCF, SCF | {"blend": "additive"}])
@pytest.mark.parametrize(
    "backbone", [LKU_NET, LKU_NET | {"full_resolution": True}, VOXELMORPH], ids=["half", "full", "voxelmorph"]
)
def test_an_independent_counter_agrees(backbone: dict, head: dict | None, shape: tuple[int, ...]) -> None:
    network = network_of(backbone, head)
    expected = multi_adds(network, shape), multi_adds(network.frozen(), shape)
    assert expected == (counted_by_hooks(network, shape), counted_by_hooks(network.frozen(), shape))


def test_an_independent_counter_agrees_on_a_transformer() -> None:
    backbone = {"name": "transmorph", "embed_channels": 4, "depths": [2, 1, 1, 1], "attention_heads": [2, 2, 2, 2]}
    network = network_of({**backbone, "window": [3, 4, 5], "head_channels": 4}, SCF)
    counted = complexity(network.eval(), (32, 40, 35))
    assert counted.multi_adds == counted_by_hooks(network, (32, 40, 35))
    assert counted.attention_multi_adds > 0


def test_multi_adds_of_the_published_lku_net() -> None:
    """18.37 G at half and 36.72 G at full resolution for N_s = 8 at 96x80x128, measured on the published code."""
    for full, expected in ((False, 18.37), (True, 36.72)):
        network = network_of({"name": "lku_net", "start_channels": 8, "full_resolution": full})
        assert round(multi_adds(network, (96, 80, 128)) / 1e9, 2) == expected


def test_multi_adds_of_the_released_text_driven_network() -> None:
    """18.79 G in layers for N_s = 8, C_Phi = 2048, 14 regions of 768; its filters' products come on top."""
    settings = {"backbone": {"name": "lku_net", "start_channels": 8}, "integration_steps": 0}
    head = {"kind": "scf", "hidden_channels": 2048, "blend": "additive"}
    network = build_network({**settings, "head": head}, torch.ones(14, 768))
    layers = multi_adds(network, (96, 80, 128)) - 3 * 16 * 48 * 40 * 64
    assert round(layers / 1e9, 2) == 18.79


def test_frozen_filters_replace_the_mlp_in_both_counts() -> None:
    network = network_of(LKU_NET, SCF)
    mlp = 10 * 16 + 16 + 16 * 32 + 32 + 32 * 24 + 24
    assert parameters(network) - parameters(network.frozen()) == mlp - 3 * 3 * 8
    shape = (16, 16, 16)
    assert multi_adds(network, shape) - multi_adds(network.frozen(), shape) == 3 * (10 * 16 + 16 * 32 + 32 * 24)


def test_filters_from_coordinates_count_at_every_voxel_and_their_mlp_on_the_coarse_grid() -> None:
    head = {"kind": "scp", "hidden_channels": 16, "coordinate_stride": 4}
    shape, features, grid = (16, 16, 16), 8, 8**3
    plain = multi_adds(network_of(LKU_NET), shape) - 27 * 3 * features * grid
    mlp = 2**3 * (3 * 16 + 16 * 32 + 32 * 3 * features)
    assert multi_adds(network_of(LKU_NET, head), shape) == plain + mlp + 3 * features * grid


def test_a_run_is_counted_in_training_and_in_inference() -> None:
    settings = {"backbone": LKU_NET, "head": SCF, "integration_steps": 7}
    network = network_of(LKU_NET, SCF)
    shape = (16, 16, 16)
    expected = {"training": complexity(network, shape), "inference": complexity(network.frozen(), shape)}
    assert complexity_of_run(settings, shape, (3, 10)) == expected
    counted = complexity_of_run({**settings, "head": None}, shape, None)
    assert counted["training"] == counted["inference"] == complexity(network_of(LKU_NET), shape)


def test_counting_leaves_the_network_as_it_was() -> None:
    network = network_of(LKU_NET, SCF)
    complexity(network, (16, 16, 16))
    assert {p.device.type for p in network.parameters()} == {"cpu"}
    assert not any(module._forward_hooks for module in network.modules())


def test_a_volume_that_the_network_cannot_take_is_refused() -> None:
    with pytest.raises(InputError, match="LKUNet cannot take volumes of 8x16x16 voxels"):
        complexity(network_of(LKU_NET), (8, 16, 16))


@pytest.fixture
def script(root: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Runs a script of src/ in this process and returns its exit code."""

    def call(name: str, *arguments: object) -> int:
        monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
        monkeypatch.setattr("textscf.job.cli.setup_logging", lambda log_file: None)
        with pytest.raises(SystemExit) as stopped:
            runpy.run_path(str(root / "src" / f"{name}.py"), run_name="__main__")
        return stopped.value.code or 0

    return call


def test_script(script: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--backbone", "lku_net", "--start-channels", 8, "--shape", 96, 80, 128, "--full-resolution"]
    assert script("complexity", *arguments) == 0
    network = network_of({"name": "lku_net", "start_channels": 8, "full_resolution": True})
    plain = json.loads(capsys.readouterr().out)
    assert Complexity(**plain) == complexity(network, (96, 80, 128))
    assert plain["parameters"] == 2_086_342
    head = ["--scf", 14, "--embedding-size", 768, "--hidden-channels", 2048, "--blend", "additive"]
    assert script("complexity", *arguments, *head, "--frozen") == 0
    assert json.loads(capsys.readouterr().out)["parameters"] == 2_086_342 + 3 + 14 * 3 * 16


def test_script_takes_any_argument_of_a_backbone(
    script: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--backbone", "voxelmorph", "--shape", 16, 16, 16]
    assert script("complexity", *arguments, "--set", "encoder=[4,8]", "--set", "decoder=[8,8,4]") == 0
    assert json.loads(capsys.readouterr().out)["parameters"] == parameters(network_of(VOXELMORPH))
    assert script("complexity", *arguments, "--set", "encoderr=[4]") == 2
    assert "encoderr" in capsys.readouterr().err
    assert script("complexity", *arguments, "--set", "encoder") == 2
    assert "'encoder' is not of the form key=value" in capsys.readouterr().err


def test_script_of_runs_reads_their_cohorts_and_embeddings(script: Callable[..., int], tmp_path: Path) -> None:
    make_cohort(tmp_path / "cohorts/blobs")
    embedding = Embedding(np.arange(3), ["background", "a", "b"], ["", "a", "b"], np.eye(3, 10, dtype=np.float32))
    save_embedding(tmp_path / "cohorts/blobs/prompts/few/embedding.npz", embedding, {})
    configs = []
    segmentor = {"source": "train", "feature_size": 12, "depths": [1, 1, 1, 1], "attention_window": 2}
    write_yaml(tmp_path / "cohorts/blobs/segmentations/tiny/config.yaml", segmentor)
    for run, head, prompts in (("textscf", SCF, "few"), ("lku_net", None, None)):
        network = {"backbone": LKU_NET, "head": head, "integration_steps": 0}
        configs.append(tmp_path / run / "config.yaml")
        settings = {"run": run, "cohort": "blobs", "segmentor": "tiny" if head else None, "prompts": prompts}
        write_yaml(configs[-1], {**settings, "network": network})
    assert script("run_complexity", "--configs", *configs, "--results", tmp_path) == 0
    for path, embedding_shape in zip(configs, ((3, 10), None), strict=True):
        settings, content = read_yaml(path), read_json(path.with_name("complexity.json"))
        assert (content["run"], content["shape"]) == (settings["run"], list(SHAPE))
        expected = complexity_of_run(settings["network"], SHAPE, embedding_shape)
        assert {use: Complexity(**content[use]) for use in expected} == expected
        built = build_segmentor(segmentor, 3) if settings["segmentor"] else nn.Module()
        assert content["segmentor_parameters"] == sum(each.numel() for each in built.parameters())
