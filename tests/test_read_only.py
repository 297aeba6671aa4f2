"""A checkout that may only be read, such as a shared one, with all results in another folder (`snakemake -d`)."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.python_server import python
from tests.small_study import copy_project
from textscf.job import provenance

TARGETS = ("results/cohorts/simulated_abdomen/cohort.json", "results/complexity/claim.csv")


def listing(folder: Path) -> dict[str, tuple[int, int]]:
    """Time of change and size of everything below `folder`."""
    found = [folder, *folder.rglob("*")]
    return {str(path): (path.stat().st_mtime_ns, path.stat().st_size) for path in found}


@pytest.fixture
def checkout(tmp_path: Path, root: Path) -> Iterator[Path]:
    """A copy of the project without permission to write, which root has nevertheless."""
    project = copy_project(root, tmp_path / "checkout")
    places = [project, *project.rglob("*")]
    modes = {path: path.stat().st_mode for path in places}
    for path in places:
        path.chmod(modes[path] & ~0o222)
    yield project
    for path in places:
        path.chmod(modes[path])


def test_nothing_is_written_into_the_checkout(checkout: Path, tmp_path: Path) -> None:
    before = listing(checkout)
    there = tmp_path / "elsewhere"
    there.mkdir()
    # Python itself keeps its bytecode beside the sources, where it may; it does without where it may not.
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    call = [python(), "-m", "snakemake", "--cores", "2", "--snakefile", str(checkout / "Snakefile")]
    options = ["--directory", str(there), "--configfile", str(checkout / "config/small.yaml")]
    for arguments in (["--dry-run"], TARGETS):
        run = subprocess.run(
            [*call, *arguments, *options], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=600
        )
        assert run.returncode == 0, run.stderr[-5000:]
        assert listing(checkout) == before
    assert [name for name in TARGETS if not (there / name).is_file()] == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_the_revision_of_another_users_checkout_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = tmp_path / "module.py"
    code.touch()
    git = ["git", "-C", str(tmp_path), "-c", "user.name=A", "-c", "user.email=a@example.org"]
    for command in (["init", "-q"], ["add", "module.py"], ["commit", "-qm", "First"]):
        subprocess.run([*git, *command], check=True)
    commit = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout
    for path in [tmp_path, *tmp_path.rglob("*")]:
        os.chown(path, 65534, 65534)
    monkeypatch.setattr(provenance, "__file__", str(code))
    assert provenance.git_revision() == commit[:12]
