"""Freed memory stays with a process that asked for it."""

import platform
import subprocess
import sys

import pytest

PROGRAM = """
import resource, sys
from textscf.job.memory import keep_freed_memory
import torch
if sys.argv[1] == "keep":
    assert keep_freed_memory()
for _ in range(10):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    blocks = [torch.ones(20 * 2**18) for _ in range(4)]
    blocks = None
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="a setting of glibc")
def test_pages_are_not_asked_for_again() -> None:
    environment = {"PYTHONPATH": "src", "MALLOC_MMAP_THRESHOLD_": str(2**20), "OMP_NUM_THREADS": "1"}
    faults = {}
    for mode in ("keep", "give"):
        command = [sys.executable, "-c", PROGRAM, mode]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        faults[mode] = int(done.stdout)
    assert faults["keep"] < faults["give"] / 10
