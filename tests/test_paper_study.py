"""The paper's study from download to report, at tiny size, with stand-ins in place of the servers' files."""

import hashlib
import http.server
import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from scipy import ndimage

from textscf.config.catalogue import Catalogue
from textscf.config.study import merge
from textscf.io import read_json, read_yaml, write_nifti
from textscf.segmentation.network import build_segmentor

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
        "training": {"epochs": 1, "steps_per_epoch": 2},
    },
    "runs": {
        "brain_*": {"training": {"epochs": 1, "steps_per_epoch": 2}},
        "*lapirn*": {"training": {"epochs": 4, "steps_per_epoch": 1}},
        "clip_*": {"head": {"prompts": "minilm"}},
        "textscf_tradeoff": {"sweep": {"loss.smoothness": [0.1], "integration_steps": [0, 7]}},
        "lku_net_tradeoff": {"sweep": {"loss.smoothness": [0.1], "integration_steps": [0]}},
        "lapirn_tradeoff": {"sweep": {"loss.smoothness": [1.0], "backbone_options.integration_steps": [0]}},
        "brain_textscf_tradeoff": {"sweep": {"loss.smoothness": [0.1], "integration_steps": [0, 7]}},
        "brain_lku_net_tradeoff": {"sweep": {"loss.smoothness": [0.1], "integration_steps": [0]}},
        "brain_lapirn_tradeoff": {"sweep": {"loss.smoothness": [3.5], "backbone_options.integration_steps": [7]}},
        "textscf_hidden": {"sweep": {"head.hidden_channels": [4, 8]}},
        "textscf_size": {"sweep": {"backbone_options.start_channels": [2, 3]}},
        "lku_net_size": {"sweep": {"backbone_options.start_channels": [2]}},
        "lapirn_size": {"sweep": {"backbone_options.start_channels": [1]}},
    },
    "not_run": dict.fromkeys(
        ("voxelmorph*", "t*morph*", "tm_tvf", "fourier_net", "im2grid", "lapirn_diff", "lapirn_scf", "minilm_photo_*"),
        "not part of this test",
    ),
}


class FaultyServer(http.server.ThreadingHTTPServer):
    """Serves the files of a folder: each first by 503, then broken off in the middle, then from where one asks."""

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.folder = folder
        self.asked: dict[str, list[str | None]] = {}

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/{name}"


class _Handler(http.server.BaseHTTPRequestHandler):
    server: FaultyServer

    def do_GET(self) -> None:
        content = (self.server.folder / Path(self.path).name).read_bytes()
        asked = self.server.asked.setdefault(Path(self.path).name, [])
        asked.append(self.headers.get("Range"))
        if len(asked) == 1:
            self.send_error(503)
            return
        start = int((asked[-1] or "bytes=0-").removeprefix("bytes=").removesuffix("-"))
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2] if len(asked) == 2 else content[start:])

    def log_message(self, format: str, *args: Any) -> None:
        """Keep the tests' output clean."""


def stored_scan(number: int, shape: tuple[int, int, int], labels: int, low: float, high: float) -> list[np.ndarray]:
    """Image and labels of a body of cells, which a subject's number moves."""
    grid = np.stack(np.meshgrid(*(np.arange(n) for n in shape), indexing="ij"))
    centres = np.random.default_rng(0).uniform(0.25, 0.75, (labels, 3)) * shape
    centres += np.random.default_rng(number).normal(0, 0.8, (labels, 3))
    distance = np.stack([((grid.T - centre) ** 2).sum(-1).T for centre in centres])
    inside = (((grid.T / shape) - 0.5) ** 2).sum(-1).T < 0.16
    cells = np.where(inside, distance.argmin(0) + 1, 0).astype(np.uint8)
    levels = np.concatenate([[low], np.linspace(0.5 * (low + high), high, labels)])
    noise = np.random.default_rng(number + 100).normal(0, 0.02 * (high - low), shape)
    return [np.clip(ndimage.gaussian_filter(levels[cells], 0.7) + noise, low, high), cells]


GRIDS: dict[str, tuple[tuple[int, int, int], np.ndarray, float, float, type]] = {
    "abdomen_ct": ((40, 30, 60), np.diag([2.0, 2, 2, 1]), -1000, 600, np.int16),
    "lung_ct": ((36, 30, 50), np.diag([-1.6, 2.0, 2.5, 1]), -1000, 600, np.int16),
    "oasis": (
        (32, 24, 48),
        np.array([[-1.0, 0, 0, 16], [0, 0, 1, -20], [0, -1, 0, 30], [0, 0, 0, 1]]),
        0,
        1,
        np.float32,
    ),
}


