"""SwinUNETR: windows, weights from files, whole scans of any size."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from textscf.errors import InputError
from textscf.files.state import save_state
from textscf.segmentation.swin_unetr import build_segmentor, check_window, load_segmentor, probabilities

CPU = torch.device("cpu")
SETTINGS: dict[str, Any] = {
    "feature_size": 12,
    "depths": [1, 1, 1, 1],
    "attention_window": 2,
    "window": [64, 32, 32],
    "overlap": 0.25,
}


@pytest.fixture(scope="module")
def network() -> torch.nn.Module:
    torch.manual_seed(0)
    return build_segmentor(SETTINGS, 3).eval()


@pytest.mark.parametrize("window", [[64, 32, 32], [32, 32, 64], [96, 96, 96]])
def test_windows_that_fit(window: list[int]) -> None:
    check_window(window, "segmentor")


@pytest.mark.parametrize("window", [[32, 32, 32], [48, 64, 64], [0, 64, 64], [64, 64, -32]])
def test_windows_that_do_not_fit_are_quoted(window: list[int]) -> None:
    with pytest.raises(InputError, match="segmentor tiny: window is") as caught:
        check_window(window, "segmentor tiny")
    assert str(window) in str(caught.value)


@pytest.mark.parametrize("shape", [(20, 24, 16), (70, 40, 33)])
def test_scans_of_any_size_give_probabilities_of_that_size(network: torch.nn.Module, shape: tuple[int, ...]) -> None:
    image = np.random.default_rng(0).random(shape, dtype=np.float32)
    distribution = probabilities(network, image, SETTINGS, CPU)
    assert distribution.shape == (3, *shape)
    torch.testing.assert_close(distribution.sum(0), torch.ones(shape))
    assert distribution.min() >= 0


@pytest.mark.parametrize("key", ["network", "state_dict"])
def test_weights_come_back(network: torch.nn.Module, key: str, tmp_path: Path) -> None:
    save_state(tmp_path / "network.pt", {key: network.state_dict()})
    loaded = load_segmentor(tmp_path / "network.pt", SETTINGS, 3, CPU)
    assert not loaded.training
    for name, value in network.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value)


def test_missing_weights_say_what_is_expected(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"none\.pt: no such file; expected weights of a SwinUNETR with feature size 12"
    ):
        load_segmentor(tmp_path / "none.pt", SETTINGS, 3, CPU)


def test_file_without_weights_is_refused(tmp_path: Path) -> None:
    save_state(tmp_path / "other.pt", {"step": 3})
    with pytest.raises(InputError, match=r"other\.pt: holds neither 'network' nor 'state_dict'"):
        load_segmentor(tmp_path / "other.pt", SETTINGS, 3, CPU)


def test_weights_that_do_not_fit_are_counted_and_named(network: torch.nn.Module, tmp_path: Path) -> None:
    weights = dict(network.state_dict())
    del weights["out.conv.conv.bias"]
    weights["extra"] = torch.zeros(1)
    weights["out.conv.conv.weight"] = torch.zeros(14, 12, 1, 1, 1)
    save_state(tmp_path / "network.pt", {"network": weights})
    with pytest.raises(InputError, match=r"network\.pt: weights do not fit") as caught:
        load_segmentor(tmp_path / "network.pt", SETTINGS, 3, CPU)
    assert "1 missing, such as out.conv.conv.bias" in str(caught.value)
    assert "1 unexpected, such as extra" in str(caught.value)
    assert "1 of another shape, such as out.conv.conv.weight" in str(caught.value)
