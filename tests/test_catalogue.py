"""The entry for Snakemake's catalogue, the small study of .test/, and the steps of the CI."""

import os
import re
import subprocess
import sys
from pathlib import Path

import yaml

from tests.python_server import python
from tests.small_study import copy_project
from textscf.files.io import read_yaml
from textscf.files.registry import MEASURES, entries_with
from textscf.metrics.measures import METRICS
from textscf.study import load_study


def test_the_catalogue_finds_snakefile_configuration_and_deployment(root: Path) -> None:
    usage = yaml.safe_load((root / ".snakemake-workflow-catalog.yml").read_text())["usage"]
    assert usage.keys() == {"mandatory-flags", "software-stack-deployment", "report"}
    assert usage["mandatory-flags"].keys() == {"desc", "flags"}
    assert usage["software-stack-deployment"] == {"conda": True, "apptainer": True, "apptainer+conda": False}
    assert (root / "Snakefile").is_file()
    text = (root / "config/README.md").read_text()
    studies = {path.name for path in (root / "config").glob("*.yaml") if "study" in read_yaml(path)}
    rows = "".join(re.findall(r"^\| `.*?\|", text, re.MULTILINE))
    assert studies - {"config.yaml"} == set(re.findall(r"`(\w+\.yaml)`", rows))


def test_the_test_study_plans_itself_in_its_folder_from_its_own_files(root: Path, tmp_path: Path) -> None:
    project = copy_project(root, tmp_path / "project")
    copied = project / ".test/config"
    (copied / "cohorts").mkdir(parents=True)
    for name in ("config.yaml", "cohorts/simulated_few.yaml"):
        (copied / name).write_text((root / ".test/config" / name).read_text())
    command = [python(), "-m", "snakemake", "--cores", "2", "--directory", ".test", "--dry-run"]
    run = subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=600)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "results/test/report.html" in run.stdout
    assert "cohorts/simulated_few/cohort.json" in run.stdout
    assert not (project / ".test/results").exists()


def test_the_test_study_is_small_and_says_that_its_data_is_simulated(root: Path) -> None:
    study = load_study(read_yaml(root / ".test/config/config.yaml"), root / "config", own=root / ".test/config")
    trained = [run for run in study.runs.values() if run["method"] == "learned"]
    assert {run["run"] for run in trained} == {"lku_net", "textscf"}
    assert all(run["training"]["epochs"] * run["training"]["steps_per_epoch"] <= 10 for run in trained)
    assert "simulated" in study.cohort("simulated_few")["notice"]
    assert "simulated" in study.title


def test_files_of_ones_own_folder_come_before_the_projects(root: Path, tmp_path: Path) -> None:
    (tmp_path / "cohorts").mkdir()
    changed = read_yaml(root / "config/cohorts/simulated_abdomen.yaml") | {"title": "My own"}
    (tmp_path / "cohorts/simulated_abdomen.yaml").write_text(yaml.safe_dump(changed))
    study = load_study(read_yaml(root / "config/demo.yaml"), root / "config", own=tmp_path)
    assert study.cohort("simulated_abdomen")["title"] == "My own"
    assert study.cohort("simulated_brain") == load_study(read_yaml(root / "config/demo.yaml"), root / "config").cohort(
        "simulated_brain"
    )


def test_workflows_of_github_call_steps_of_the_ci_by_pinned_actions(root: Path) -> None:
    steps = set(re.findall(r"^step_(\w+)\(\)", (root / ".ci/run").read_text(), re.MULTILINE))
    called: set[str] = set()
    for path in (root / ".github/workflows").iterdir():
        workflow = yaml.safe_load(path.read_text())
        for job in workflow["jobs"].values():
            for step in job["steps"]:
                assert re.fullmatch(r"[\w-]+/[\w-]+@v\d+\.\d+\.\d+", step.get("uses", "a/b@v0.0.0")), path
                called |= set(step.get("run", "").removeprefix("bash .ci/run").split())
    assert called == steps


def test_an_unknown_step_is_refused(root: Path) -> None:
    text = (root / ".ci/run").read_text().replace("\nmake setup\n", "\n")
    run = subprocess.run(["bash", "-c", text, str(root / ".ci/run"), "tset"], cwd=root, capture_output=True, text=True)
    assert run.returncode == 2
    assert "tset: no such step" in run.stderr


PLANNED = """
import sys
from pathlib import Path
from textscf.files.io import read_yaml
from textscf.study import load_study, plan
from textscf.workflow import Order, StudyFiles, stage_settings
config = Path(sys.argv[1])
study = load_study(read_yaml(config / "demo.yaml"), config)
files, order = StudyFiles(study), Order(study)
plan(study, study.step_times), files.claims(), files.report("report")
[files.requested_metrics(run) for run in study.runs]
[stage_settings(study, f"demo/{part}") for part in ("claims", "report", "runs/textscf", "tables/table3")]
print(*{name.partition(".")[0] for name in sys.modules})
"""


def test_a_study_is_planned_by_snakemake_and_the_packages_that_it_brings(root: Path) -> None:
    """Stages may then run in an environment of conda or in a container."""
    environment = {**os.environ, "PYTHONPATH": str(root / "src")}
    run = subprocess.run(
        [sys.executable, "-c", PLANNED, root / "config"], env=environment, capture_output=True, text=True, check=True
    )
    imported = set(run.stdout.split())
    assert "textscf" in imported
    assert imported.isdisjoint({"numpy", "pandas", "scipy", "torch", "nibabel", "edt", "matplotlib", "pooch", "tqdm"})


def test_metrics_on_request_are_known_without_importing_them() -> None:
    assert entries_with(MEASURES, "on_request") == sorted(name for name, each in METRICS.items() if each.on_request)
    assert entries_with(MEASURES, "of_field") == sorted(name for name, each in METRICS.items() if each.of_field)