def stand_in(config: dict[str, Any], folder: Path, numbers: range) -> Path:
    """The archive of a cohort with scans of these subjects, in the names, layout and types of the real one."""
    source = config["source"]
    shape, affine, low, high, dtype = GRIDS[config["name"]]
    for number in numbers:
        subject = config["subject"].format(number)
        image, labels = stored_scan(number, shape, len(config["anatomy"]["structures"]), low, high)
        for kind, volume in (("images", image.astype(dtype)), ("labels", labels)):
            write_nifti(folder / "unpacked" / source["folder"] / source[kind].format(subject=subject), volume, affine)
    archive = folder / source["archive"]["file"]
    top = folder / "unpacked" / source["folder"]
    files = {str(path.relative_to(folder / "unpacked")): path.read_bytes() for path in sorted(top.rglob("*.gz"))}
    if archive.suffix == ".zip":
        with zipfile.ZipFile(archive, "w") as opened:
            for name, content in files.items():
                opened.writestr(name, content)
    else:
        with tarfile.open(archive, "w") as opened:
            for name, content in files.items():
                member = tarfile.TarInfo(name)
                member.size = len(content)
                opened.addfile(member, io.BytesIO(content))
    return archive


def checksum(path: Path) -> str:
    return f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Iterator[FaultyServer]:
    """Has the archives of the three cohorts and the weights of the three segmentors."""
    folder = tmp_path_factory.mktemp("server")
    catalogue = Catalogue(root / "config")
    for name in COHORTS:
        stand_in(catalogue.cohort(name), folder, range(1, 9))
    for name in ("base", "small", "tiny"):
        torch.manual_seed(len(name))
        settings = catalogue.segmentor("abdomen_ct", name)
        network = build_segmentor(settings | SEGMENTOR, 14)
        content = {"epoch": 1, "best_acc": np.float64(0.5), "state_dict": network.state_dict()}
        torch.save(content, folder / settings["weights"]["file"])
    with FaultyServer(folder) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, root: Path, server: FaultyServer) -> Path:
    """A copy of the project whose cohorts are small and come from `server`."""
    copy = tmp_path_factory.mktemp("paper") / "project"
    for name in ("config", "rules", "src", "captions", "envs", "profiles"):
        shutil.copytree(root / name, copy / name)
    shutil.copy(root / "Snakefile", copy)
    for name, changes in COHORTS.items():
        path = copy / f"config/cohorts/{name}.yaml"
        content = merge(read_yaml(path), changes)
        archive = content["source"]["archive"]
        archive |= {"url": server.url(archive["file"]), "checksum": checksum(server.folder / archive["file"])}
        for segmentor in content["segmentors"].values():
            segmentor["weights"]["url"] = server.url(segmentor["weights"]["file"])
        path.write_text(yaml.safe_dump(content, sort_keys=False))
    (copy / "config/tiny.yaml").write_text(yaml.safe_dump(STUDY))
    return copy


@pytest.fixture(scope="module")
def finished(project: Path) -> Path:
    command = [sys.executable, "-m", "snakemake", "--cores", "2"]
    command += ["--configfile", "config/paper.yaml", "config/tiny.yaml"]
    environment = {**os.environ, "no_proxy": "127.0.0.1", "OMP_NUM_THREADS": "1"}
    run = subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=1200, env=environment)
    assert run.returncode == 0, run.stderr[-5000:]
    return project / "results"


def test_every_file_came_through_a_server_error_and_a_broken_connection(finished: Path, server: FaultyServer) -> None:
    assert sorted(server.asked) == sorted(path.name for path in server.folder.iterdir() if path.is_file())
    for name, asked in server.asked.items():
        assert asked[:2] == [None, None], name
        assert asked[2].startswith("bytes="), name
        assert len(asked) == 3, name
    weights = read_json(finished / "cohorts/abdomen_ct/segmentations/base/weights.json")
    assert weights["checksum"] is None
    assert checksum(server.folder / weights["file"]) == f"sha256:{weights['sha256']}"


def test_every_table_and_figure_of_the_paper_is_made(finished: Path) -> None:
    study = finished / "paper"
    tables = [*(f"table{n}" for n in range(1, 6)), "complexity"]
    figures = [f"figure{n}" for n in ("3", "4a", "4b", "5a", "5b", "6", "7", "8")]
    made = [study / f"tables/{name}.{kind}" for name in tables for kind in ("csv", "md", "tex", "html")]
    made += [study / f"figures/{name}.{kind}" for name in figures for kind in ("pdf", "png", "csv")]
    made += [study / "report.html", study / "quick.html", finished / "complexity/claim.csv"]
    assert [str(path) for path in made if not path.is_file()] == []


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
