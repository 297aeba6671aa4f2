"""Killed, stopped and starved: good files stay good, the next call ends with the same bytes, errors are clear."""

import contextlib
import errno
import fcntl
import multiprocessing
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from tests.python_server import python
from tests.robustness.runner import execute
from tests.robustness.workspace import COHORT, RUNS, SCANS
from textscf.data.archive import remove
from textscf.errors import InputError
from textscf.files.io import read_yaml, write_yaml
from textscf.files.state import load_state
from textscf.job import cli
from textscf.job.lock import hold_folder

KILLS = 3  # of each stage
TRAINING = {"epochs": 4, "steps_per_epoch": 3}
PROMPTS = f"{COHORT}/prompts/one_hot/embedding.npz"
SEGMENTATION = f"{COHORT}/segmentations/ground_truth/segmentation.json"
STAGES = {
    "preprocess": (
        *("preprocess.py", "--config", f"{COHORT}/config.yaml", "--raw", SCANS, "--out", "made/cohort.json"),
        *("--workers", "1"),
    ),
    "download": ("download.py", "--config", "archive.yaml", "--data-root", "mirror", "--out", "made/source.json"),
    "train": (
        *("train.py", "--config", f"{RUNS}/textscf/config.yaml", "--cohort", COHORT, "--out", "made"),
        *("--segmentation", SEGMENTATION, "--embedding", PROMPTS),
    ),
    "evaluate": (
        *("evaluate.py", "--config", f"{RUNS}/textscf/config.yaml", "--cohort", COHORT, "--out", "made"),
        *("--checkpoint", f"{RUNS}/textscf/checkpoint.pt", "--workers", "2"),
    ),
    "table": ("table.py", "--config", "results/small/tables/table3/config.yaml", "--out", "made/table3.csv"),
}
VARYING = ("environment.json", "timing.json", "pairs.csv")
"""Files that tell how long something took."""


@pytest.fixture(scope="module")
def longer(tmp_path_factory: pytest.TempPathFactory, workspace: Path) -> Path:
    """The workspace with a longer training and an archive to unpack."""
    folder = Path(shutil.copytree(workspace, tmp_path_factory.mktemp("faults") / "workspace", symlinks=True))
    path = folder / RUNS / "textscf/config.yaml"
    settings = read_yaml(path)
    write_yaml(path, {**settings, "training": {**settings["training"], **TRAINING}})
    cohort = read_yaml(folder / COHORT / "config.yaml")
    release = cohort["source"]["releases"][0]
    release["checksum"] = None
    write_yaml(folder / "archive.yaml", cohort)
    (folder / "mirror").mkdir()
    archive = folder / "mirror" / release["archive"]
    subprocess.run(["tar", "-C", folder / "data", "-cf", archive, release["folder"]], check=True)
    return folder


@pytest.fixture
def copy(longer: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(longer, tmp_path / "workspace", symlinks=True))


def in_group(command: tuple[str, ...], place: Path, room: int | None) -> None:
    """Make this process the leader of its own group, and limit its memory to `room` bytes."""
    os.setsid()
    if room is not None:
        size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize() + room
        resource.setrlimit(resource.RLIMIT_AS, (size, size))
    execute(command, place, place / "output", place / "memory")


