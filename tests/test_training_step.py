"""A training step is the same in every memory layout, compiled or not."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from benchmarks.volumes import noise_scan
from torch import Tensor

from textscf.errors import InputError
from textscf.models import build_network
from textscf.training.objective import Objective
from textscf.training.step import TrainingStep

pytestmark = pytest.mark.no_cover  # PyTorch's compiler, which is Python, takes twice as long under coverage
SHAPE = (16, 18, 20)
RATE = 1e-3
SCANS = [noise_scan(SHAPE, 5, "cpu", seed) for seed in range(3)]
LOSS = {"similarity": "mse", "dice": 1.0, "smoothness": 0.1, "regularise": "displacement", "padding": "zeros"}
NETWORK = {
    "backbone": {"name": "lku_net", "start_channels": 4},
    "head": {"kind": "scf", "hidden_channels": 8, "blend": "convex"},
    "integration_steps": 2,
}
SHALLOW = {**NETWORK, "backbone": {"name": "voxelmorph", "encoder": [4], "decoder": [4, 4]}}
"""Compiled in a quarter of the time."""
PYRAMID = {**NETWORK, "backbone": {"name": "lapirn", "start_channels": 2}}


def new_step(network: dict[str, Any] = NETWORK, precision: str = "float32", **form: Any) -> TrainingStep:
    torch.manual_seed(1)
    return TrainingStep(build_network(network, torch.randn(5, 7)), Objective(LOSS, 5), precision, **form)


def after_steps(step: TrainingStep, pairs: list[tuple[int, int]]) -> tuple[Tensor, list[Tensor]]:
    values = [step(SCANS[fixed], SCANS[moving], RATE) for fixed, moving in pairs]
    return torch.stack(values), [parameter.detach().clone() for parameter in step._network.parameters()]


def compile_with(backend: Any) -> Callable[..., Any]:
    return partial(torch.compile, backend=backend)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("form", [{"layout": "channels_last"}, {"layout": "channels_last", "compiled": True}])
def test_every_form_computes_the_same(form: dict[str, Any], precision: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "compile", compile_with("aot_eager"))
    pairs = [(0, 1), (1, 2), (2, 0)]
    expected, expected_parameters = after_steps(new_step(precision=precision), pairs)
    step = new_step(precision=precision, **form)
    first, _ = after_steps(step, pairs[:1])
    with torch.compiler.set_stance("fail_on_recompile"):
        rest, parameters = after_steps(step, pairs[1:])
    tolerance = {"float32": 1e-4, "bfloat16": 2e-2}[precision]
    largest = {"float32": 2.5, "bfloat16": 2 * len(pairs)}[precision]  # Adam's steps of opposite signs, at most
    torch.testing.assert_close(torch.cat((first, rest)), expected, rtol=tolerance, atol=1e-6)
    for found, wanted in zip(parameters, expected_parameters, strict=True):
        torch.testing.assert_close(found, wanted, rtol=0, atol=largest * RATE)
    apart = [(found - wanted).abs().flatten() for found, wanted in zip(parameters, expected_parameters, strict=True)]
    assert torch.cat(apart).mean() < (1e-5 if precision == "float32" else 2e-4)
    is_last = [kernel.is_contiguous(memory_format=torch.channels_last_3d) for kernel in kernels(step)]
    assert all(is_last) == ("layout" in form)
    for parameter, moments in step.optimizer.state.items():
        assert moments["exp_avg"].stride() == moments["exp_avg_sq"].stride() == parameter.stride()


def kernels(step: TrainingStep) -> list[Tensor]:
    return [p for p in step._network.parameters() if p.dim() == 5 and p.shape[1] > 1 and p.shape[-1] > 1]


def test_compiled_for_this_machine_a_step_computes_the_same() -> None:
    expected, _ = after_steps(new_step(SHALLOW), [(0, 1), (1, 2)])
    try:
        found, _ = after_steps(new_step(SHALLOW, compiled=True), [(0, 1), (1, 2)])
    except InputError:
        pytest.skip("no C++ compiler here")
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)


def test_what_does_not_compile_ends_with_one_line_that_names_the_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(graph: Any, inputs: Any) -> Any:
        raise RuntimeError("no compiler\nand more lines")

    monkeypatch.setattr(torch, "compile", compile_with(broken))
    with pytest.raises(InputError, match=r"training\.compiled: the loss cannot be compiled here") as caught:
        after_steps(new_step(SHALLOW, compiled=True), [(0, 1)])
    assert "\n" not in str(caught.value)


def test_compiled_stages_of_a_training_compute_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "compile", compile_with("eager"))
    plain, compiled = new_step(PYRAMID), new_step(PYRAMID, compiled=True)
    for stage, alone in ((0, False), (1, True), (1, False)):
        for step in (plain, compiled):
            step._network.train_stage(stage, alone)
            step.restart()
        found, expected = (after_steps(step, [(0, 1), (1, 2)])[0] for step in (compiled, plain))
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)


def test_after_a_restart_nothing_is_left_of_earlier_gradients() -> None:
    step, fresh = new_step(), new_step()
    step(SCANS[0], SCANS[1], 0.0)
    step.restart()
    assert torch.equal(step(SCANS[1], SCANS[2], RATE), fresh(SCANS[1], SCANS[2], RATE))
    for one, other in zip(step._network.parameters(), fresh._network.parameters(), strict=True):
        assert torch.equal(one, other)


def test_a_long_gradient_is_scaled_down_to_the_limit_and_a_short_one_is_left() -> None:
    norm = gradient_norm(clip(None))
    assert gradient_norm(clip(norm / 3)) == pytest.approx(norm / 3, rel=0.01)
    assert gradient_norm(clip(3 * norm)) == pytest.approx(norm, rel=0.01)


def clip(limit: float | None) -> TrainingStep:
    torch.manual_seed(1)
    step = TrainingStep(build_network(NETWORK, torch.randn(5, 7)), Objective(LOSS, 5), "float32", clip_gradient=limit)
    step(SCANS[0], SCANS[1], RATE)
    return step


def gradient_norm(step: TrainingStep) -> float:
    gradients = [parameter.grad.norm() for parameter in step._network.parameters() if parameter.grad is not None]
    return float(torch.stack(gradients).norm())


def test_amsgrad_keeps_the_largest_second_moment() -> None:
    torch.manual_seed(1)
    step = TrainingStep(build_network(NETWORK, torch.randn(5, 7)), Objective(LOSS, 5), "float32", amsgrad=True)
    after_steps(step, [(0, 1), (1, 2), (2, 0)])
    moments = list(step.optimizer.state.values())
    assert all((state["max_exp_avg_sq"] >= state["exp_avg_sq"]).all() for state in moments)
    assert any((state["max_exp_avg_sq"] > state["exp_avg_sq"]).any() for state in moments)


def test_moments_of_another_layout_are_taken() -> None:
    plain, other = new_step(), new_step(layout="channels_last")
    after_steps(plain, [(0, 1)])
    other.load(plain.optimizer.state_dict())
    for parameter, moments in other.optimizer.state.items():
        assert moments["exp_avg"].stride() == parameter.stride()
