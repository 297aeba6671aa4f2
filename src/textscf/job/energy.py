"""Electrical energy of a training, if the device's driver reports it."""

import torch


class EnergyMeter:
    """Meter of the energy that a CUDA device uses from now on, including idle power and other processes.

    Args:
        device: device to measure; the CPU reports no energy.
        before: joules of the training's earlier parts; None if unknown.
    """

    def __init__(self, device: torch.device, before: float | None = 0.0) -> None:
        self._device, self._before = device, before
        self._start = _joules(device)

    def joules(self) -> float | None:
        """Joules up to now, including the earlier parts; None if any part is unknown."""
        now = _joules(self._device)
        if now is None or self._start is None or self._before is None:
            return None
        return self._before + now - self._start


def _joules(device: torch.device) -> float | None:
    """Joules since the driver was loaded; None without pynvml or for a device that does not report energy."""
    if device.type != "cuda":
        return None
    try:
        import pynvml
    except ImportError:
        return None
    try:
        pynvml.nvmlInit()
        identity = torch.cuda.get_device_properties(device).uuid
        return pynvml.nvmlDeviceGetTotalEnergyConsumption(pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{identity}")) / 1000
    except pynvml.NVMLError:
        return None
