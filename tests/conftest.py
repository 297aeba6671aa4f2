"""Fixtures that more than one test module uses."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"


@pytest.fixture(scope="session")
def root() -> Path:
    """The project's folder."""
    return ROOT


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real test data beside the project."""
    if not (SHARED / "data").is_dir():
        pytest.skip(f"no real data at {SHARED}/data")
    return SHARED
