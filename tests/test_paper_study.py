"""The paper's study from download to report, at tiny size, with stand-ins in place of the servers' files."""

import hashlib
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from tests.faulty_server import Fault, FaultyServer
from tests.python_server import python
from tests.small_study import copy_project
from tests.stand_ins import abdomen_zip, lung_zip, oasis_tar
from textscf.files.io import read_json, read_yaml, write_yaml
from textscf.segmentation.swin_unetr import build_segmentor
from textscf.study.catalogue import Catalogue
from textscf.study.study import merge

SPLITS = {"train": ["1-3"], "validation": ["4-5"], "test": ["6-8"]}
SEGMENTOR = {"feature_size": 12, "depths": [1, 1, 1, 1], "attention_window": 2, "window": [32, 32, 64], "overlap": 0.25}
PREPARED = {"shape": [32, 24, 48], "spacing": [2.5, 2.5, 2.5]}
COHORTS: dict[str, dict[str, Any]] = {
    "abdomen_ct": {
        "splits": SPLITS,
        "preprocess": PREPARED,
        "segmentors": dict.fromkeys(("base", "small", "tiny"), SEGMENTOR),
    },
    "lung_ct": {"splits": {"train": ["1-2"]}, "preprocess": PREPARED},
    "oasis": {
        "splits": SPLITS,
        "pairs": {"validation": [[4, 5]], "test": [[6, 7], [7, 8]]},
        "preprocess": {"shape": [32, 24, 48]},
    },
}
STUDY: dict[str, Any] = {
    "defaults": {
        "backbones": {"lku_net": {"start_channels": 2}, "lapirn": {"start_channels": 1}},
        "head": {"prompts": "minilm", "hidden_channels": 4},
        "training": {"epochs": 1, "steps_per_epoch": 4, "learning_rate": 0.02},
    },
    "runs": {
        "brain_*": {"training": {"epochs": 1, "steps_per_epoch": 4}},
        "*lapirn*": {"training": {"epochs": 4, "steps_per_epoch": 1}},
        "clip_*": {"head": {"prompts": "minilm"}},
        "textscf_tradeoff": {"sweep": {"loss.smoothness": [0.1], "integration_steps": [0]}},
        "lku_net_tradeoff": {"sweep": {"loss.smoothness": [0.1], "integration_steps": [0]}},
        "lapirn_tradeoff": {"sweep": {"loss.smoothness": [14.0]}},
        "brain_textscf_tradeoff": {"sweep": {"loss.smoothness": [0.1], "integration_steps": [0]}},
        "brain_lku_net_tradeoff": {"sweep": {"loss.smoothness": [0.1], "integration_steps": [0]}},
        "brain_lapirn_tradeoff": {"sweep": {"loss.smoothness": [14.0]}},
        "textscf_hidden": {"sweep": {"head.hidden_channels": [4]}},
        "textscf_size": {"sweep": {"backbone_options.start_channels": [2]}},
        "lku_net_size": {"sweep": {"backbone_options.start_channels": [2]}},
        "lapirn_size": {"sweep": {"backbone_options.start_channels": [1]}},
        "brain_textscf_size": {"sweep": {"backbone_options.start_channels": [2]}},
        "textscf_smoothness": {
            "sweep": {
                "head.segmentor": ["base"],
                "backbone_options.start_channels": [2],
                "integration_steps": [0],
                "loss.smoothness": [0.1],
            }
        },
    },
    "not_run": dict.fromkeys(
        (
            *("syn", "voxelmorph*", "t*morph*", "tm_tvf", "fourier_net", "im2grid", "textscf_tiny"),
            *("lapirn_diff*", "brain_lapirn_diff_tradeoff", "lapirn_weaker", "lapirn_scf", "minilm_photo*"),
        ),
        "not part of this test",
    ),
}


