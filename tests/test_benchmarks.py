"""The benchmarks measure what they say, and their plain versions equal the fast ones."""

import time
from pathlib import Path

import benchmarks.__main__ as command
import numpy as np
import pandas as pd
import pytest
import torch
from benchmarks import breakdown, plain, scale
from benchmarks.breakdown import convolution_flops
from benchmarks.cases import cases, simulation
from benchmarks.measure import Case, Timed, measure
from benchmarks.volumes import brain_labels, noise_scan, smooth_field

from tests.python_server import python
from textscf.metrics import evaluate_pair
from textscf.models import RegistrationNetwork, build_network
from textscf.models.convolution import Conv3d
from textscf.study import load_study, plan
from textscf.training.objective import Objective
from textscf.workflow import Order

MEBIBYTE = 2**20


def quick_and_small(device: str) -> Timed:
    return lambda: [1.0, 2.0]


def slow_and_large(device: str) -> Timed:
    def timed() -> list[float]:
        memory = np.ones(200 * MEBIBYTE, np.uint8)
        time.sleep(0.05)
        return [1.0, 2.0 + 1e-6 * memory[-1]]

    return timed


def test_a_row_has_medians_ratio_memory_and_difference() -> None:
    row = measure(Case("nothing", quick_and_small, slow_and_large, tolerance=1e-5, repeats=3), "cpu")
    assert row["case"] == "nothing"
    assert row["seconds"] < 0.05 <= row["plain"]
    assert row["ratio"] > 1
    assert row["difference"] == pytest.approx(5e-7, rel=1e-3)
    assert row["plain GiB"] == pytest.approx(200 / 1024, rel=0.2)
    assert row["GiB"] < 0.05


def test_versions_that_disagree_are_not_timed() -> None:
    with pytest.raises(SystemExit, match="wrong: results differ by 5e-07; expected at most 1e-08"):
        measure(Case("wrong", quick_and_small, slow_and_large, tolerance=1e-8, repeats=1), "cpu")


def small_network() -> RegistrationNetwork:
    torch.manual_seed(0)
    backbone = {"name": "lku_net", "start_channels": 2}
    head = {"kind": "scf", "hidden_channels": 8, "blend": "convex"}
    network = build_network({"backbone": backbone, "head": head, "integration_steps": 0}, torch.randn(5, 12))
    for parameter in network.heads.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return network


def test_the_plain_training_step_has_the_same_loss_and_gradients() -> None:
    fixed, moving = (noise_scan((16, 24, 20), 5, "cpu", seed) for seed in (0, 1))
    fast, slow = small_network(), plain.make_plain(small_network())
    losses = [
        Objective(
            {"similarity": "mse", "dice": 1.0, "smoothness": 0.3, "regularise": "displacement", "padding": "zeros"}, 5
        )(fast, fixed, moving)[0],
        plain.objective(slow, fixed, moving, 5, 0.3),
    ]
    torch.testing.assert_close(*losses, rtol=1e-5, atol=0)
    for loss in losses:
        loss.backward()
    for (name, parameter), other in zip(fast.named_parameters(), slow.parameters(), strict=True):
        torch.testing.assert_close(parameter.grad, other.grad, rtol=2e-3, atol=1e-6, msg=name)
    assert fast.state_dict().keys() == slow.state_dict().keys()


def test_a_frozen_network_has_no_plain_version() -> None:
    with pytest.raises(ValueError, match="a frozen head has no plain version"):
        plain.make_plain(small_network().frozen())


def test_the_plain_evaluation_has_the_same_values() -> None:
    shape = (40, 50, 40)
    fixed, moving = brain_labels(shape, 1), brain_labels(shape, 2)
    assert set(range(36)) <= set(np.unique(fixed).tolist())
    field = smooth_field(shape, 1.0)
    metrics = evaluate_pair(fixed, moving, field, range(1, 36))
    expected = plain.evaluate(fixed, moving, field, 35)
    np.testing.assert_allclose([*metrics.dice, *metrics.hd95, metrics.sdlogj], expected, rtol=1e-10)


def test_a_smooth_field_has_the_size_asked_for() -> None:
    field = smooth_field((33, 40, 17), 2.0)
    assert field.shape == (33, 40, 17, 3)
    assert field.std() == pytest.approx(2, rel=1e-5)
    assert np.abs(np.diff(field, axis=0)).mean() < 0.5


def test_a_device_replaces_its_own_section_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    results = tmp_path / "RESULTS.md"
    monkeypatch.setattr(command, "RESULTS", results)
    monkeypatch.setattr(command, "environment", lambda device: described(device))
    command.save(pd.DataFrame([{"case": "an earlier one", "ratio": "2.00"}]), "its parts", "cpu")
    command.save(pd.DataFrame([{"case": "on the GPU", "ratio": "9.00"}]), "its parts", "cuda")
    command.save(pd.DataFrame([{"case": "second", "ratio": "3.00"}]), "its parts", "cpu")
    text = results.read_text()
    assert text.startswith("# Benchmarks")
    assert text.count("\n## ") == 2
    assert "\n## A100\n\n" in text
    assert "| case | ratio |\n| --- | --: |\n| second | 3.00 |\n" in text
    assert "| on the GPU | 9.00 |\n\nits parts\n" in text
    assert "an earlier one" not in text


