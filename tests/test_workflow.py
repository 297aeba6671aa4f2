"""The workflow itself: a small study from simulation to report, second runs, changed settings, bad settings."""

import re
import shutil
import subprocess
import zipfile
from pathlib import Path

import pandas as pd
import pytest
import yaml

from tests.faulty_server import FaultyServer
from tests.small_study import STUDY, copy_project, edit, snakemake
from tests.stand_ins import hippocampus_tar
from textscf.files.io import read_yaml


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Path:
    """A copy of the project whose cohort and study are small."""
    return copy_project(root, tmp_path_factory.mktemp("workflow") / "project")


@pytest.fixture(scope="module")
def finished(project: Path) -> Path:
    run = snakemake(project)
    assert run.returncode == 0, run.stderr[-5000:]
    return project / "results"


def jobs(dry_run: subprocess.CompletedProcess[str]) -> dict[str, int]:
    """Number of jobs by rule that a dry run announces."""
    assert dry_run.returncode == 0, dry_run.stdout + dry_run.stderr
    table = (dry_run.stdout + dry_run.stderr).split("Job stats:")
    if len(table) == 1:
        return {}
    lines = (line.split() for line in table[1].split("\n\n")[0].splitlines()[3:])
    return {words[0]: int(words[1]) for words in lines if len(words) == 2}


def test_every_stage_leaves_its_files(finished: Path) -> None:
    cohort, study = finished / "cohorts/simulated_abdomen", finished / "small"
    made = [
        *(cohort / f"segmentations/{s}/accuracy_by_split.csv" for s in ("tiny", "ground_truth")),
        cohort / "prompts/one_hot/similarity.pdf",
        *(study / f"runs/{r}/{f}" for r in ("lku_net", "lapirn", "textscf") for f in ("checkpoint.pt", "metrics.csv")),
        study / "runs/syn/metrics.csv",
        *(study / f"tables/table3{suffix}" for suffix in (".csv", ".md", ".tex", ".html", "_tests.csv")),
        *(study / f"tables/complexity{suffix}" for suffix in (".csv", ".md", ".tex", ".html")),
        finished / "complexity/claim.csv",
        *(study / f"claims.{suffix}" for suffix in ("csv", "md", "html")),
        study / "report.html",
        study / "quick.html",
        *(study / f"figures/{n}.{s}" for n in ("figure3", "figure7", "example") for s in ("pdf", "png", "csv", "txt")),
    ]  # fmt: skip
    assert [str(path) for path in made if not path.is_file()] == []
    assert len(list((cohort / "images").iterdir())) == len(list((cohort / "labels").iterdir())) == 8


def test_claims_are_checked_on_the_runs_that_the_study_has(finished: Path) -> None:
    claims = pd.read_csv(finished / "small/claims.csv", index_col="id", keep_default_na=False)
    tested = claims[claims["verdict"] != "not tested"]
    assert {"gain_over_lku_net", "fewer_of_both", "follows_segmentation", "discontinuity"} <= set(tested.index)
    assert "not part of this test" in claims.loc["gain_over_voxelmorph", "reason"]
    assert claims.loc["fewer_of_both", "verdict"] == "not reproduced"
    count = f"of {len(tested)} testable claims reproduced"
    assert count in (finished / "small/claims.md").read_text()
    assert count in (finished / "small/report.html").read_text()
    assert "simulated anatomy" in claims["notice"].iloc[0]


def test_the_table_says_what_is_simulated_and_which_rows_see_the_fixed_labels(finished: Path) -> None:
    text = (finished / "small/tables/table5.md").read_text()
    assert "simulated" in text
    assert "†" in next(line for line in text.splitlines() if "Ground truth" in line)
    assert "not run" in next(line for line in text.splitlines() if "SwinUNETR base" in line)


def test_the_table_is_the_mean_of_the_pairs(finished: Path) -> None:
    table = pd.read_csv(finished / "small/tables/table3.csv").set_index("run")
    metrics = pd.read_csv(finished / "small/runs/lku_net/metrics.csv")
    assert metrics.groupby(["fixed", "moving"]).ngroups == 6
    dice = metrics.assign(dice=metrics["dice"].fillna(0)).groupby(["fixed", "moving"])["dice"].mean().mean()
    assert table.loc["lku_net", "dice"] == pytest.approx(100 * dice)


