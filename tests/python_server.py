"""A `python` that has imported the slow packages: a server imports them once and forks for each command.

`python()` is the path of a program that takes a script or ``-m MODULE`` with arguments, as the interpreter does, and
ends with the exit code of the fork. Snakemake that is started by it starts its jobs by it too. Of this project nothing
is imported before the fork.
"""

import atexit
import functools
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from types import FrameType

PACKAGES = (
    *("torch", "torch.utils.tensorboard", "monai.inferers", "monai.networks.nets", "scipy.ndimage", "nibabel", "edt"),
    *("pandas", "jsonschema", "pooch", "jinja2", "tqdm", "seaborn", "snakemake.cli", "snakemake.executors.local"),
)
CLIENT = """#!{interpreter} -IS
import json, os, socket, sys
with socket.socket(socket.AF_UNIX) as server:
    server.connect({address!r})
    command = json.dumps([sys.argv, os.getcwd(), dict(os.environ)]).encode()
    socket.send_fds(server, [len(command).to_bytes(4, "big")], [0, 1, 2])
    server.sendall(command)
    code = server.recv(1)
os._exit(code[0] if code else 137)
"""


@functools.cache
def python() -> str:
    """Path of the program; the first call starts the server, which ends with this process."""
    folder = tempfile.TemporaryDirectory(prefix="textscf-python-")
    address, program = str(Path(folder.name, "socket")), Path(folder.name, "python")
    program.write_text(CLIENT.format(interpreter=sys.executable, address=address))
    program.chmod(0o755)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address)
    listener.listen(64)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    server = subprocess.Popen(
        [sys.executable, __file__, str(listener.fileno())],
        stdin=subprocess.PIPE,
        pass_fds=[listener.fileno()],
        env=environment,
    )
    listener.close()
    atexit.register(folder.cleanup)
    atexit.register(server.communicate)
    return str(program)


def serve(listener: socket.socket) -> None:
    """Fork for every command until the standard input closes."""
    for package in PACKAGES:
        importlib.import_module(package)
    signal.signal(signal.SIGCHLD, _reap)
    while 0 not in select.select([listener.fileno(), 0], [], [])[0]:
        client = listener.accept()[0]
        if os.fork() == 0:
            listener.close()
            _execute(client)
        client.close()


def _reap(number: int, frame: FrameType | None) -> None:
    """Take leave of children that have ended."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def _execute(client: socket.socket) -> None:
    """Be the process that the client asks for, until either of them ends."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    size, descriptors, _, _ = socket.recv_fds(client, 4, 3)
    command = client.recv(int.from_bytes(size, "big"), socket.MSG_WAITALL)
    (program, *arguments), folder, environment = json.loads(command)
    for target, descriptor in enumerate(descriptors):
        os.dup2(descriptor, target)
        os.close(descriptor)
    sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w"), open(2, "w", buffering=1)  # noqa: SIM115
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    threading.Thread(target=_end_with, args=(client,), daemon=True).start()
    code = _run(program, arguments)
    sys.stdout.flush()
    sys.stderr.flush()
    client.sendall(bytes([code % 256]))
    os._exit(code)


def _end_with(client: socket.socket) -> None:
    client.recv(1)
    os._exit(1)


def _run(program: str, arguments: list[str]) -> int:
    """Run a module or a script as an interpreter does; returns its exit code."""
    if arguments[0] == "-m":
        sys.executable, sys.argv, sys.path[0] = program, arguments[1:], os.getcwd()
        return exit_code(lambda: runpy.run_module(arguments[1], run_name="__main__", alter_sys=True))
    sys.argv, sys.path[0] = arguments, str(Path(arguments[0]).parent.resolve())
    return exit_code(lambda: runpy.run_path(arguments[0], run_name="__main__"))


def exit_code(run: Callable[[], object]) -> int:
    """Call `run` and what is registered with `atexit`; returns the code with which an interpreter would end."""
    code: object = 0
    try:
        run()
    except SystemExit as leaving:
        code = leaving.code
    except BaseException:
        traceback.print_exc()
        code = 1
    atexit._run_exitfuncs()
    if isinstance(code, str):
        print(code, file=sys.stderr)
    return code if isinstance(code, int) else int(code is not None)


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
