"""The command `textscf`: from the checkout, and from a wheel without Snakemake."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

WITHOUT_EXTRAS = """
import runpy, sys
sys.modules.update(dict.fromkeys(["snakemake", "seaborn", "open_clip", "ants", "pooch", "tensorboard"]))
sys.argv = ["textscf", *sys.argv[1:]]
runpy.run_module("textscf", run_name="__main__")
"""


def textscf(
    arguments: list[str | Path], source: Path, cwd: Path, lean: bool = False
) -> subprocess.CompletedProcess[str]:
    """Run the command of the package in `source`; `lean` hides the packages that only extras install."""
    python = [sys.executable, "-c", WITHOUT_EXTRAS] if lean else [sys.executable, "-m", "textscf"]
    environment = {**os.environ, "PYTHONPATH": str(source)}
    return subprocess.run([*python, *arguments], cwd=cwd, env=environment, capture_output=True, text=True)


@pytest.fixture(scope="module")
def wheel(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built wheel, unpacked."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(command, cwd=root, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    with zipfile.ZipFile(built) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def test_the_command_lists_every_script(root: Path, tmp_path: Path) -> None:
    done = textscf([], root / "src", tmp_path)
    assert done.returncode == 0
    names = {line.split()[0] for line in done.stdout.splitlines() if line.startswith("  ")}
    assert names == {path.stem for path in (root / "src").glob("*.py")} | {"workflow"}


def test_an_unknown_command_is_refused(root: Path, tmp_path: Path) -> None:
    done = textscf(["regsiter"], root / "src", tmp_path)
    assert done.returncode == 2
    assert done.stderr.endswith("error: no command 'regsiter'\n")


def test_a_command_has_its_own_name_and_exit_code(root: Path, tmp_path: Path) -> None:
    assert textscf(["table", "--help"], root / "src", tmp_path).stdout.startswith("usage: textscf table ")
    done = textscf(["train", "--config", "no.yaml", "--cohort", ".", "--out", "."], root / "src", tmp_path)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("error: no.yaml")


def test_a_wheel_has_every_script_but_those_for_the_repository(root: Path, wheel: Path) -> None:
    scripts = {path.name for path in (root / "src").glob("*.py")} - {"key_reference.py", "reference.py"}
    assert {path.name for path in (wheel / "textscf/project/src").iterdir()} == scripts


def test_a_wheel_registers_without_the_packages_of_extras(wheel: Path, tmp_path: Path) -> None:
    done = textscf(["register", "--out", "x"], wheel, tmp_path, lean=True)
    assert (done.returncode, done.stderr) == (2, "error: expected either --fixed and --moving, or --pairs\n")
    scans: list[str | Path] = ["--fixed", "no.nii", "--moving", "no.nii", "--out", "x"]
    done = textscf(["register", "--model", "nothing", *scans], wheel, tmp_path, lean=True)
    assert "no model 'nothing'" in done.stderr
    assert "(brain_2mm, hippocampus)" in done.stderr


def test_a_missing_extra_is_named(wheel: Path, tmp_path: Path) -> None:
    done = textscf(["workflow", "-n"], wheel, tmp_path, lean=True)
    assert done.returncode == 2
    assert done.stderr.startswith("error: textscf workflow needs the package 'snakemake'")


def test_a_missing_part_of_an_installed_package_is_not_called_a_missing_extra(root: Path, tmp_path: Path) -> None:
    (tmp_path / "matplotlib").mkdir()
    (tmp_path / "matplotlib/__init__.py").touch()
    arguments = ["figure", "--config", "x", "--results", "x", "--reported", "x", "--out", "x"]
    done = textscf(arguments, tmp_path, root / "src")
    assert "No module named 'matplotlib." in done.stderr
    assert "extras" not in done.stderr


def test_a_wheel_runs_the_workflow(wheel: Path, tmp_path: Path) -> None:
    done = textscf(["workflow", "-n", "--quiet", "rules", "--", "table3"], wheel, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "evaluate" in done.stdout + done.stderr
