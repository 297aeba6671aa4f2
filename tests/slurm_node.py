"""A Slurm of one node with two stand-ins for GPUs, for tests and trials: ``python -m tests.slurm_node COMMAND ...``.

Needs root and Debian's packages slurmctld, slurmd, slurm-client and munge. Everything lies in a temporary folder and
listens on loopback alone. `COMMAND` finds the queue by the variable SLURM_CONF; after it the queue's record of each job
is printed.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "scontrol", "scancel")
START_SECONDS = 30
STOP_SECONDS = 10

# More cores than there are: jobs of a small study would wait for each other otherwise. Partition urgent preempts main.
CONFIG = """
ClusterName=trial
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmUser=root
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
DefMemPerCPU=500
GresTypes=gpu
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/filetxt
JobCompLoc={folder}/jobs.txt
MinJobAge=3600
KillWait=20
Epilog={folder}/epilog
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
NodeName={host} NodeAddr=127.0.0.1 Port={node_port} CPUs=32 RealMemory=128000 Gres=gpu:2
PartitionName=main Nodes={host} Default=YES MaxTime=2-0 PriorityTier=1 GraceTime=20
PartitionName=urgent Nodes={host} MaxTime=2-0 PriorityTier=10
"""
GPUS = "AutoDetect=off\nName=gpu File={folder}/gpu[0-1]\n"
# Snakemake's executor calls srun without SLURM_CONF.
SRUN = '#!/bin/sh\nSLURM_CONF={folder}/slurm.conf exec {srun} "$@"\n'
EPILOG = '#!/bin/sh\necho "$SLURM_JOB_ID ${{SLURM_JOB_GPUS:-}}" >> {folder}/gpus.txt\n'


def missing() -> str | None:
    """Why no node can be started here, or None."""
    if os.geteuid() != 0:
        return "not root"
    absent = [program for program in PROGRAMS if shutil.which(program) is None]
    return f"not installed: {', '.join(absent)}" if absent else None


@dataclass(frozen=True)
class Node:
    """A running node.

    Attributes:
        folder: its files.
        environment: variables by which Slurm's commands find it.
    """

    folder: Path
    environment: dict[str, str]

    def query(self, *command: str, seconds: float = 20) -> str:
        """Output of one of Slurm's commands."""
        run = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=seconds)
        if run.returncode:
            raise RuntimeError(f"{' '.join(command)}: {run.stderr.strip()}")
        return run.stdout

    def jobs(self) -> pd.DataFrame:
        """The queue's record, a row for each job: `job, rule, state, exit, restarts, time, cores, gpus, devices`."""
        rows = [_row(line) for line in self.query("scontrol", "show", "jobs", "--oneliner").splitlines() if "=" in line]
        table = pd.DataFrame(rows, columns=["job", "rule", "state", "exit", "restarts", "time", "cores", "gpus"])
        epilogs = self.folder / "gpus.txt"
        lines = [line.split(" ") for line in epilogs.read_text().splitlines()] if epilogs.is_file() else []
        devices = {int(job): given for job, given in lines}
        table["devices"] = [devices.get(job, "") for job in table["job"]]
        return table.sort_values("job", ignore_index=True)


def _row(line: str) -> list[object]:
    words = dict(word.partition("=")[::2] for word in line.split())
    return [
        int(words["JobId"]),
        words.get("Comment", words["JobName"]).removeprefix("rule_").replace("_wildcards_", " "),
        words["JobState"],
        words["ExitCode"],
        int(words["Restarts"]),
        words["RunTime"],
        int(words["NumCPUs"]),
        int(words.get("TresPerJob", "gres:gpu:0").rpartition(":")[2]),
    ]


