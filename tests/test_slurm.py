"""A study through a real Slurm, with a stopped and a preempted training, gives the tables of a local run."""

import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pytest

from tests.slurm_node import Node, missing, slurm_node
from tests.small_study import STUDY, copy_project, snakemake

reason = missing()
pytestmark = pytest.mark.skipif(reason is not None, reason=f"no Slurm can be started here: {reason}")

TRAININGS: dict[str, object] = {
    **STUDY,
    "experiments": ["table3"],
    "defaults": {
        **STUDY["defaults"],
        "head": {"segmentor": "ground_truth", "prompts": "one_hot", "hidden_channels": 4},
        "training": {"epochs": 20, "steps_per_epoch": 10},
    },
    "not_run": dict.fromkeys(
        ("voxelmorph*", "t*morph*", "tm_tvf", "fourier_net", "im2grid", "lapirn*", "syn"), "not part of this test"
    ),
}
SECONDS = 400
# Sums over as many parts everywhere: the last bits depend on it.
THREADS = ["--max-threads", "1"]
# A third attempt would ask for three times the memory, which this machine may not have, and wait forever.
MEMORY = ["--set-resources", "train:mem_mb=4000"]
RUNS = "results/small/runs"


class Outcome(NamedTuple):
    """A study run through the queue."""

    project: Path
    output: str
    record: pd.DataFrame


def wait_for(found: Callable[[], bool], what: str, run: "subprocess.Popen[str] | None" = None) -> None:
    deadline = time.monotonic() + SECONDS
    while not found():
        assert run is None or run.poll() is None, f"snakemake ended with {run.returncode} before {what}"
        assert time.monotonic() < deadline, f"no {what}"
        time.sleep(0.1)


def disturb(node: Node, project: Path, run: "subprocess.Popen[str]") -> None:
    """Preempt the first training by an urgent job that wants all GPUs, then stop the second one by SIGTERM."""
    wait_for((project / RUNS / "lku_net/last.pt").exists, "training of lku_net", run)
    node.query("sbatch", "--partition=urgent", "--gpus=2", "--job-name=urgent", "--output=/dev/null", "--wrap=true")
    wait_for((project / RUNS / "textscf/last.pt").exists, "training of textscf", run)
    jobs = node.query("squeue", "--noheader", "--states=RUNNING", "--format=%i %k").splitlines()
    job = next(line.split()[0] for line in jobs if line.endswith("train_wildcards_textscf"))
    node.query("scancel", "--signal=TERM", job)


@pytest.fixture(scope="module")
def through_the_queue(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Outcome:
    project = copy_project(root, tmp_path_factory.mktemp("slurm") / "project", TRAININGS)
    options = ["--workflow-profile", "profiles/slurm", "--slurm-init-seconds-before-status-checks", "3"]
    options += [*THREADS, *MEMORY]
    command = [sys.executable, "-m", "snakemake", "--configfile", "config/small.yaml", *options, "--", "quick"]
    log = project / "output.txt"
    with slurm_node() as node, log.open("w") as output:
        run = subprocess.Popen(
            command, cwd=project, env=node.environment, stdout=output, stderr=subprocess.STDOUT, text=True
        )
        try:
            disturb(node, project, run)
            code = run.wait(SECONDS)
        finally:
            run.kill()
        record = node.jobs()
    assert code == 0, log.read_text()[-5000:]
    print(record.to_markdown(index=False))
    return Outcome(project, log.read_text(), record)


@pytest.fixture(scope="module")
def locally(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Path:
    project = copy_project(root, tmp_path_factory.mktemp("local") / "project", TRAININGS)
    run = snakemake(project, *THREADS, "--", "table3")
    assert run.returncode == 0, run.stderr[-5000:]
    return project


def steps(pattern: str, text: str) -> list[int]:
    return sorted({int(step) for step in re.findall(rf"{pattern} at step (\d+) of 200", text)})


def test_stopped_and_preempted_trainings_go_on_from_the_step_that_they_came_to(through_the_queue: Outcome) -> None:
    record = through_the_queue.record.set_index("rule")["state"]
    logs = [(through_the_queue.project / RUNS / run / "logs/train.log").read_text() for run in ("lku_net", "textscf")]
    assert list(record["train lku_net"]) == ["FAILED", "COMPLETED"]
    # The urgent job also ends the job of textSCF if that has started, but not yet trained.
    assert list(record["train textscf"])[-2:] == ["FAILED", "COMPLETED"]
    assert record["urgent"] == "COMPLETED"
    assert [len(steps("resumed", log)) for log in logs] == [1, 1]
    assert steps("stopped", through_the_queue.output) == steps("resumed", "".join(logs))


def test_trainings_had_a_gpu_each_and_simulations_none(through_the_queue: Outcome) -> None:
    record = through_the_queue.record
    assert set(record.loc[record["rule"].str.startswith("train "), "gpus"]) == {1}
    assert set(record.loc[record["rule"].str.startswith(("simulate", "preprocess")), "gpus"]) == {0}
    assert not record["rule"].str.contains("table|quick|settings").any()


def test_tables_are_those_of_a_local_run(through_the_queue: Outcome, locally: Path) -> None:
    queued, local = (project / "results/small" for project in (through_the_queue.project, locally))
    for name in ("runs/lku_net/metrics.csv", "runs/textscf/metrics.csv", "tables/table3_tests.csv"):
        assert (queued / name).read_bytes() == (local / name).read_bytes(), name
    tables = [pd.read_csv(folder / "tables/table3.csv", dtype=str) for folder in (queued, local)]
    pd.testing.assert_frame_equal(*(table.drop(columns=["seconds", "seconds_sd"]) for table in tables))


def test_a_gpu_can_be_asked_for_by_gres(root: Path, tmp_path: Path) -> None:
    """A site whose Slurm takes no `--gpus`, see docs/cluster.md."""
    project = copy_project(root, tmp_path / "project", TRAININGS)
    options = ["--workflow-profile", "profiles/slurm", "--slurm-init-seconds-before-status-checks", "3"]
    options += ["--set-resources", "complexity_claim:gpu=0", "complexity_claim:gres=gpu:1"]
    command = [sys.executable, "-m", "snakemake", "--configfile", "config/small.yaml", *options]
    with slurm_node() as node:
        run = subprocess.run(
            [*command, "--", "results/complexity/claim.csv"],
            cwd=project, env=node.environment, capture_output=True, text=True, timeout=SECONDS,
        )  # fmt: skip
        assert run.returncode == 0, run.stdout + run.stderr
        job = node.query("scontrol", "show", "jobs", "--oneliner")
        devices = list(node.jobs()["devices"])
    assert "gres:gpu:1" in re.findall(r"TresPerNode=(\S+)", job)
    assert "TresPerJob" not in job
    assert devices in (["0"], ["1"])
