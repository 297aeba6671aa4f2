"""Runs cases, each in its own process, which is forked from a process that has already imported the dependencies."""

import contextlib
import hashlib
import multiprocessing
import os
import re
import resource
import runpy
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from tests.python_server import exit_code
from tests.robustness.case import Case, Outcome

MAX_SECONDS = 30.0
MAX_MEBIBYTES = 2048.0

_Start = Callable[[Sequence[str], Path, Path], tuple[int | None, float]]
_NOISE = re.compile(r"\d{4}-\d\d-\d\d .*(INFO|WARNING|ERROR) |.*\d+%\|.*|\s*$")
"""Lines that are not error messages: log lines, progress bars and empty lines."""


def run_cases(cases: Iterable[Case], base: Path, fresh: bool = False) -> Iterator[Outcome]:
    """Run cases, each in a copy of the workspace `base`, and yield their outcomes in order.

    With `fresh`, each command runs in a new interpreter, as if a user starts it; this takes a few seconds more.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.robustness.imports"])
    os.environ["OMP_NUM_THREADS"] = "1"
    first = context.Process(target=int)  # the imports do not count as time of a case
    first.start()
    first.join()
    with (
        tempfile.TemporaryDirectory(prefix="textscf-robustness-") as folder,
        ThreadPoolExecutor(os.cpu_count()) as pool,
    ):
        yield from pool.map(partial(_run, Path(folder), base, _in_new_interpreter if fresh else _forked), cases)


def _run(folder: Path, base: Path, start: _Start, case: Case) -> Outcome:
    place = Path(tempfile.mkdtemp(dir=folder))
    workspace = place / "workspace"
    shutil.copytree(base, workspace, symlinks=True)
    case.damage(workspace)
    before = _content(workspace)
    started = time.monotonic()
    code, mebibytes = start(case.command, workspace, place / "output")
    seconds = time.monotonic() - started
    output = (place / "output").read_text(errors="replace")
    changed = sorted(
        str(path) for path, digest in before.items() ^ _content(workspace).items() if not _allowed(path, case)
    )
    line, problems = _judge(case, code, output)
    if seconds > MAX_SECONDS:
        problems.append(f"took {seconds:.0f} s")
    if mebibytes > MAX_MEBIBYTES:
        problems.append(f"took {mebibytes:.0f} MiB")
    if changed:
        problems.append(f"left or changed {', '.join(changed)}")
    shutil.rmtree(place)
    return Outcome(case, code, seconds, mebibytes, line.replace(f"{workspace}/", ""), tuple(problems))


def _judge(case: Case, code: int | None, output: str) -> tuple[str, list[str]]:
    """Find the error line of a command, and the problems of its refusal."""
    problems = []
    if code in (0, None) or code < 0:
        problems.append("did not end" if code is None else f"exit code {code}")
    if "Traceback" in output:
        problems.append(f"traceback: {output.strip().splitlines()[-1]}")
    usage, error, rest = output.partition(": error: ")
    text = error + rest if usage.startswith("usage: ") else output
    lines = [line for line in text.splitlines() if not _NOISE.match(line)]
    matching = [line for line in lines if case.file in line and re.search(case.reason, line)]
    if not matching:
        problems.append(f"no line names {case.file} and matches '{case.reason}': {' | '.join(lines[-4:])}")
    elif case.entry != "snakemake" and len(lines) > 1:
        problems.append(f"{len(lines)} lines: {' | '.join(lines[:4])}")
    return matching[0].removeprefix("error: ") if matching else "", problems


def _content(folder: Path) -> dict[Path, str]:
    """Digest of every file; links to folders of the project are not followed."""
    return {
        path.relative_to(folder): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else path.name
        for path in folder.rglob("*")
        if not path.is_dir() and not path.is_fifo()
    }


def _allowed(path: Path, case: Case) -> bool:
    allowed = (*case.allowed, *((".snakemake/",) if case.entry == "snakemake" else ()))
    return any(str(path).startswith(name) if name.endswith("/") else str(path) == name for name in allowed)


def _in_new_interpreter(command: Sequence[str], workspace: Path, output: Path) -> tuple[int | None, float]:
    """Run a command in a new interpreter; returns exit code (None if it was killed) and peak memory in MiB."""
    program = ["-m", "snakemake"] if command[0] == "snakemake" else [f"src/{command[0]}"]
    with output.open("w") as stream:
        process = subprocess.Popen(
            [sys.executable, *program, *command[1:]],
            cwd=workspace,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
        )
    deadline, mebibytes = time.monotonic() + MAX_SECONDS, 0.0
    while process.poll() is None:
        mebibytes = max(mebibytes, _peak(process.pid))
        if time.monotonic() > deadline:
            process.kill()
            process.wait()
            return None, mebibytes
        time.sleep(0.02)
    return process.returncode, mebibytes


def _peak(pid: int) -> float:
    """Peak memory in MiB of a running process since its program started.

    The process's rusage is not used, because it includes the peak of the parent.
    """
    with contextlib.suppress(OSError):
        fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
        return int(fields.get("VmHWM", "0").split()[0]) / 1024
    return 0.0


def _forked(command: Sequence[str], workspace: Path, output: Path) -> tuple[int | None, float]:
    """Like `_in_new_interpreter`, but forked from a process that has imported all modules."""
    memory = output.with_name("memory")
    context = multiprocessing.get_context("forkserver")
    process = context.Process(target=execute, args=(command, workspace, output, memory))
    process.start()
    process.join(MAX_SECONDS)
    if process.is_alive():
        process.kill()
        process.join()
        return None, 0.0
    return process.exitcode, float(memory.read_text()) if memory.exists() else 0.0


def execute(command: Sequence[str], workspace: Path, output: Path, memory: Path) -> None:
    """Run `command` in this process as an interpreter would, then end the process; call it in a separate process."""
    os.chdir(workspace)
    for descriptor, target in enumerate((Path(os.devnull), output, output)):
        opened = os.open(target, os.O_RDWR | os.O_CREAT | os.O_APPEND)
        os.dup2(opened, descriptor)
    sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", closefd=False, buffering=1)  # noqa: SIM115
    sys.argv = list(command)
    if command[0] == "snakemake":
        code = exit_code(lambda: runpy.run_module("snakemake", run_name="__main__", alter_sys=True))
    else:
        code = exit_code(lambda: runpy.run_path(f"src/{command[0]}", run_name="__main__"))
    memory.write_text(str(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