def checksum(path: Path) -> str:
    return f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Iterator[FaultyServer]:
    """Has the archives of the three cohorts and the weights of two segmentors; each file comes with trouble."""
    folder = tmp_path_factory.mktemp("server")
    abdomen_zip(folder, subjects=8, shape=(40, 30, 60))
    lung_zip(folder, subjects=2, shape=(20, 20, 24))
    oasis_tar(folder, subjects=8, shape=(32, 24, 48))
    for name in ("base", "small"):
        torch.manual_seed(len(name))
        settings = Catalogue(root / "config").segmentor("abdomen_ct", name)
        network = build_segmentor(settings | SEGMENTOR, 14)
        content = {"epoch": 1, "best_acc": np.float64(0.5), "state_dict": network.state_dict()}
        torch.save(content, folder / settings["weights"]["file"])
    with FaultyServer(folder) as running:
        for path in folder.iterdir():
            running.faults[f"/{path.name}"] = [Fault(status=503), Fault(break_after=path.stat().st_size // 2)]
        yield running


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, root: Path, server: FaultyServer) -> Path:
    """A copy of the project whose cohorts are small and come from `server`."""
    copy = copy_project(root, tmp_path_factory.mktemp("paper") / "project")
    for name, changes in COHORTS.items():
        cohort = merge(read_yaml(copy / f"config/cohorts/{name}.yaml"), changes)
        cohort.get("expect", {}).pop("initial", None)
        for segmentor in cohort["segmentors"].values():
            segmentor["weights"]["url"] = server.url(segmentor["weights"]["file"])
        write_yaml(copy / f"config/cohorts/{name}.yaml", cohort)
        data_set = read_yaml(copy / f"config/data_sets/{name}.yaml")
        release = data_set["releases"][0]
        archive = release["archive"]
        release |= {"url": server.url(archive), "checksum": checksum(server.folder / archive)}
        release |= {"count": 8} if "count" in release else {}
        write_yaml(copy / f"config/data_sets/{name}.yaml", data_set)
    write_yaml(copy / "config/tiny.yaml", STUDY)
    return copy


@pytest.fixture(scope="module")
def finished(project: Path) -> Path:
    command = [python(), "-m", "snakemake", "--cores", "2"]
    command += ["--configfile", "config/paper.yaml", "config/tiny.yaml", "--config", "accept=oasis,abdomen_ct"]
    environment = {**os.environ, **FaultyServer.environment, "OMP_NUM_THREADS": "1"}
    run = subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=1200, env=environment)
    assert run.returncode == 0, run.stderr[-5000:]
    return project / "results"


def test_every_file_came_through_a_server_error_and_a_broken_connection(finished: Path, server: FaultyServer) -> None:
    for path in server.folder.iterdir():
        ranges = [request.range for request in server.requests if request.path == f"/{path.name}"]
        assert ranges == [None, None, f"bytes={path.stat().st_size // 2}-"], path.name
    weights = read_json(finished / "cohorts/abdomen_ct/segmentations/base/weights.json")
    assert weights["checksum"] is None
    assert checksum(server.folder / weights["file"]) == f"sha256:{weights['sha256']}"


def test_every_table_and_figure_of_the_paper_is_made(finished: Path) -> None:
    study = finished / "paper"
    tables = [*(f"table{n}" for n in range(1, 6)), "complexity"]
    figures = [f"figure{n}" for n in ("3", "4a", "4b", "5a", "5b", "5c", "6", "7", "8")]
    made = [study / f"tables/{name}.{kind}" for name in tables for kind in ("csv", "md", "tex", "html")]
    made += [study / f"figures/{name}.{kind}" for name in figures for kind in ("pdf", "png", "csv")]
    made += [study / "report.html", study / "quick.html", study / "claims.csv", finished / "complexity/claim.csv"]
    assert [str(path) for path in made if not path.is_file()] == []


def test_figure_4a_shows_what_the_paper_prints_beside_the_runs(finished: Path, root: Path) -> None:
    data = pd.read_csv(finished / "paper/figures/figure4a.csv")
    lines = [line for line in read_yaml(root / "config/reported.yaml")["table2"]["rows"] if line["sdlogj"]]
    printed = data[data["printed"]]
    assert sorted(printed["method"]) == sorted(line["method"] for line in lines)
    values = {line["method"]: [line["sdlogj"], line["dice"]] for line in lines}
    assert printed.set_index("method")[["sdlogj", "dice"]].T.to_dict("list") == values
    assert set(data.loc[~data["printed"], "method"]) == {"Initial", "LKU-Net", "LapIRN", "textSCF"}


def test_pretrained_segmentors_are_scored_on_every_split(finished: Path) -> None:
    table = pd.read_csv(finished / "cohorts/abdomen_ct/segmentations/small/accuracy_by_split.csv")
    assert dict(zip(table["split"], table["scans"], strict=True)) == {"train": 3, "validation": 2, "test": 3, "all": 8}
    assert table["dice"].between(0, 1).all()
    segmentations = [
        read_json(finished / f"cohorts/abdomen_ct/segmentations/{name}/segmentation.json") for name in ("base", "small")
    ]
    assert all(segmentation["source"] == "pretrained" for segmentation in segmentations)
    assert segmentations[0]["files"] != segmentations[1]["files"]


def test_the_report_shows_papers_values_and_says_what_was_not_run(finished: Path) -> None:
    text = (finished / "paper/report.html").read_text()
    assert "not part of this test" in text
    table = (finished / "paper/tables/table3.md").read_text()
    assert re.search(r"Initial.*30\.86", table)
    assert "paid service" in (finished / "paper/tables/table1.md").read_text()
