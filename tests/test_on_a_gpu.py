"""A training step on a GPU: equal to the CPU's, in every form, and without a wait."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from benchmarks.volumes import noise_scan

from tests.test_backbones import SMALL
from textscf.files.registry import BACKBONES, entries
from textscf.models import build_network
from textscf.registration.volumes import Scan
from textscf.training.objective import Objective
from textscf.training.step import TrainingStep

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")

SHAPE = (32, 36, 40)
RATE = 1e-4
HEAD = {"kind": "scf", "hidden_channels": 64, "blend": "convex"}


@pytest.fixture(params=entries(BACKBONES))
def backbone(request: pytest.FixtureRequest) -> dict[str, Any]:
    return {"name": request.param, **SMALL[request.param]}


def new_step(
    backbone: dict[str, Any], device: str, precision: str, compiled: bool = False
) -> tuple[TrainingStep, Scan, Scan]:
    torch.manual_seed(1)
    network = build_network({"backbone": backbone, "head": HEAD, "integration_steps": 2}, torch.randn(5, 7))
    loss = Objective(
        {"similarity": "mse", "dice": 1.0, "smoothness": 0.1, "regularise": "displacement", "padding": "zeros"}, 5
    )
    fixed, moving = (noise_scan(SHAPE, 5, device, seed) for seed in (0, 1))
    return TrainingStep(network.to(device), loss, precision, compiled=compiled), fixed, moving


@pytest.fixture
def waiting_is_an_error() -> Iterator[None]:
    torch.cuda.set_sync_debug_mode("error")
    yield
    torch.cuda.set_sync_debug_mode("default")


def test_in_float32_steps_are_those_of_the_cpu(backbone: dict[str, Any]) -> None:
    found, expected = (
        torch.stack([step(fixed, moving, RATE).cpu() for _ in range(3)])
        for step, fixed, moving in (new_step(backbone, device, "float32") for device in ("cuda", "cpu"))
    )
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-5)


def test_in_bfloat16_and_compiled_steps_are_close_to_those_in_float32(backbone: dict[str, Any]) -> None:
    plain, fixed, moving = new_step(backbone, "cuda", "float32")
    expected = torch.stack([plain(fixed, moving, RATE) for _ in range(3)])
    step, fixed, moving = new_step(backbone, "cuda", "bfloat16", compiled=True)
    found = torch.stack([step(fixed, moving, RATE) for _ in range(3)])
    torch.testing.assert_close(found, expected, rtol=3e-2, atol=1e-4)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_step_waits_for_nothing(backbone: dict[str, Any], precision: str, request: pytest.FixtureRequest) -> None:
    step, fixed, moving = new_step(backbone, "cuda", precision)
    step(fixed, moving, RATE)
    request.getfixturevalue("waiting_is_an_error")
    step(fixed, moving, RATE)
