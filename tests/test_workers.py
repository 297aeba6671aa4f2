"""The parallel map: order, errors of the function, and the death of a process."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from textscf.errors import InputError
from textscf.job.workers import parallel_map


def square(number: int) -> int:
    """Work for a process; 13 is bad luck and 99 is fatal."""
    if number == 13:
        raise InputError("thirteen: not a number of ours")
    if number == 99:
        os._exit(1)
    return number**2


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_results_keep_the_order_of_the_items(workers: int) -> None:
    with parallel_map(workers) as mapping:
        assert mapping(square, [3, 1, 2], "squaring") == [9, 1, 4]
        assert mapping(square, [], "squaring") == []


@pytest.mark.parametrize("workers", [1, 2])
def test_errors_of_the_function_come_through(workers: int) -> None:
    with parallel_map(workers) as mapping, pytest.raises(InputError, match=r"^thirteen"):
        mapping(square, [1, 13, 2], "squaring")


def test_death_of_a_process_is_one_clear_error() -> None:
    with pytest.raises(InputError, match="one of 2 worker processes died"), parallel_map(2) as mapping:
        mapping(square, [1, 99, 2], "squaring")


def command_lines(parent: int) -> dict[int, str]:
    """Command lines of the worker processes of process `parent`."""
    found = {}
    for child in Path(f"/proc/{parent}/task/{parent}/children").read_text().split():
        line = Path(f"/proc/{child}/cmdline").read_text()
        if "spawn_main" in line:
            found[int(child)] = line
    return found


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until `condition` holds, at most 20 s."""
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="needs /proc")
def test_processes_end_with_the_one_that_began_them(root: Path) -> None:
    code = (
        "import time\n"
        "from textscf.job.workers import parallel_map\n"
        "with parallel_map(2) as mapping: mapping(time.sleep, [60, 60], 'sleeping')"
    )
    environment = {**os.environ, "PYTHONPATH": str(root / "src")}
    with subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL, env=environment) as process:
        wait_for(lambda: len(command_lines(process.pid)) == 2)
        time.sleep(0.5)
        workers = command_lines(process.pid)
        process.kill()
    wait_for(lambda: not any(is_alive(worker) for worker in workers))


def is_alive(pid: int) -> bool:
    """Whether a process runs; False for one that has ended and was not waited for."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
