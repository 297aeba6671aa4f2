"""Tests of the GPU code that need no GPU: waits of the host, compilation to one graph, Triton's kernels."""

import importlib.util
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch._subclasses.fake_tensor import DataDependentOutputException, DynamicOutputShapeException
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from tests.fake_cuda import on_fake_cuda
from textscf.files.registry import BACKBONES, entries
from textscf.models import build_network
from textscf.study.catalogue import Catalogue
from textscf.training.objective import Objective

pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="Triton is for Linux alone"),
    pytest.mark.no_cover,  # PyTorch's compiler, which is Python, takes twice as long under coverage
]

SHAPE = (96, 80, 128)
HEADS: dict[str, dict[str, Any] | None] = {
    "scf": {"kind": "scf", "hidden_channels": 8, "blend": "convex"},
    "scp": {"kind": "scp", "hidden_channels": 8, "coordinate_stride": 8},
    "plain": None,
}

FEWER = {"depths": [2, 1, 1, 1], "time_steps": 2}


class Waits(TorchDispatchMode):
    """Collects copies between host and GPU, for which the host waits until the GPU is idle.

    What else it would wait for, numbers and sizes that depend on values, does not exist without values, and raises.
    """

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        before, after = (_devices(values) for values in ((args, kwargs), out))
        if before and after and before != after:
            self.found.append(str(func))
        return out


def _devices(values: Any) -> set[str]:
    return {value.device.type for value in tree_leaves(values) if isinstance(value, torch.Tensor)}


ROOT = Path(__file__).resolve().parents[1]


def settings_of(backbone: str, head: str) -> dict[str, Any]:
    """Settings of the paper's size, with fewer repetitions of the same transformer block and the same time step."""
    options = dict(Catalogue(ROOT / "config").run_defaults["backbones"][backbone])
    options |= {key: value for key, value in FEWER.items() if key in options}
    return {"backbone": {"name": backbone, **options}, "head": HEADS[head], "integration_steps": 7}


def loss_of(similarity: str) -> Objective:
    return Objective(
        {"similarity": similarity, "dice": 1.0, "smoothness": 0.1, "regularise": "displacement", "padding": "zeros"}, 5
    )


@pytest.mark.parametrize(
    ("backbone", "head"), [*((name, "scf") for name in entries(BACKBONES)), ("lku_net", "scp"), ("lku_net", "plain")]
)
def test_the_host_waits_for_nothing_in_a_loss(backbone: str, head: str) -> None:
    network = build_network(settings_of(backbone, head), torch.randn(5, 7))
    with on_fake_cuda(network, SHAPE) as scan, Waits() as waits:
        values = loss_of("multi_window_ncc")(network, scan, scan)
    assert values.device.type == "cuda"
    assert not waits.found


def test_waiting_is_found() -> None:
    with on_fake_cuda(torch.nn.Linear(1, 1), SHAPE) as scan, Waits() as waits:
        scan.image.new_tensor([1.0, 2.0])
        scan.image.cpu()
        with pytest.raises(DataDependentOutputException):
            scan.image.sum().item()
        with pytest.raises(DynamicOutputShapeException):
            scan.image[scan.image > 0]
    assert [name.split(".")[1] for name in waits.found] == ["_to_copy", "_to_copy"]


@pytest.mark.parametrize("backbone", entries(BACKBONES))
def test_a_loss_is_compiled_as_one_graph(backbone: str) -> None:
    network = build_network(settings_of(backbone, "scf"), torch.randn(5, 7))
    with on_fake_cuda(network, SHAPE) as scan:
        explained = torch._dynamo.explain(loss_of("mse"))(network, scan, scan)
    assert explained.graph_count == 1, explained.break_reasons


@pytest.mark.parametrize(("capability", "labels"), [(80, "*u8"), (90, "*i16")])
def test_the_kernels_of_the_dice_loss_compile_without_spilling(capability: int, labels: str, tmp_path: Path) -> None:
    import triton.backends.nvidia
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from textscf.losses import dice_kernels

    tool = Path(triton.backends.nvidia.__file__).parent / "bin" / "cuobjdump"
    for kernel in (dice_kernels._sums, dice_kernels._gradient):
        signature = {name: _type(name, labels) for name in kernel.arg_names}
        source = ASTSource(kernel, signature, constexprs={"BLOCK": dice_kernels._BLOCK})
        binary = tmp_path / "kernel.cubin"
        binary.write_bytes(triton.compile(source, target=GPUTarget("cuda", capability, 32)).asm["cubin"])
        usage = subprocess.run([tool, "--dump-resource-usage", binary], capture_output=True, text=True, check=True)
        found = dict(re.findall(r"(REG|STACK|LOCAL):(\d+)", usage.stdout))
        assert found["STACK"] == found["LOCAL"] == "0"
        assert 0 < int(found["REG"]) <= 128


def _type(argument: str, labels: str) -> str:
    if argument == "BLOCK":
        return "constexpr"
    if argument in ("fixed", "moving"):
        return labels
    return "i32" if argument in ("height", "width", "depth", "n") else "*fp32"


@pytest.fixture(autouse=True)
def _fresh_compiler() -> Iterator[None]:
    yield
    torch._dynamo.reset()
