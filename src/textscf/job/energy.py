"""Electrical energy that a training takes, where the device's driver tells it."""

import torch


class EnergyMeter:
    """Joules that a CUDA device takes from now on, its idle power and other processes on it included.

    Args:
        device: that is measured; the CPU tells nothing.
        before: joules of the training's earlier parts; None if they are not known.
    """

    def __init__(self, device: torch.device, before: float | None = 0.0) -> None:
        self._device, self._before = device, before
        self._start = _joules(device)

    def joules(self) -> float | None:
        """Joules up to now, those of the earlier parts included; None where a part is not known."""
        now = _joules(self._device)
        if now is None or self._start is None or self._before is None:
            return None
        return self._before + now - self._start


def _joules(device: torch.device) -> float | None:
    """Joules since the driver was loaded; None without pynvml or for a device that does not count them."""
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
