"""Made-up results of a study for the tests of tables and figures: files as the workflow leaves them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from textscf.files.io import write_csv, write_json, write_yaml

ORGANS = [
    *["spleen", "right kidney", "left kidney", "gall bladder", "oesophagus", "liver", "stomach", "aorta"],
    *["inferior vena cava", "portal and splenic vein", "pancreas", "right adrenal gland", "left adrenal gland"],
]
TIMING: dict[str, Any] = {"last_rise": 0.001, "converged": True, "restarts": []}
METHODS = {"initial": "Initial", "lku_net": "LKU-Net", "textscf": "textSCF"}


def table_spec(**changes: Any) -> dict[str, Any]:
    """Resolved specification of a table with three methods, two of them trained with two seeds."""
    rows = [
        {
            "run": run,
            "label": label,
            "reported": label,
            "runs": [run] if run == "initial" else [f"{run}_seed{seed}" for seed in (1, 2)],
            "segmentor": "tiny" if run == "textscf" else None,
        }
        for run, label in METHODS.items()
    ]
    common = {"study": "toy", "study_title": "Toy abdomen", "cohorts": ["Simulated abdomen"]}
    spec = {
        "name": "table3",
        **common,
        "notices": ["simulated anatomy, simulated CT"],
        "paper_cohort": False,
        "caption": "Accuracy of all methods.",
        "convention": "paper",
        "reported": "table3",
        "reference": "textscf",
        "rows": rows,
    }
    return spec | changes


def figure_spec(**changes: Any) -> dict[str, Any]:
    """Resolved specification of a figure of the same methods."""
    spec = table_spec(name="figure3", kind="dice_boxplot", caption="Dice of each structure.")
    del spec["reported"]
    return spec | changes


def write_runs(folder: Path, spec: dict[str, Any], structures: list[str] = ORGANS, subjects: int = 7) -> None:
    """Files of every run of `spec` below `folder`: later methods are better, later structures are worse.

    The fourth structure is missing from the first subject; the first method's last structure is lost in one pair.
    """
    for order, row in enumerate(spec["rows"]):
        for seed, run in enumerate(row["runs"]):
            target = folder / spec["study"] / "runs" / run
            initial = row["run"] == "initial"
            settings = {"run": run, "method": "initial" if initial else "learned", "cohort": "toy_cohort"}
            if not initial:
                settings |= {"seed": seed + 1, "training": {"epochs": 10, "steps_per_epoch": 100}}
                write_json(target / "timing.json", {**TIMING, "best_validation_dice": 0.4 + 0.1 * order})
            write_yaml(target / "config.yaml", settings)
            metrics = _metrics(run, order, seed, structures, subjects)
            write_csv(target / "metrics.csv", metrics)
            write_csv(target / "pairs.csv", _pairs(metrics, initial, seed))


def _metrics(run: str, order: int, seed: int, structures: list[str], subjects: int) -> pd.DataFrame:
    generator = np.random.default_rng(100 * order + seed)
    shared = np.random.default_rng(0)
    lines = []
    for fixed in range(subjects):
        for moving in range(subjects):
            difficulty = shared.normal(0, 0.06, len(structures))
            if fixed == moving:
                continue
            base = 0.4 + 0.25 * np.tanh(order / 2) + np.linspace(0.2, -0.2, len(structures))
            dice = np.clip(base + difficulty + generator.normal(0, 0.03, len(structures)), 0.01, 0.97)
            hd95 = 40 * (1 - dice) + generator.uniform(0, 3, len(structures))
            frame = {"label": range(1, len(structures) + 1), "structure": structures, "dice": dice, "hd95": hd95}
            pair = {"run": run, "fixed": f"s{fixed}", "moving": f"s{moving}"}
            lines.append(pd.DataFrame({**pair, **frame, "hd95_initial": np.nan}))
    table = pd.concat(lines, ignore_index=True)
    if len(structures) > 3:
        absent = (table["label"] == 4) & ((table["fixed"] == "s0") | (table["moving"] == "s0"))
        table.loc[absent, ["dice", "hd95"]] = np.nan
    if order == 1:
        table.loc[len(structures) - 1, ["dice", "hd95", "hd95_initial"]] = [0.0, np.inf, 35.0]
    return table


def _pairs(metrics: pd.DataFrame, initial: bool, seed: int) -> pd.DataFrame:
    pairs = metrics.groupby(["run", "fixed", "moving"], sort=False)[["dice", "hd95"]].mean().reset_index()
    generator = np.random.default_rng(seed)
    smoothness = generator.uniform(0.3, 0.6, len(pairs)) * (not initial)
    folding = generator.uniform(0, 0.01, len(pairs)) * (not initial)
    seconds = generator.uniform(0.1, 0.2, len(pairs)) * (not initial)
    return pairs.assign(sdlogj=smoothness, nonpositive_jacobian_fraction=folding, seconds=seconds)


def write_histories(folder: Path, history: Callable[[str, int], pd.DataFrame]) -> Path:
    """Write the runs of a figure's specification with histories; `history` makes one from a method and a seed."""
    spec = figure_spec()
    write_runs(folder, spec, structures=["liver", "spleen"], subjects=3)
    for row in spec["rows"][1:]:
        for n, run in enumerate(row["runs"]):
            history(row["run"], n).to_csv(folder / "toy/runs" / run / "history.csv", index=False)
    return folder
