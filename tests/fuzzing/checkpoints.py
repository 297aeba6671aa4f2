"""Checkpoints of a run, as files and by their pickled part alone."""

import io
import zipfile
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from tests.fuzzing.odd_values import with_odd_values
from tests.fuzzing.target import Target
from tests.scan_files import make_checkpoint
from textscf.registration.scan_pair import ScanRegistrar


@cache
def _records() -> dict[str, bytes]:
    """Members of a good checkpoint, which is a zip archive."""
    with TemporaryDirectory() as folder, zipfile.ZipFile(make_checkpoint(Path(folder))) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _packed(pickled: bytes) -> bytes:
    """A checkpoint with another pickled part."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in _records().items():
            archive.writestr(name, pickled if name.endswith("data.pkl") else content)
    return stream.getvalue()


def _pickled() -> bytes:
    return next(content for name, content in _records().items() if name.endswith("data.pkl"))


@cache
def _content() -> Any:
    return torch.load(io.BytesIO(_packed(_pickled())), weights_only=True)


def _odd_content(choices: bytes) -> bytes:
    """A checkpoint with odd values in its settings."""
    stream = io.BytesIO()
    settings = {key: value for key, value in _content().items() if key != "network"}
    torch.save({**with_odd_values(settings, choices), "network": _content()["network"]}, stream)
    return stream.getvalue()


def _small_file() -> bytes:
    stream = io.BytesIO()
    torch.save({"format": "textscf checkpoint 1", "network": {"weight": torch.ones(2)}}, stream)
    return stream.getvalue()


TARGET = Target(
    "checkpoint.pt",
    lambda path: ScanRegistrar(path, torch.device("cpu"), None),
    (b"\1" + _pickled(), b"\0" + _small_file(), b"\2" + bytes(4)),
    (bytes, _packed, _odd_content),
    32768,
)