def described(device: str) -> dict[str, object]:
    return {"device": "A100", "processor": "a processor", "git_revision": "abc", "packages": {"torch": "2"}}


def test_the_command_prints_a_table_of_the_cases_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    row = {"case": "Head", "seconds": 0.1234, "plain": 1.0, "ratio": 8.1, "GiB": 0.1, "plain GiB": 1, "difference": 0}
    monkeypatch.setattr(command, "measure", lambda case, device: row)
    monkeypatch.setattr("sys.argv", ["benchmarks", "--cases", "head"])
    command.main()
    printed = capsys.readouterr().out
    assert "measuring head ..." in printed
    assert "Head   0.123     1  8.10 0.10      1.00      0e+00" in printed


def test_cases_have_a_name_and_two_versions() -> None:
    found = cases("cpu")
    assert {
        "dice",
        "correlation",
        "block",
        "head",
        "step",
        "brain_step",
        "small_step",
        "inference",
        "evaluation",
        "simulation",
    } == set(found)
    assert all(case.fast is not case.plain for case in found.values())


def test_a_release_of_oasis_is_prepared_whole(tmp_path: Path) -> None:
    config = scale.write_release(tmp_path / "raw", 5, (16, 18, 20))
    assert scale.prepare(config, tmp_path / "raw", tmp_path / "out", workers=1) == 10


def test_the_evaluation_is_of_a_real_brain_where_there_is_one(tmp_path: Path) -> None:
    assert "simulated brain" in cases("cpu", tmp_path)["evaluation"].name
    (tmp_path / "brain_t1w").mkdir()
    (tmp_path / "brain_t1w/labels_freesurfer.nii.gz").touch()
    assert "real brain" in cases("cpu", tmp_path)["evaluation"].name


def test_simulation_gives_the_same_brains_in_one_process_and_in_two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.cases.BRAIN", (16, 20, 24))
    alone, together = (simulation("cpu", workers)() for workers in (1, 2))
    assert len(alone) == 8
    assert alone == together


def test_work_is_counted_alike_for_pytorchs_convolution_and_the_projects() -> None:
    x = torch.randn(1, 2, 12, 12, 12, requires_grad=True)
    layers = torch.nn.Conv3d(2, 8, 3, padding=1), Conv3d(2, 8, 3, padding=1)
    work = [convolution_flops(lambda layer=layer: layer(x).square().mean().backward()) for layer in layers]
    assert work[0] == work[1] == 3 * 2 * 27 * 2 * 8 * 12**3


def test_the_parts_of_a_step_are_named_with_their_share(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(breakdown, "_LIMIT_SHAPE", (8, 8, 8))
    network = torch.nn.Sequential(torch.nn.Conv3d(1, 16, 3, padding=1), torch.nn.PReLU(), torch.nn.Conv3d(16, 16, 3))
    x = torch.randn(1, 1, 24, 24, 24)

    def step() -> None:
        network(x).square().mean().backward()

    found = breakdown.break_down(step, "cpu", "float32")
    assert sum(found.shares.values()) == pytest.approx(1)
    assert list(found.shares.values()) == sorted(found.shares.values(), reverse=True)
    assert 0 < found.shares["convolutions"] < 1
    voxels, inner = 24**3, 22**3
    # forward, the kernels' gradients, and of the second convolution the gradient of its input
    assert convolution_flops(step) == 2 * 27 * 16 * (2 * voxels + 3 * 16 * inner)
    assert found.throughput > 0
    assert found.limit > 0
    assert "convolutions" in str(found)


def test_a_study_of_thousands_of_runs_is_planned_in_seconds(root: Path) -> None:
    started = time.process_time()
    study = load_study(scale.study(4000), root / "config")
    Order(study)
    assert plan(study, root / "config/step_times.yaml").trainings == {"simulated_abdomen": 4009}
    assert time.process_time() - started < 10


def test_the_index_of_a_large_cohort_is_read(root: Path, tmp_path: Path) -> None:
    scale.copy_project(tmp_path, subjects=200, runs=2)
    assert scale.write_index(tmp_path) == 400
    pairs, seconds, gib = scale.measured(scale.read_index, tmp_path)
    assert pairs == 180 * 179
    assert seconds < 5
    assert gib > 0.01


def test_a_dry_run_counts_the_jobs_of_a_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", python())
    scale.copy_project(tmp_path, subjects=40, runs=3)
    assert scale.dry_run(tmp_path, "results/scale/runs/lku_net_seed2/metrics.csv") == 6
    with pytest.raises(SystemExit, match="no_such_target"):
        scale.dry_run(tmp_path, "no_such_target")
