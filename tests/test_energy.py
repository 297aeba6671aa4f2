"""The energy of a training, on a made-up driver."""

import sys
from types import SimpleNamespace

import pytest
import torch

from textscf.job.energy import EnergyMeter

CUDA = torch.device("cuda:0")


class NvmlError(Exception):
    """The error that the driver raises."""


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A driver with one device, `abc`, whose counter is in millijoules."""
    driver = SimpleNamespace(NVMLError=NvmlError, nvmlInit=lambda: None, counter=5_000)

    def handle(identity: str) -> str:
        if identity != "GPU-abc":
            raise NvmlError
        return identity

    driver.nvmlDeviceGetHandleByUUID = handle
    driver.nvmlDeviceGetTotalEnergyConsumption = lambda device: driver.counter
    monkeypatch.setitem(sys.modules, "pynvml", driver)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: SimpleNamespace(uuid="abc"))
    return driver


def test_joules_count_from_the_start_and_add_to_the_earlier_parts(driver: SimpleNamespace) -> None:
    whole, second = EnergyMeter(CUDA), EnergyMeter(CUDA, before=10.0)
    driver.counter += 2_500
    assert whole.joules() == 2.5
    assert second.joules() == 12.5


def test_an_unknown_part_makes_the_sum_unknown(driver: SimpleNamespace) -> None:
    assert EnergyMeter(CUDA, before=None).joules() is None


def test_the_cpu_and_an_unknown_device_tell_nothing(driver: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    assert EnergyMeter(torch.device("cpu")).joules() is None
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: SimpleNamespace(uuid="MIG"))
    assert EnergyMeter(CUDA).joules() is None


def test_nothing_is_told_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert EnergyMeter(CUDA).joules() is None