@pytest.mark.usefixtures("finished")
def test_a_second_call_runs_nothing(project: Path) -> None:
    assert jobs(snakemake(project, "--dry-run")) == {}


@pytest.mark.usefixtures("finished")
def test_a_changed_setting_of_one_run_reaches_only_what_depends_on_it(project: Path) -> None:
    changed = snakemake(project, "--dry-run", "--config", "runs={lku_net: {loss: {smoothness: 0.3}}}")
    counts = jobs(changed)
    counts.pop("total")
    expected = {
        "settings": 1, "train": 1, "evaluate": 1, "table": 2, "figure": 6, "run_complexity": 1, "complexity_table": 1,
        "claims": 1, "quick": 1, "report": 1, "all": 1,
    }  # fmt: skip
    assert counts == expected


def test_the_main_comparison_comes_before_the_other_runs(project: Path) -> None:
    dry_run = snakemake(project, "--dry-run", "--forceall")
    blocks = [block for block in re.split(r"^\[", dry_run.stdout, flags=re.MULTILINE) if "\nrule train:" in block]
    first = {
        re.search(r"wildcards: run=(\S+)", block)[1]: re.search(r"priority: 1\d{6}\b", block) is not None
        for block in blocks
    }
    assert first == {"lku_net": True, "lapirn": True, "textscf": True, "textscf_ground_truth": False}


def test_the_report_has_the_table_that_it_is_about_and_says_what_is_simulated(finished: Path) -> None:
    cells = re.findall(r"<td.*?</td>", (finished / "small/tables/table3.html").read_text())
    for name in ("report", "quick"):
        text = (finished / f"small/{name}.html").read_text()
        assert cells
        assert all(cell in text for cell in cells)
        assert "simulated anatomy, simulated CT" in text
        assert ('id="table5"' in text) == (name == "report")


def test_fields_are_exported_for_the_challenge(project: Path, finished: Path) -> None:
    exported = snakemake(project, "--printshellcmds", "results/small/runs/lapirn/learn2reg_2022.zip")
    assert exported.returncode == 0, exported.stderr
    assert set(jobs(snakemake(project, "--dry-run"))) <= {"total"}
    with zipfile.ZipFile(finished / "small/runs/lapirn/learn2reg_2022.zip") as archive:
        names = archive.namelist()
    assert len(names) == 6
    assert "disp_0006_0007.nii.gz" in names


@pytest.mark.parametrize("study", ["demo", "hippocampus", "abdomen_anatomy", "brain_from_one", "paper"])
def test_every_study_of_the_project_resolves_without_data(project: Path, study: str) -> None:
    dry_run = snakemake(project, "--dry-run", "--printshellcmds", study=study)
    assert jobs(dry_run)["train"] >= 2
    assert "{cohort}" not in dry_run.stdout + dry_run.stderr


def test_an_auxiliary_cohort_is_made_and_passed_on(project: Path) -> None:
    shutil.copy(project / "config/cohorts/simulated_abdomen.yaml", project / "config/cohorts/chest.yaml")
    joint = {
        "study": "joint",
        "cohorts": {**STUDY["cohorts"], "auxiliary": "chest"},
        "experiments": [*STUDY["experiments"], "table4"],
    }
    (project / "config/joint.yaml").write_text(yaml.safe_dump({**STUDY, **joint}))
    dry_run = snakemake(project, "--dry-run", "--printshellcmds", "results/joint/tables/table4.csv", study="joint")
    assert jobs(dry_run)["train"] == 3
    printed = (dry_run.stdout + dry_run.stderr).replace('"', "")
    commands = [line.split() for line in printed.splitlines() if "TEXTSCF_SRC/" in line]
    assert any("$TEXTSCF_SRC/preprocess.py" in c and "results/cohorts/chest/cohort.json" in c for c in commands)
    embedding = "results/cohorts/simulated_abdomen/prompts/one_hot{}/embedding.npz"
    trained = [c for c in commands if "$TEXTSCF_SRC/train.py" in c]
    with_auxiliary = {
        c[c.index("--embedding") + 1]: c[c.index("--auxiliary") + 1] for c in trained if "--auxiliary" in c
    }
    assert with_auxiliary == {embedding.format(tail): "results/cohorts/chest" for tail in ("", ".chest")}
    assert any("$TEXTSCF_SRC/embed_prompts.py" in c and embedding.format(".chest") in c for c in commands)


