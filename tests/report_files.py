"""Made-up results of a finished study for the tests of its report: files as the workflow leaves them."""

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tests.result_files import TIMING, figure_spec, table_spec, write_runs
from textscf.files.io import write_csv, write_json, write_yaml
from textscf.job.usage import Usage
from textscf.results.items import Results, load_item
from textscf.tables.table_kinds import make
from textscf.tables.written import write_table

NOTICE = "simulated anatomy, simulated CT"
TRAINED = [f"{run}_seed{seed}" for run in ("lku_net", "textscf") for seed in (1, 2)]
REASON = "no GPU at hand"


def png(width: int = 200, height: int = 100) -> bytes:
    """A white image."""
    rows = b"".join(b"\0" + b"\xff" * width for _ in range(height))
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)), (b"IDAT", zlib.compress(rows))]
    body = [
        struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in [*chunks, (b"IEND", b"")]
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(body)


def report_spec(**changes: Any) -> dict[str, Any]:
    """Resolved settings of a report of two tables, two figures and an example."""
    described = {"title": "Toy <abdomen>", "notice": NOTICE, "licence": "CC0", "citation": "Nobody, 2024."}
    spec = {
        "study": "toy",
        "title": "Toy abdomen",
        "part": "report",
        "plan": "12 trainings (12 on toys), 34 steps: 5.6 h on a slide rule by measured step times",
        "cohorts": [{"name": "toy_cohort", **described}],
        "headline": {"table": "toy/tables/table3", "figure": "toy/figures/figure3"},
        "tables": ["toy/tables/table3", "toy/tables/table5"],
        "figures": ["toy/figures/figure3", "toy/figures/figure4a"],
        "examples": [
            {"figure": "toy/figures/example", "pair": "worst"},
            {"figure": "toy/figures/example2", "pair": "best"},
        ],
        "runs": ["initial", *TRAINED],
        "left_out": [],
        "segmentors": [["toy_cohort", "tiny"]],
        "prompts": [["toy_cohort", "words"]],
    }
    return spec | changes


def write_study(results: Path, reported: Path) -> None:
    """Everything that `report_spec` names, below `results`."""
    spec = table_spec()
    write_runs(results, spec, subjects=5)
    rows = [*spec["rows"], {"run": "im2grid", "label": "im2grid", "runs": [], "not_run": REASON}]
    for name in ("table3", "table5"):
        write_yaml(results / f"toy/tables/{name}/config.yaml", table_spec(name=name, rows=rows))
        item = load_item(results / f"toy/tables/{name}/config.yaml")
        write_table(make(item, Results(results, "toy"), reported), results / f"toy/tables/{name}.csv")
    for name in ("figure3", "figure4a", "example", "example2"):
        write_yaml(results / f"toy/figures/{name}/config.yaml", figure_spec(name=name, caption=f"What {name} shows."))
        (results / f"toy/figures/{name}.png").write_bytes(png())
        (results / f"toy/figures/{name}.pdf").write_bytes(b"%PDF")
        (results / f"toy/figures/{name}.txt").write_text(f"X. The caption of {name} & more.\n")
    (results / "toy/figures/figure3.csv").write_text("a\n1\n")
    for number, run in enumerate(TRAINED):
        write_training(results / "toy/runs" / run, number)
    write_yaml(
        results / "cohorts/toy_cohort/config.yaml",
        {"source": {"kind": "phantom", "phantom": {"organs": 1}}, "axes": "LAS"},
    )
    segmentor = results / "cohorts/toy_cohort/segmentations/tiny"
    write_log(segmentor / "logs/train.log", 600.0)
    accuracy = {"segmentor": "tiny", "split": ["train", "test", "all"], "scans": [5, 2, 7], "dice": [0.9, 0.625, 0.8]}
    write_csv(segmentor / "accuracy_by_split.csv", pd.DataFrame(accuracy))
    prompts = results / "cohorts/toy_cohort/prompts/words"
    prompts.mkdir(parents=True)
    (prompts / "similarity.png").write_bytes(png())
    (prompts / "similarity.pdf").write_bytes(b"%PDF")


def write_training(folder: Path, number: int, epochs: int = 5) -> None:
    """Files of a training, different for each `number`."""
    steps = np.arange(1, epochs + 1) * 10
    dice = 0.3 + 0.01 * number + 0.1 * np.linspace(0, 1, epochs)
    history = {"epoch": steps // 10, "step": steps, "loss": 1 - dice, "dice_loss": 0.9 - dice, "validation_dice": dice}
    write_csv(folder / "history.csv", pd.DataFrame(history))
    seconds = 100.0 + number
    timing = {"steps": int(steps[-1]), "seconds": seconds, "seconds_per_step": seconds / int(steps[-1])}
    write_json(
        folder / "timing.json", {**timing, "best_validation_dice": float(dice[-1]), "peak_memory_gib": 1.5, **TIMING}
    )
    write_json(folder / "environment.json", environment())
    write_log(folder / "logs/train.log", seconds)


def environment(**changes: Any) -> dict[str, Any]:
    """The recorded environment of a training on a CPU."""
    known = {
        "git_revision": "0123456789ab",
        "python": "3.12.1",
        "packages": {"torch": "2.99.0", "monai": None},
        "platform": "Linux",
        "processor": "An old processor",
        "device": "cpu",
        "precision": "float32",
    }
    return known | changes


def write_log(path: Path, seconds: float) -> None:
    """The log of a stage that is done."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"2026-01-01 INFO step 1\n2026-01-01 INFO {Usage(seconds, 2 * seconds, 2.0)}\n")
