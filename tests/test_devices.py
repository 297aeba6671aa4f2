"""Sharing of devices, with a stand-in for CUDA; what a run records of its environment."""

import multiprocessing
import os
import subprocess
from multiprocessing.connection import Connection
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from textscf.errors import InputError
from textscf.job import devices, provenance


def visible() -> list[str]:
    return os.environ.get("CUDA_VISIBLE_DEVICES", "0,1").split(",")


@pytest.fixture
def two_devices(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: len(visible()))
    monkeypatch.setattr(
        torch.cuda, "get_device_properties", lambda index: SimpleNamespace(uuid=f"id{visible()[index]}")
    )
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda index: f"device {index}")
    monkeypatch.setattr(devices.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(devices, "_held", [])


def test_without_cuda_or_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert devices.acquire_device() == torch.device("cpu")
    with pytest.raises(InputError, match=r"device .cuda:1.: PyTorch finds 0 CUDA devices on this machine"):
        devices.acquire_device("cuda:1")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert devices.acquire_device("cuda:1") == torch.device("cuda", 1)


@pytest.mark.usefixtures("two_devices")
def test_jobs_take_free_devices_and_wait_while_all_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [devices.acquire_device().index for _ in range(2)] == [0, 1]
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 2:
            devices.os.close(devices._held.pop(0))

    monkeypatch.setattr(devices.time, "sleep", wait)
    assert devices.acquire_device().index == 0
    assert len(waits) == 2


class Job:
    """A process that takes a device and holds it until it is ended."""

    def __init__(self, visible_devices: str | None = None) -> None:
        context = multiprocessing.get_context("fork")
        self._told, telling = context.Pipe()
        self._process = context.Process(target=self._hold, args=(telling, visible_devices))
        self._process.start()

    def device(self, seconds: float) -> int | None:
        """Index of its device; None if it has none within that time."""
        return self._told.recv() if self._told.poll(seconds) else None

    def end(self) -> None:
        self._process.kill()
        self._process.join()

    @staticmethod
    def _hold(telling: Connection, visible_devices: str | None) -> None:
        if visible_devices:
            os.environ["CUDA_VISIBLE_DEVICES"] = visible_devices
        telling.send(devices.acquire_device().index)
        telling.recv()


@pytest.mark.usefixtures("two_devices")
def test_processes_share_the_devices_of_a_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "_POLL_SECONDS", 0.05)
    jobs = [Job(), Job()]
    try:
        taken = [job.device(30) for job in jobs]
        assert sorted(taken) == [0, 1]
        jobs.append(Job())
        assert jobs[2].device(1) is None
        jobs[0].end()
        assert jobs[2].device(30) == taken[0]
    finally:
        for job in jobs:
            job.end()


@pytest.mark.usefixtures("two_devices")
def test_jobs_of_a_queue_take_the_device_that_it_gave_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "_POLL_SECONDS", 0.05)
    jobs = [Job("1"), Job("0")]
    try:
        assert [job.device(30) for job in jobs] == [0, 0]
        jobs.append(Job())
        assert jobs[2].device(1) is None
        jobs[0].end()
        assert jobs[2].device(30) == 1
    finally:
        for job in jobs:
            job.end()


@pytest.mark.skipif(os.geteuid() != 0, reason="another user's file needs root")
@pytest.mark.usefixtures("two_devices")
def test_users_share_the_devices_of_a_machine(tmp_path: Path) -> None:
    tmp_path.chmod(0o1777)
    umask = os.umask(0o077)
    try:
        assert devices.acquire_device().index == 0
    finally:
        os.umask(umask)
    os.close(devices._held.pop())
    (lock,) = tmp_path.iterdir()
    assert lock.stat().st_mode & 0o777 == 0o644
    os.chown(lock, 1, 1)
    assert devices.acquire_device().index == 0


def test_environment_of_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    found = provenance.environment("cpu")
    assert found["packages"]["torch"] == torch.__version__.split("+")[0]
    assert found["device"] == "cpu"
    assert found["processor"]
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"name of {device}")
    assert provenance.environment("cuda:1")["device"] == "name of cuda:1"


def test_what_cannot_be_found_out_is_null(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_git(*_: object, **__: object) -> None:
        raise FileNotFoundError

    monkeypatch.setattr(subprocess, "run", no_git)
    monkeypatch.setattr(provenance, "_PACKAGES", ("no-such-package",))
    monkeypatch.setattr(Path, "is_file", lambda self: False)
    found = provenance.environment("cpu")
    assert found["git_revision"] is None
    assert found["packages"] == {"no-such-package": None}


@pytest.mark.parametrize(("native", "dtype"), [(True, torch.bfloat16), (False, torch.float32)])
def test_bfloat16_where_the_processor_has_it(
    native: bool, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(devices, "has_bfloat16", lambda device: native)
    with devices.autocast(torch.device("cpu"), "bfloat16"):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == dtype
    assert ("cpu has no bfloat16 instructions: computing in float32" in caplog.text) is not native
    assert devices.taken_precision(torch.device("cpu"), "bfloat16") == str(dtype).removeprefix("torch.")
    assert devices.taken_precision(torch.device("cpu"), "float32") == "float32"
    with devices.autocast(torch.device("cpu"), "float32"):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.float32


@pytest.mark.parametrize(("avx512", "amx"), [(True, False), (False, True), (False, False)])
def test_processors_with_bfloat16(avx512: bool, amx: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx512)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    assert devices.has_bfloat16(torch.device("cpu")) is (avx512 or amx)


def test_gpus_with_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **options: asked.append(options) or True)
    assert devices.has_bfloat16(torch.device("cuda"))
    assert asked == [{"including_emulation": False}]
