"""The committed tables follow from the committed metrics, recomputed with plain pandas."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

REFERENCE = Path(__file__).parents[1] / "results" / "reference"
TABLES = sorted(REFERENCE.glob("*/tables/table[0-9].csv"))


@pytest.mark.parametrize("path", TABLES, ids=lambda p: f"{p.parts[-3]}-{p.stem}")
def test_a_table_is_the_mean_of_its_pairs(path: Path) -> None:
    numbers = {name: [""] for name in ("dice", "hd95", "dice_percent", "hd95_mm")}
    table = pd.read_csv(path, keep_default_na=False, na_values=numbers)
    for row in table.rename(columns={"dice_percent": "dice", "hd95_mm": "hd95"}).itertuples():
        if row.not_run:
            assert np.isnan(row.dice)
            continue
        metrics = pd.concat([pd.read_csv(path.parents[1] / "runs" / run / "metrics.csv") for run in row.runs.split()])
        present = metrics["hd95"].notna()
        pair = ["run", "fixed", "moving"]
        dice = metrics.assign(dice=metrics["dice"].where(present, 0)).groupby(pair)["dice"].mean()
        hd95 = metrics.assign(hd95=metrics["hd95_initial"].fillna(metrics["hd95"])).groupby(pair)["hd95"].mean()
        assert row.dice == pytest.approx(100 * dice.groupby("run").mean().mean(), abs=1e-9)
        assert row.hd95 == pytest.approx(hd95.groupby("run").mean().mean(), abs=1e-9)
        assert row.pairs == len(dice.groupby(["fixed", "moving"]))


def test_the_readme_shows_the_reference_tables(root: Path) -> None:
    hippocampus, anatomy = (REFERENCE / study / "tables" for study in ("hippocampus", "abdomen_anatomy"))
    leaky = pd.read_csv(hippocampus / "table5.csv").query("sees_fixed_labels")
    rows = [
        pd.read_csv(hippocampus / "table3.csv"),
        leaky.assign(method="textSCF, ground-truth masks †"),
        pd.read_csv(anatomy / "table3.csv").query("method != 'textSCF'"),
    ]
    cells = r"^\| ([^|]+) \| (\d\d\.\d\d(?: ± \d\.\d\d)?) \| (\d+\.\d\d) \|"
    found = re.findall(cells, (root / "README.md").read_text(), re.MULTILINE)
    assert found == [(line.method, dice_of(line), f"{line.hd95:.2f}") for line in pd.concat(rows).itertuples()]


def test_the_readme_shows_what_text_driven_filters_add_to_the_abdomen(root: Path) -> None:
    figure = pd.read_csv(REFERENCE / "abdomen_anatomy/figures/figure7.csv", index_col="label")["with"].to_dict()
    table = pd.read_csv(REFERENCE / "abdomen_anatomy/tables/table3.csv").set_index("method", drop=False)
    printed = {name: f"{dice:.2f}" for name, dice in figure.items()} | {"LKU-Net": dice_of(table.loc["textSCF"])}
    cells = r"^\| ([^|]+)(?: \| [^|]+){3} \| (\d\d\.\d\d(?: ± \d\.\d\d)?) \|$"
    assert dict(re.findall(cells, (root / "README.md").read_text(), re.MULTILINE)) == printed


def dice_of(line: Any) -> str:
    """Dice as tables print it, with the standard deviation over seeds."""
    return f"{line.dice:.2f}" + (f" ± {line.dice_sd:.2f}" if line.dice_sd > 0 else "")


def test_the_readme_shows_the_reference_figure(root: Path) -> None:
    bars = pd.read_csv(REFERENCE / "hippocampus" / "figures" / "figure7.csv").set_index("label")["improvement_percent"]
    sentence = re.search(r"Text-driven filters add (.+?)\(`figures", (root / "README.md").read_text(), re.DOTALL)
    assert sentence is not None
    shown = re.findall(r"(\d+\.\d) %", sentence[1])
    assert shown == [f"{bars[name]:.1f}" for name in ("VoxelMorph", "TransMorph", "LapIRN", "LKU-Net")]


NAMES = {
    **{"lku_net": "LKU-Net", "textscf": "textSCF", "voxelmorph": "VoxelMorph"},
    **{"fourier_net": "Fourier-Net", "syn": "ANTs SyN"},
}


def test_the_readme_shows_the_runs_of_5000_steps(root: Path) -> None:
    folder = REFERENCE / "hippocampus_5000_steps"
    dice = pd.read_csv(folder / "tables/table3.csv").set_index("run")["dice_percent"]
    line = pd.read_csv(folder / "figures/differences.csv").set_index("method").loc["LKU-Net"]
    model = pd.read_csv(folder / "runs/textscf_smooth/pairs.csv")
    readme = " ".join((root / "README.md").read_text().replace("> ", "").split())
    for run, label in {
        "lku_net": "LKU-Net",
        "textscf": "textSCF",
        "voxelmorph": "VoxelMorph",
        "syn": "ANTs SyN",
    }.items():
        assert f"{label} {dice[run]:.1f}" in readme
    assert f"{-line.difference:.1f} points behind LKU-Net (95 % interval {-line.high:.1f} to {-line.low:.1f}" in readme
    assert f"{100 * model['dice'].mean():.1f} % Dice" in (root / "README.md").read_text()
