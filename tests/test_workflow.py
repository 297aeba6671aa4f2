"""The workflow itself: a small study from simulation to report, second runs, changed settings, bad settings."""

import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pandas as pd
import pytest

from tests.faulty_server import FaultyServer
from tests.small_study import copy_project, edit, snakemake
from tests.stand_ins import hippocampus_files, hippocampus_tar
from textscf.files.io import read_yaml
from textscf.results.statistics import FEWEST_SUBJECTS

KEY = "sk-test-0123456789abcdef0123456789abcdef"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Path:
    """A copy of the project whose cohort and study are small."""
    return copy_project(root, tmp_path_factory.mktemp("workflow") / "project")


@pytest.fixture(scope="module")
def finished(project: Path) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        for name in ("OPENAI_API_KEY", "HF_TOKEN", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, KEY)
        run = snakemake(project, "--verbose", "--printshellcmds")
    assert run.returncode == 0, run.stderr[-5000:]
    assert KEY not in run.stdout + run.stderr
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
        study / "pairs.html",
        study / "quick.html",
        *(study / f"figures/{n}.{s}" for n in ("figure3", "figure7", "example") for s in ("pdf", "png", "csv", "txt")),
    ]  # fmt: skip
    assert [str(path) for path in made if not path.is_file()] == []
    assert len(list((cohort / "images").iterdir())) == len(list((cohort / "labels").iterdir())) == 8


def test_a_key_in_the_environment_is_in_no_file(project: Path, finished: Path) -> None:
    files = [path for path in project.rglob("*") if path.is_file()]
    assert len([path for path in files if path.is_relative_to(finished)]) > 50
    assert [str(path) for path in files if KEY.encode() in path.read_bytes()] == []


def test_claims_are_checked_on_the_runs_that_the_study_has(finished: Path) -> None:
    claims = pd.read_csv(finished / "small/claims.csv", index_col="id", keep_default_na=False)
    tested = claims[claims["verdict"] != "not tested"]
    assert "fewer_of_both" in tested.index
    assert "not part of this test" in claims.loc["gain_over_voxelmorph", "reason"]
    for name in ("gain_over_lku_net", "follows_segmentation", "discontinuity"):  # three subjects, no interval
        assert claims.loc[name, "verdict"] == "not tested"
        assert f"fewer than {FEWEST_SUBJECTS} subjects" in claims.loc[name, "reason"]
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
    assert metrics.groupby(["fixed", "moving"]).ngroups == 3
    dice = metrics.assign(dice=metrics["dice"].fillna(0)).groupby(["fixed", "moving"])["dice"].mean().mean()
    assert table.loc["lku_net", "dice_percent"] == pytest.approx(100 * dice)


def test_a_second_run_on_this_machine_gives_the_same_bytes(root: Path, tmp_path: Path, finished: Path) -> None:
    """From simulation to table; only measured seconds may differ."""
    second = copy_project(root, tmp_path / "project")
    run = snakemake(second, "--", "results/small/tables/table5.csv")
    assert run.returncode == 0, run.stderr[-5000:]
    runs = [path.parent.name for path in (second / "results/small/runs").glob("*/checkpoint.pt")]
    assert sorted(runs) == ["lku_net", "textscf", "textscf_ground_truth"]
    for name in (f"runs/{run}/{file}" for run in runs for file in ("checkpoint.pt", "history.csv", "metrics.csv")):
        assert (second / "results/small" / name).read_bytes() == (finished / "small" / name).read_bytes(), name
    tables = [pd.read_csv(folder / "small/tables/table5.csv") for folder in (finished, second / "results")]
    seconds = [column for column in tables[0] if "seconds" in column]
    first, again = (table.drop(columns=seconds).to_csv() for table in tables)
    assert first == again