def start(command: tuple[str, ...], place: Path, room: int | None = None) -> multiprocessing.Process:
    """Begin a stage in a process in which everything has been imported."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.robustness.imports"])
    process = context.Process(target=in_group, args=(command, place, room))
    (place / "output").unlink(missing_ok=True)
    process.start()
    return process  # type: ignore[return-value]


def finish(command: tuple[str, ...], place: Path, room: int | None = None) -> tuple[int | None, str]:
    """Exit code of a stage and what it said."""
    process = start(command, place, room)
    process.join(120)
    return process.exitcode, (place / "output").read_text()


def made(place: Path) -> dict[str, bytes]:
    """Content of the files that a stage made, without those that tell the time."""
    files = (path for path in (place / "made").rglob("*") if path.is_file() and path.name not in VARYING)
    return {
        str(path.relative_to(place)): path.read_bytes()
        for path in files
        if ("tensorboard" not in path.parts and path.suffix != ".pt") or path.name == "checkpoint.pt"
    }


def kill_group(process: multiprocessing.Process) -> bool:
    """Kill a process with all that it began; whether it was still there."""
    alive = process.is_alive()
    if alive:
        try:
            os.killpg(process.pid or 0, signal.SIGKILL)
        except ProcessLookupError:  # it leads no group yet
            process.kill()
    process.join()
    return alive


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_that_is_killed_again_and_again_ends_with_the_same_bytes(stage: str, copy: Path) -> None:
    for _ in range(2):  # the first one also starts the process that others are forked from
        shutil.rmtree(copy / "made", ignore_errors=True)
        started = time.monotonic()
        code, output = finish(STAGES[stage], copy)
        seconds = time.monotonic() - started
        assert code == 0, output
    undisturbed = made(copy)
    assert undisturbed
    shutil.rmtree(copy / "made")
    chance, kills = random.Random(stage), 0
    for _ in range(4 * KILLS):
        process = start(STAGES[stage], copy)
        process.join(chance.uniform(0.1, 0.9) * seconds)
        kills += kill_group(process)
        if kills == KILLS:
            break
        if not process.exitcode:
            shutil.rmtree(copy / "made")
            seconds *= 0.7
    code, output = finish(STAGES[stage], copy)
    assert code == 0, output
    assert made(copy) == undisturbed
    assert not [
        path for path in (copy / "made").rglob(".*.*") if path.suffix in (".csv", ".json") and path.stat().st_size == 0
    ]
    print(f"counted: {stage}: {kills} kills survived, then the same bytes")
    assert kills == KILLS


def without_times(table: Path) -> str:
    """A table without its column of the seconds that a registration took."""
    return pd.read_csv(table).drop(columns="seconds").to_csv()


def heed_ctrl_c() -> None:
    """Make a new process heed SIGINT, also where a shell started the tests in the background, where it is ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_a_workflow_that_is_killed_goes_on_without_being_unlocked(copy: Path) -> None:
    shutil.rmtree(copy / "results")
    target = "results/small/tables/table3.csv"
    command = [sys.executable, "-m", "snakemake", "--cores", "2", "--configfile", "config/small.yaml"]
    command += ["--config", f"data_root={copy}/data", "--", target]
    undisturbed = [python(), *command[1:]]
    long = [*command[:-2], "runs={lku_net: {training: {epochs: 400}}}", *command[-2:]]
    first = subprocess.Popen(long, cwd=copy, start_new_session=True, stderr=subprocess.DEVNULL, preexec_fn=heed_ctrl_c)
    held = copy / ".snakemake/textscf.job.lock"
    while not (held.is_file() and held.read_text().strip() == str(first.pid)):
        time.sleep(0.1)
        assert first.poll() is None
    second = subprocess.run(undisturbed, cwd=copy, capture_output=True, text=True)
    assert second.returncode != 0
    assert f"{copy}: another workflow is at work here" in second.stdout + second.stderr
    os.killpg(first.pid, signal.SIGINT)
    assert first.wait(60) != 0
    chance, kills = random.Random(7), 0
    for _ in range(2):
        process = subprocess.Popen(command, cwd=copy, start_new_session=True, stderr=subprocess.DEVNULL)
        time.sleep(chance.uniform(4, 8))
        kills += process.poll() is None
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    last = subprocess.run(undisturbed, cwd=copy, capture_output=True, text=True)
    assert last.returncode == 0, last.stderr[-3000:]
    table = without_times(copy / target)
    metrics = {path: path.read_bytes() for path in (copy / RUNS).glob("*/metrics.csv")}
    (copy / target).unlink()
    shutil.rmtree(copy / RUNS)
    assert subprocess.run(undisturbed, cwd=copy, capture_output=True).returncode == 0
    assert without_times(copy / target) == table
    assert {path: path.read_bytes() for path in metrics} == metrics
    assert kills
    print(f"counted: a workflow: a Ctrl-C and {kills} kills survived without --unlock, a second workflow turned away")


def test_a_broken_last_state_falls_back_to_the_one_before(copy: Path) -> None:
    assert finish(STAGES["train"], copy)[0] == 0
    undisturbed = made(copy)
    last = copy / "made/last.pt"
    before = load_state(copy / "made/best.pt")["step"]
    last.write_bytes(last.read_bytes()[:-1000])
    code, output = finish(STAGES["train"], copy)
    assert code == 0, output
    assert "made/last.pt: cannot be read" in output
    assert f"resumed at step {before} of 12" in output
    assert made(copy) == undisturbed


@pytest.fixture
def small_disk(copy: Path) -> Iterator[Path]:
    """The folder that stages write to, on a disk of 8 MiB."""
    folder = copy / "made"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True).returncode != 0:
        pytest.skip("cannot mount a small disk")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def fill(disk: Path) -> None:
    """Leave no room."""
    with (disk / "filler").open("wb", buffering=0) as stream, contextlib.suppress(OSError):
        while stream.write(bytes(4096)):
            pass