@contextlib.contextmanager
def slurm_node() -> Iterator[Node]:
    """Start a node, wait until it takes jobs, and end all of its processes afterwards, whatever happens."""
    folder = Path(tempfile.mkdtemp(prefix="slurm-"))
    folder.chmod(0o755)
    path = f"{folder}/bin{os.pathsep}{os.environ['PATH']}"
    node = Node(folder, os.environ | {"SLURM_CONF": str(folder / "slurm.conf"), "PATH": path})
    _write_files(folder)
    daemons: list[subprocess.Popen[bytes]] = []
    try:
        munge = ["--foreground", f"--key-file={folder}/munge.key", f"--socket={folder}/munge.socket"]
        munge += [f"--{kind}-file={folder}/munged.{kind}" for kind in ("pid", "log", "seed")]
        for command in (["munged", *munge], ["slurmctld", "-D"], ["slurmd", "-D"]):
            daemons.append(_start(command, node))
        _wait_until_idle(node, daemons)
        yield node
    finally:
        _stop(node, daemons)
        shutil.rmtree(folder, ignore_errors=True)


def _write_files(folder: Path) -> None:
    for name in ("state", "spool", "bin"):
        (folder / name).mkdir()
    key = folder / "munge.key"
    key.touch(0o600)
    key.write_bytes(os.urandom(128))
    with socket.socket() as first, socket.socket() as second:
        for listening in (first, second):
            listening.bind(("127.0.0.1", 0))
        ports = {"controller_port": first.getsockname()[1], "node_port": second.getsockname()[1]}
    host = socket.gethostname().split(".")[0]
    (folder / "slurm.conf").write_text(CONFIG.format(folder=folder, host=host, **ports))
    (folder / "gres.conf").write_text(GPUS.format(folder=folder))
    for name, script in (("epilog", EPILOG), ("bin/srun", SRUN)):
        (folder / name).write_text(script.format(folder=folder, srun=shutil.which("srun")))
        (folder / name).chmod(0o755)
    for index in range(2):
        os.mknod(folder / f"gpu{index}", 0o20666, os.makedev(1, 3))


def _start(command: list[str], node: Node) -> "subprocess.Popen[bytes]":
    with (node.folder / f"{command[0]}.out").open("wb") as output:
        started = subprocess.Popen(
            command, env=node.environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
    if command[0] == "munged":
        _wait_for((node.folder / "munge.socket").exists, node, [started])
    return started


def _wait_until_idle(node: Node, daemons: list["subprocess.Popen[bytes]"]) -> None:
    def idle() -> bool:
        with contextlib.suppress(RuntimeError, subprocess.TimeoutExpired):
            return node.query("sinfo", "--noheader", "--format=%T", seconds=5).strip() == "idle"
        return False

    _wait_for(idle, node, daemons)


def _wait_for(condition: Callable[[], bool], node: Node, daemons: list["subprocess.Popen[bytes]"]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not condition():
        if time.monotonic() > deadline or any(daemon.poll() is not None for daemon in daemons):
            logs = "\n".join(path.read_text()[-1000:] for path in node.folder.glob("*.out"))
            raise RuntimeError(f"Slurm did not start:\n{logs}")
        time.sleep(0.2)


def _stop(node: Node, daemons: list["subprocess.Popen[bytes]"]) -> None:
    """End jobs, then the daemons in reverse order, then what is left of the jobs."""
    with contextlib.suppress(RuntimeError, subprocess.TimeoutExpired):
        node.query("scancel", "--user=root")
        _wait_while_running(node)
    for daemon in reversed(daemons):
        daemon.terminate()
        try:
            daemon.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()
    mark = f"SLURM_CONF={node.environment['SLURM_CONF']}".encode()
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if int(process.name) != os.getpid() and mark in (process / "environ").read_bytes().split(b"\0"):
                os.kill(int(process.name), signal.SIGKILL)


def _wait_while_running(node: Node) -> None:
    deadline = time.monotonic() + STOP_SECONDS
    while time.monotonic() < deadline and node.query("squeue", "--noheader").strip():
        time.sleep(0.5)


def main() -> int:
    if reason := missing():
        print(f"no Slurm can be started here: {reason}", file=sys.stderr)
        return 2
    with slurm_node() as node:
        code = subprocess.run(sys.argv[1:], env=node.environment).returncode
        print(node.jobs().to_markdown(index=False))
    return code


if __name__ == "__main__":
    sys.exit(main())