@pytest.mark.usefixtures("finished")
def test_one_seed_more_trains_only_itself(project: Path) -> None:
    more = snakemake(project, "--dry-run", "--config", "runs={lku_net: {seeds: [1, 2]}}", "--", "table3")
    assert {rule: n for rule, n in jobs(more).items() if rule in ("train", "evaluate")} == {"train": 1, "evaluate": 1}


@pytest.mark.usefixtures("finished")
def test_a_changed_setting_of_one_run_reaches_only_what_depends_on_it(project: Path) -> None:
    changed = snakemake(project, "--dry-run", "--config", "runs={lku_net: {loss: {smoothness: 0.3}}}")
    counts = jobs(changed)
    counts.pop("total")
    expected = {
        "settings": 1, "train": 1, "evaluate": 1, "table": 2, "structure_table": 1, "figure": 8, "run_complexity": 1,
        "complexity_table": 1, "claims": 1, "quick": 1, "viewer": 1, "report": 1, "all": 1,
    }  # fmt: skip
    assert counts == expected


def test_only_finished_shows_what_is_there_and_makes_no_other_run(root: Path, tmp_path: Path, finished: Path) -> None:
    copy = copy_project(root, tmp_path / "project")
    for folder in ("results", ".snakemake"):
        shutil.copytree(finished.parent / folder, copy / folder)
    shutil.rmtree(copy / "results/small/runs/lku_net")
    table = "results/small/tables/table3.csv"
    options = ["--config", "only_finished=True", "--", table]
    assert set(jobs(snakemake(copy, "--dry-run", *options))) == {"settings", "table", "total"}
    run = snakemake(copy, *options)
    assert run.returncode == 0, run.stderr
    rows = pd.read_csv(copy / table, index_col="run", keep_default_na=False)
    assert rows.loc["lku_net", "not_run"] == "not finished"
    assert rows.loc["textscf", "not_run"] == ""


def test_the_report_has_the_table_that_it_is_about_and_says_what_is_simulated(finished: Path) -> None:
    cells = re.findall(r"<td.*?</td>", (finished / "small/tables/table3.html").read_text())
    for name in ("report", "quick"):
        text = (finished / f"small/{name}.html").read_text()
        assert cells
        assert all(cell in text for cell in cells)
        assert "simulated anatomy, simulated CT" in text
        assert ('id="table5"' in text) == (name == "report")


def test_fields_are_exported_for_the_challenge_and_a_second_call_runs_nothing(project: Path, finished: Path) -> None:
    """The second call is in a new interpreter: its sets have another order."""
    exported = snakemake(project, "--printshellcmds", "results/small/runs/lapirn/learn2reg_2022.zip")
    assert exported.returncode == 0, exported.stderr
    assert jobs(snakemake(project, "--dry-run", program=sys.executable)) == {}
    with zipfile.ZipFile(finished / "small/runs/lapirn/learn2reg_2022.zip") as archive:
        names = archive.namelist()
    assert len(names) == 3
    assert "disp_0006_0007.nii.gz" in names


@pytest.mark.parametrize("study", ["demo", "brain_from_one", "paper"])
def test_a_study_of_the_project_resolves_without_data(project: Path, study: str) -> None:
    dry_run = snakemake(project, "--dry-run", "--printshellcmds", study=study)
    assert jobs(dry_run)["train"] >= 2
    assert "{cohort}" not in dry_run.stdout + dry_run.stderr


SITE = """
default-resources: {slurm_account: lab, slurm_partition: cpu}
set-resources:
  train: {slurm_partition: gpu, runtime: "min(1440 * attempt, 2000)"}
"""


@pytest.fixture(scope="module")
def forced(project: Path) -> str:
    """Dry run of all jobs at the second attempt, with the profile for Slurm and that of a site."""
    (project / "site.yaml").write_text(SITE)
    options = ["--workflow-profile", "profiles/slurm", "--profile", "site.yaml", "--attempt", "2"]
    dry_run = snakemake(project, "--dry-run", "--forceall", *options)
    assert dry_run.returncode == 0, dry_run.stderr
    return dry_run.stdout


