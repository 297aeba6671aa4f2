"""Time and memory of a stage, in its log."""

import subprocess
import sys
from pathlib import Path

import pytest

from textscf.job import usage
from textscf.job.usage import Usage, read_usage

STAGE = """
import logging, sys
from textscf.job.cli import run, setup_logging

def main():
    setup_logging()
    memory = bytearray(300 * 2**20)
    for i in range(0, len(memory), 4096):
        memory[i] = 1
    {end}

run(main)
"""


def log_of(tmp_path: Path, end: str) -> Path:
    """The log of a stage that ends so."""
    log = tmp_path / "stage.log"
    source = Path(usage.__file__).parents[2]
    stage = subprocess.run([sys.executable, "-c", STAGE.format(end=end)], capture_output=True, cwd=source)
    assert b"ModuleNotFoundError" not in stage.stderr
    log.write_bytes(stage.stderr)
    return log


def test_a_stage_says_last_what_it_took(tmp_path: Path) -> None:
    taken = read_usage(log_of(tmp_path, "import time; time.sleep(0.5)"))
    assert taken is not None
    assert 0.5 <= taken.seconds < 60
    assert 0 < taken.cpu_seconds < 60
    assert taken.memory_gib > 0.29


@pytest.mark.parametrize("end", ["raise ValueError('no')", "return 3"])
def test_a_stage_that_failed_says_nothing_of_it(tmp_path: Path, end: str) -> None:
    assert read_usage(log_of(tmp_path, end)) is None


def test_child_processes_count(tmp_path: Path) -> None:
    child = "[x * x for x in range(20_000_000)] and None"
    taken = read_usage(log_of(tmp_path, f"import subprocess; subprocess.run([sys.executable, '-c', '{child}'])"))
    assert taken is not None
    assert taken.cpu_seconds > 0.5
    assert taken.memory_gib > 0.5


def test_what_is_written_is_read(tmp_path: Path) -> None:
    log = tmp_path / "stage.log"
    log.write_text(f"2026-01-01 00:00:00,000 INFO before\n2026-01-01 00:00:01,000 INFO {Usage(12.34, 5.0, 0.25)}\n")
    assert read_usage(log) == Usage(12.3, 5.0, 0.25)
    log.write_text("")
    assert read_usage(log) is None
