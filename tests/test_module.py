"""The workflow as a module of another one: from a local checkout, from GitHub, with a prefix, beside other rules."""

import os
import subprocess
import threading
from collections.abc import Mapping
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pandas as pd
import pytest
import yaml

from tests.python_server import python
from tests.small_study import STUDY, copy_project
from textscf.study.study import merge

ONLY_INITIAL = merge(
    STUDY,
    {
        "experiments": ["table3"],
        "not_run": dict.fromkeys(("lku_net", "textscf", "lapirn", "syn"), "not part of this test"),
    },
)
USER = """
configfile: "mine.yaml"


module textscf:
    snakefile: {snakefile}
    config: config["registration"]
    {more}


use rule * from textscf as textscf_*


rule all:
    default_target: True
    input: "numbers.txt", "{prefix}results/small/tables/table3.csv",


rule numbers:
    output: "numbers.txt",
    shell: "for i in 1 2; do echo $i; done > {{output}}; cat {{output}} | wc -l >> {{output}}"
"""


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Path:
    return copy_project(root, tmp_path_factory.mktemp("module") / "a checkout")


def user_folder(folder: Path, snakefile: str, prefix: str = "", **changes: object) -> Path:
    """A workflow of somebody else in `folder`, with files and settings of its own."""
    folder.mkdir()
    more = f'prefix: "{prefix}"' if prefix else ""
    (folder / "Snakefile").write_text(USER.format(snakefile=snakefile, more=more, prefix=prefix))
    (folder / "mine.yaml").write_text(yaml.safe_dump({"samples": ["a"], "registration": merge(ONLY_INITIAL, changes)}))
    return folder


def snakemake(
    folder: Path, *arguments: str, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    command = [python(), "-m", "snakemake", "--cores", "2", "--printshellcmds", *arguments]
    return subprocess.run(
        command, cwd=folder, env={**os.environ, **(environment or {})}, capture_output=True, text=True, timeout=600
    )


def test_the_rules_of_a_module_work_beside_others_with_results_below_its_prefix(checkout: Path, tmp_path: Path) -> None:
    folder = user_folder(tmp_path / "user", f'"{checkout}/Snakefile"', "moved/")
    run = snakemake(folder)
    assert run.returncode == 0, run.stdout + run.stderr
    assert (folder / "numbers.txt").read_text().split() == ["1", "2", "2"]
    table = pd.read_csv(folder / "moved/results/small/tables/table3.csv", index_col="run")
    assert table.loc["initial", "dice_percent"] > 0
    assert not (folder / "results").exists()
    again = snakemake(folder, "--dry-run")
    assert "Nothing to be done" in again.stdout + again.stderr


def test_a_module_plans_its_whole_study_in_another_directory(checkout: Path, tmp_path: Path) -> None:
    user_folder(tmp_path / "user", f'"{checkout}/Snakefile"')
    (tmp_path / "there").mkdir()
    options = ["--snakefile", "user/Snakefile", "--configfile", "user/mine.yaml", "--directory", "there", "--dry-run"]
    run = snakemake(tmp_path, *options, "textscf_all")
    assert run.returncode == 0, run.stdout + run.stderr
    assert "textscf_report" in run.stderr + run.stdout


def test_a_prefix_leaves_paths_of_the_user_as_they_are(checkout: Path, tmp_path: Path) -> None:
    """Fields from elsewhere, relative to the user's folder, are inputs of the evaluation as the settings have them."""
    external = {"method": "external", "method_options": {"convention": "itk", "fields": "fields"}}
    folder = user_folder(tmp_path / "user", f'"{checkout}/Snakefile"', "moved/", runs={"initial": external})
    (folder / "fields").mkdir()
    (folder / "fields/0006_0007.nii.gz").touch()
    run = snakemake(folder, "--dry-run", "moved/results/small/runs/initial/metrics.csv")
    assert run.returncode == 0, run.stdout + run.stderr
    assert "fields/0006_0007.nii.gz" in run.stdout + run.stderr
    assert "moved/fields" not in run.stdout + run.stderr


def test_a_bad_setting_of_a_module_is_one_clear_line(checkout: Path, tmp_path: Path) -> None:
    folder = user_folder(tmp_path / "user", f'"{checkout}/Snakefile"', titel="A study")
    run = snakemake(folder, "--dry-run")
    assert run.returncode == 1
    assert "configuration: unknown key 'titel'; did you mean 'title'?" in run.stdout + run.stderr


@pytest.fixture
def remote(checkout: Path, tmp_path: Path) -> dict[str, str]:
    """Environment in which github.com/someone/textscf is a repository of this machine."""
    origin = tmp_path / "github" / "someone" / "textscf"
    origin.parent.mkdir(parents=True)
    git = ["git", "-c", "user.name=A", "-c", "user.email=a@example.org", "-C", str(origin)]
    subprocess.run(["cp", "-r", str(checkout), str(origin)], check=True)
    for command in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-qm", "First"], ["tag", "v1"]):
        subprocess.run([*git, *command], check=True)
    return {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{tmp_path}/github/.insteadOf",
        "GIT_CONFIG_VALUE_0": "https://github.com/",
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
    }


def test_a_module_from_github_brings_all_files_of_its_revision(remote: dict[str, str], tmp_path: Path) -> None:
    folder = user_folder(tmp_path / "user", 'github("someone/textscf", path="Snakefile", tag="v1")')
    run = snakemake(folder, "--dry-run", "textscf_all", environment=remote)
    assert run.returncode == 0, run.stdout + run.stderr
    [unpacked] = (folder / ".snakemake/textscf/checkouts").iterdir()
    assert f"{unpacked}/config/complexity_claim.yaml" in run.stdout + run.stderr
    assert (unpacked / "src/textscf/__init__.py").is_file()


def test_a_source_without_the_other_files_is_refused_with_what_to_do(checkout: Path, tmp_path: Path) -> None:
    handler = partial(SimpleHTTPRequestHandler, directory=str(checkout))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        folder = user_folder(tmp_path / "user", f'"http://127.0.0.1:{server.server_port}/Snakefile"')
        run = snakemake(folder, "--dry-run")
        server.shutdown()
    assert run.returncode == 1
    assert "give the module the path of the clone's Snakefile" in run.stdout + run.stderr