def test_jobs_of_a_queue_ask_for_what_they_need_and_the_site_wants(forced: str) -> None:
    asked = dict(re.findall(r"^rule (\w+):.*?^    resources: (.*?)$", forced, re.MULTILINE | re.DOTALL))
    wanted = {"gpu=1", "mem_mb=32000", "runtime=2000", "slurm_account=lab", "slurm_partition=gpu"}
    assert wanted | {"slurm_extra=--signal=TERM@300"} <= set(asked["train"].split(", "))
    assert {"mem_mb=16000", "slurm_partition=cpu"} <= set(asked["simulate"].split(", "))
    assert "gpu=" not in asked["simulate"]


def test_only_a_network_that_segments_asks_for_a_gpu(forced: str) -> None:
    blocks = [block for block in re.split(r"^\[", forced, flags=re.MULTILINE) if "\nrule segment:" in block]
    asked = {re.search(r"segmentor=(\S+)", block)[1]: "gpu=1" in block for block in blocks}
    assert asked == {"tiny": True, "ground_truth": False}


def test_the_main_comparison_comes_before_the_other_runs(forced: str) -> None:
    blocks = [block for block in re.split(r"^\[", forced, flags=re.MULTILINE) if "\nrule train:" in block]
    first = {
        re.search(r"wildcards: run=(\S+)", block)[1]: re.search(r"priority: 1\d{6}\b", block) is not None
        for block in blocks
    }
    assert first == {"lku_net": True, "lapirn": True, "textscf": True, "textscf_ground_truth": False}


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


def test_changed_scans_of_the_user_are_told_and_taken_in_on_request(root: Path, tmp_path: Path) -> None:
    own = copy_project(root, tmp_path / "project")
    for name, content in hippocampus_files(6, (8, 8, 8)).items():
        path = tmp_path / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    splits = {"train": [1, 2], "validation": [3, 4], "test": [5, 6]}
    pairs = {"validation": {"next": 1}, "test": {"next": 1}}
    edit(own / "config/cohorts/hippocampus_mr.yaml", splits=splits, pairs=pairs)
    cohort = "results/cohorts/hippocampus_mr/cohort.json"
    options = ["--config", f"data_root={tmp_path}/data", "--", cohort]
    first = snakemake(own, *options, study="hippocampus")
    assert first.returncode == 0, first.stderr
    labels = "Task04_Hippocampus/labelsTr/hippocampus_001.nii.gz"
    (tmp_path / "data" / labels).write_bytes(hippocampus_files(6, (8, 8, 8), seed=9)[labels])
    told = snakemake(own, "--dry-run", *options, study="hippocampus")
    assert jobs(told) == {}
    assert f"Cohort hippocampus_mr was made before {tmp_path}/data/{labels} changed" in told.stdout
    assert f"add -R {cohort} to take in the changes" in told.stdout
    taken = snakemake(own, "-R", cohort, *options, study="hippocampus")
    assert taken.returncode == 0, taken.stderr
    assert "1 subjects prepared, 5 kept" in (own / cohort).with_name("logs").joinpath("preprocess.log").read_text()


def test_a_mistake_stops_at_once_and_names_file_and_key(project: Path) -> None:
    run = snakemake(project, "--dry-run", "--config", "accept=oasi")
    output = run.stdout + run.stderr
    assert run.returncode != 0
    assert "accept: data set 'oasi' is not defined; did you mean 'oasis'?" in output
    assert "small.yaml" in output
    assert "Traceback" not in output


def test_a_file_without_the_studys_name_is_not_taken_for_the_demo(project: Path) -> None:
    (project / "config/nameless.yaml").write_text("title: Mine\ncohorts: {primary: simulated_abdomen}\n")
    run = snakemake(project, "--dry-run", study="nameless")
    assert run.returncode != 0
    assert "nameless.yaml: key 'study' is missing" in run.stdout + run.stderr
