"""Fixtures that more than one test module uses."""

import os
from pathlib import Path

import pytest
from filelock import FileLock

from tests.robustness.workspace import build_workspace

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"
os.environ["ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"] = "1"  # as textscf.data.ants_package has it
LONGEST = (
    *("test_slurm", "test_paper_study", "test_faults", "test_workflow", "test_robustness", "test_training_step"),
    *("test_cuda_without_a_gpu", "test_backbones", "test_segmentation_training", "test_expectations", "test_readers"),
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest modules come first, so that all processes end together."""
    items.sort(key=lambda item: LONGEST.index(item.path.stem) if item.path.stem in LONGEST else len(LONGEST))


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


@pytest.fixture(scope="session")
def workspace(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A small study with results of every stage, made once for all test processes; who changes it copies it."""
    folder = tmp_path_factory.getbasetemp()
    folder = folder if worker_id == "master" else folder.parent
    with FileLock(folder / "workspace.lock"):
        if not (folder / "workspace").exists():
            build_workspace(folder / "unfinished").rename(folder / "workspace")
    return folder / "workspace"
