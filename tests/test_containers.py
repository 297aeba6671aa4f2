"""Recipes of containers, and stages in a container, with a program in place of Apptainer that prints its arguments."""

import re
from pathlib import Path

import pytest

from tests.small_study import copy_project, snakemake

APPTAINER = """#!/bin/bash
if [ "$1" = --version ]; then echo "apptainer version 1.3.0"; exit; fi
echo "$APPTAINER_BIND; $APPTAINER_NV; $*" >> {log}
while [ "$1" != bash ]; do shift; done
exec "$@"
"""
CLAIM = "results/complexity/claim.csv"


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folder of programs that are found first, with an Apptainer that runs the command outside of any container."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    (folder / "apptainer").write_text(APPTAINER.format(log=tmp_path / "log.txt"))
    (folder / "apptainer").chmod(0o755)
    return folder


def test_stages_run_in_the_image_and_see_project_data_and_gpus(root: Path, tmp_path: Path, programs: Path) -> None:
    (programs / "nvidia-smi").write_text("#!/bin/sh\n")
    (programs / "nvidia-smi").chmod(0o755)
    project = copy_project(root, tmp_path / "project")
    (tmp_path / "data").mkdir()
    (project / "textscf.sif").touch()
    run = snakemake(
        project, "--sdm", "apptainer", "--config", "container=textscf.sif", "data_root=../data", "--", CLAIM
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert (project / CLAIM).is_file()
    bound, gpus, command = (tmp_path / "log.txt").read_text().split("; ", 2)
    assert set(bound.split(",")) == {str(project), str(project / "../data")}
    assert gpus == "1"
    assert re.search(r"^exec .* textscf\.sif bash -c set -euo pipefail; +exec python .*/complexity_claim\.py", command)


def test_without_an_image_nothing_is_contained(root: Path, tmp_path: Path, programs: Path) -> None:
    project = copy_project(root, tmp_path / "project")
    run = snakemake(project, "--sdm", "apptainer", "--", CLAIM)
    assert run.returncode == 0, run.stdout + run.stderr
    assert not (tmp_path / "log.txt").exists()


def test_both_recipes_have_one_base_and_one_set_of_steps(root: Path) -> None:
    docker, apptainer = ((root / "envs" / name).read_text() for name in ("Dockerfile", "textscf.def"))
    bases = re.findall(r"^FROM (\S+)$", docker, re.MULTILINE), re.findall(r"^From: (\S+)$", apptainer, re.MULTILINE)
    assert bases[0] == bases[1]
    assert re.fullmatch(r"python:3\.\d+\.\d+-slim-\w+", bases[0][0])
    for text in (docker, apptainer):
        assert "sh /opt/textscf/container.sh /opt/textscf/requirements.txt" in text
    steps = (root / "envs/container.sh").read_text()
    assert "--no-deps --require-hashes" in steps
    copied = {line.removeprefix("!") for line in (root / ".dockerignore").read_text().split() if line[0] == "!"}
    assert copied == set(re.search(r"^COPY (.*) \S+$", docker, re.MULTILINE)[1].split())