SITE = """
default-resources: {slurm_account: lab, slurm_partition: cpu}
set-resources:
  train: {slurm_partition: gpu, runtime: "min(1440 * attempt, 2000)"}
"""


@pytest.mark.parametrize(("attempt", "memory", "minutes"), [(1, 16000, 1440), (2, 32000, 2000)])
def test_jobs_of_a_queue_ask_for_what_they_need_and_the_site_wants(
    project: Path, attempt: int, memory: int, minutes: int
) -> None:
    (project / "site.yaml").write_text(SITE)
    options = ["--workflow-profile", "profiles/slurm", "--profile", "site.yaml", "--attempt", str(attempt)]
    dry_run = snakemake(project, "--dry-run", "--forceall", *options, "--", "quick")
    assert dry_run.returncode == 0, dry_run.stderr
    asked = dict(re.findall(r"^rule (\w+):.*?^    resources: (.*?)$", dry_run.stdout, re.MULTILINE | re.DOTALL))
    wanted = {"gpu=1", f"mem_mb={memory}", f"runtime={minutes}", "slurm_account=lab", "slurm_partition=gpu"}
    assert wanted | {"slurm_extra=--signal=TERM@300"} <= set(asked["train"].split(", "))
    assert {f"mem_mb={8000 * attempt}", "slurm_partition=cpu"} <= set(asked["simulate"].split(", "))
    assert "gpu=" not in asked["simulate"]


def test_terms_are_accepted_by_a_key_that_makes_nothing_run_again(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in FaultyServer.environment.items():
        monkeypatch.setenv(name, value)
    own = copy_project(root, tmp_path / "project")
    source = "results/cohorts/hippocampus_mr/source.json"
    hippocampus_tar(tmp_path / "served", 2, (8, 8, 8))
    with FaultyServer(tmp_path / "served") as server:
        release = read_yaml(own / "config/data_sets/hippocampus_mr.yaml")["releases"][0]
        release |= {"url": server.url("Task04_Hippocampus.tar"), "checksum": None}
        edit(own / "config/data_sets/hippocampus_mr.yaml", agreement="Read the terms.", releases=[release])
        refused = snakemake(own, "--", source, study="hippocampus")
        assert refused.returncode != 0
        assert "Read the terms. If you accept them, set --config accept=hippocampus_mr" in refused.stderr
        assert server.requests == []
        accepted = snakemake(own, "--config", "accept=oasis,hippocampus_mr", "--", source, study="hippocampus")
        assert accepted.returncode == 0, accepted.stderr
        assert server.count("/Task04_Hippocampus.tar") == 1
    other = ["--config", "accept=oasis", f"data_root={tmp_path}"]
    assert jobs(snakemake(own, "--dry-run", *other, "--", source, study="hippocampus")) == {}


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("defaults={trainin: {epochs: 2}}", "defaults: unknown key 'trainin'; did you mean 'training'?"),
        ("runs={textscff: {}}", "runs: run 'textscff' is not defined; did you mean 'textscf'?"),
        ("colour=red", "unknown key 'colour'"),
        ("accept=oasi", "accept: data set 'oasi' is not defined; did you mean 'oasis'?"),
    ],
)
def test_a_mistake_stops_at_once_and_names_file_and_key(project: Path, setting: str, message: str) -> None:
    run = snakemake(project, "--dry-run", "--config", setting)
    output = run.stdout + run.stderr
    assert run.returncode != 0
    assert message in output
    assert "small.yaml" in output
    assert "Traceback" not in output