@pytest.mark.parametrize("stage", STAGES)
def test_a_full_disk_is_one_clear_error_and_leaves_the_good_files(stage: str, copy: Path, small_disk: Path) -> None:
    code, output = finish(STAGES[stage], copy)
    assert code == 0, output
    good = made(copy)
    removed = {
        "preprocess": ["cohort.json", ".subjects"],
        "download": ["source", "source.json"],
        "train": ["last.pt", "best.pt"],
    }
    for name in removed.get(stage, []):
        remove(small_disk / name)
    fill(small_disk)
    code, output = finish(STAGES[stage], copy)
    assert code == cli.BAD_INPUT, output
    assert "Traceback" not in output
    lines = output.splitlines()
    assert lines[-1].startswith("error: "), output
    assert "No space left on device" in lines[-1] or "MB free; expected" in lines[-1]
    (small_disk / "filler").unlink()
    found = made(copy)
    assert {name: good[name] for name in found} == found
    assert finish(STAGES[stage], copy)[0] == 0
    assert made(copy) == good
    print(f"counted: {stage}: a full disk survived")


@pytest.mark.parametrize("stage", STAGES)
def test_results_that_cannot_be_written_are_one_clear_error(stage: str, copy: Path, small_disk: Path) -> None:
    assert finish(STAGES[stage], copy)[0] == 0
    good = made(copy)
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    code, output = finish(STAGES[stage], copy)
    assert made(copy) == good
    if code:
        assert code == cli.BAD_INPUT, output
        assert output.splitlines()[-1].startswith("error: ")
        assert "Read-only file system" in output.splitlines()[-1]
    else:
        assert stage == "preprocess"  # where everything is as it should be
    assert "Traceback" not in output


def test_memory_that_is_exhausted_is_one_clear_error(copy: Path) -> None:
    code, output = finish(STAGES["train"], copy, room=2**22)
    assert code == cli.NO_MEMORY, output
    assert output.splitlines()[-1].startswith("error: the memory of this machine is exhausted")
    assert not (copy / "made/checkpoint.pt").exists()


def fail_with(error: Exception) -> Callable[[], None]:
    def main() -> None:
        raise error

    return main


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), "the GPU's memory is exhausted (CUDA"),
        (MemoryError(), "the memory of this machine is exhausted; lower --workers"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 4 bytes"), "of this machine"),
    ],
)
def test_exhausted_memory_says_what_to_lower(
    error: Exception, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        cli.run(fail_with(error))
    assert left.value.code == cli.NO_MEMORY
    printed = capsys.readouterr().err
    assert message in printed
    assert "lower" in printed
    assert printed.count("\n") == 1


def test_an_array_beyond_all_memory_is_exhausted_memory(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.run(lambda: np.ones(2**50) is None)  # type: ignore[arg-type, return-value]
    assert "Unable to allocate 8.00 PiB" in capsys.readouterr().err


def test_other_errors_stay_what_they_are() -> None:
    with pytest.raises(RuntimeError, match="shapes differ"):
        cli.run(fail_with(RuntimeError("shapes differ")))


def children(parent: int) -> Iterator[int]:
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[1]) == parent and fields[0] != "Z":
            yield int(path.parent.name)


@pytest.mark.skipif(not Path("/proc/self/stat").is_file(), reason="needs /proc")
@pytest.mark.parametrize("victim", ["worker", "parent"])
def test_evaluation_and_its_workers_end_together(victim: str, workspace: Path, tmp_path: Path) -> None:
    code = (
        "import os, sys, time\n"
        "from pathlib import Path\n"
        "from textscf.registration import evaluation\n"
        "from textscf.job.cli import run\n"
        "from textscf.data.cohort import Cohort\n"
        "def measure(*arguments): time.sleep(60)\n"
        "evaluation._measure = measure\n"
        f"cohort = Cohort.load(Path('{workspace / COHORT}'))\n"
        f"run(lambda: evaluation.evaluate_run('initial', cohort, None, Path('{tmp_path}'), 2))\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1] / "src")}
    with subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True, env=environment) as process:
        deadline = time.monotonic() + 60
        while len(workers := list(children(process.pid))) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        time.sleep(1)
        os.kill(workers[0] if victim == "worker" else process.pid, signal.SIGKILL)
        _, printed = process.communicate(timeout=30)
    deadline = time.monotonic() + 10
    while any(Path(f"/proc/{worker}").exists() for worker in workers):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    if victim == "worker":
        assert process.returncode == cli.BAD_INPUT
        assert "a worker process died" in printed.splitlines()[-1]
    assert list(tmp_path.iterdir()) == []


def test_a_folder_without_locks_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", fail)
    hold_folder(tmp_path)
    assert caplog.messages == [f"{tmp_path}: not locked (No locks available); nothing notices a second workflow here"]


def test_a_folder_is_held_once(tmp_path: Path) -> None:
    code = f"from pathlib import Path\nfrom textscf.job.lock import hold_folder\nhold_folder(Path('{tmp_path}'))\n"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1] / "src")}
    command = [sys.executable, "-c", f"{code}print('held', flush=True)\ninput()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(InputError, match=rf"another workflow is at work here .process {other.pid}"):
            hold_folder(tmp_path)
        other.kill()
    hold_folder(tmp_path)
