"""The examples in the docstrings of what people import give the results that they show."""

import doctest
import importlib
from pathlib import Path

import pytest

MODULES = (
    *("metrics.pair", "metrics.overlap", "metrics.surface", "metrics.jacobian", "spatial.warp", "spatial.integrate"),
    *("models.heads", "models.backbone", "pairs.registration_files"),
)


@pytest.mark.parametrize("name", MODULES)
def test_examples_give_what_they_show(name: str, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root)
    found = doctest.testmod(importlib.import_module(f"textscf.{name}"))
    assert found.attempted > 0
    assert found.failed == 0
