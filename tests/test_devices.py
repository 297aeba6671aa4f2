"""Sharing of devices, with a stand-in for CUDA; what a run records of its environment."""

import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from textscf import devices, provenance


@pytest.fixture
def two_devices(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda index: SimpleNamespace(uuid=f"id{index}"))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda index: f"device {index}")
    monkeypatch.setattr(devices.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(devices, "_held", [])


def test_without_cuda_or_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert devices.acquire_device() == torch.device("cpu")
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
