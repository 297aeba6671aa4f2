"""Provenance of a result: code, packages, machine."""

import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import textscf

_PACKAGES = (
    "torch",
    "monai",
    "numpy",
    "scipy",
    "nibabel",
    "antspyx",
    "open_clip_torch",
    "sentence-transformers",
    "snakemake",
)


def environment(device: str) -> dict[str, Any]:
    """Git revision, package versions and hardware of a computation on `device` (a torch device string)."""
    return {
        "textscf": textscf.__version__,
        "git_revision": git_revision(),
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in _PACKAGES},
        "platform": platform.platform(),
        "processor": _processor(),
        "device": _device_name(device),
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def git_revision() -> str | None:
    """Commit of the code, with ``-dirty`` if files differ from it; None outside of a repository.

    The repository may be another user's, which git refuses by default: its code is running already.
    """
    command = [
        "git",
        "-c",
        "safe.directory=*",
        "-C",
        str(Path(__file__).parent),
        "describe",
        "--always",
        "--dirty",
        "--abbrev=12",
        "--exclude=*",
    ]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor()


def _device_name(device: str) -> str:
    import torch

    return torch.cuda.get_device_name(device) if device.startswith("cuda") else "cpu"
