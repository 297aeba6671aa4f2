"""The committed tables follow from the committed metrics, recomputed with plain pandas."""

import re
from pathlib import Path

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


LATEST = ("hippocampus", "brain_mr", "abdomen_anatomy")


def test_the_readme_shows_the_latest_reference_tables(root: Path) -> None:
    tables = [pd.read_csv(REFERENCE / name / "tables/table3.csv", keep_default_na=False) for name in LATEST]
    shown = pd.concat(tables).query("not_run == ''")
    expected = [
        (
            line.method + (" §" if line.converged == "False" else ""),
            f"{float(line.dice_percent):.2f}",
            f"{float(line.hd95_mm):.2f}",
            f"{float(line.sdlogj):.2f}" if line.sdlogj else "-",
        )
        for line in shown.itertuples()
    ]
    cells = r"^\| ([^|]+) \| (\d\d\.\d\d) \| (\d+\.\d\d) \| (\d\.\d\d|-) \|$"
    assert re.findall(cells, (root / "README.md").read_text(), re.MULTILINE) == expected


def _placed(line: pd.Series, other: str) -> str:
    """How the README says where textSCF is against another method."""
    low, high = sorted(abs(value) for value in (line.low, line.high))
    if line.low > 0 or line.high < 0:
        side = "ahead of" if line.low > 0 else "behind"
        return f"{abs(line.difference):.1f} points {side} {other} ({low:.1f} to {high:.1f})"
    return f"not told apart from {other} ({line.difference:+.1f}, {line.low:.1f} to {line.high:.1f})"


def test_the_readme_quotes_the_intervals_of_the_latest_results(root: Path) -> None:
    readme = " ".join((root / "README.md").read_text().split())
    for name in LATEST:
        lines = pd.read_csv(REFERENCE / name / "figures/differences.csv").set_index("method")
        for method in ("LKU-Net", "im2grid"):
            line = lines.loc[method]
            assert _placed(line, method) in readme
    text = pd.read_csv(REFERENCE / "abdomen_anatomy/figures/differences_im2grid.csv").set_index("method")
    gain = text.loc["im2grid"]
    assert gain.low < 0 < gain.high
    assert f"shows no gain in Dice ({gain.difference:+.1f}, {gain.low:.1f} to {gain.high:.1f})" in readme
    text = pd.read_csv(REFERENCE / "brain_mr/figures/differences_im2grid.csv").set_index("method")
    gain = text.loc["im2grid"]
    assert gain.low < 0 < gain.high
    interval = f"({gain.low:.1f} to {gain.high:.1f})"
    assert f"head on im2grid adds {gain.difference:.1f} {interval}" in readme
    masks = pd.read_csv(REFERENCE / "brain_mr/tables/table5.csv").set_index("run")
    assert f"textSCF has {masks.loc['textscf_ground_truth', 'dice_percent']:.1f} %" in readme
    accuracy = pd.read_csv(REFERENCE / "brain_mr/brain_mr_4mm/segmentations/tiny/accuracy_by_split.csv")
    dice = 100 * accuracy.set_index("split").loc["test", "dice"]
    assert f"trained for as long ({dice:.1f} %)" in readme
    gains = pd.read_csv(REFERENCE / "abdomen_anatomy/figures/figure7.csv").set_index("label")
    for name, unit in (("VoxelMorph", " points"), ("TransMorph", "")):
        line = gains.loc[name]
        assert f"{name} by {line.gain:.1f}{unit} ({line.gain_low:.1f} to {line.gain_high:.1f})" in readme
    line = gains.loc["LapIRN"]
    assert f"for LapIRN no gain is shown ({line.gain:+.1f}, {line.gain_low:.1f} to {line.gain_high:.1f})" in readme
    line = pd.read_csv(REFERENCE / "brain_mr/figures/figure7.csv").set_index("label").loc["VoxelMorph"]
    assert f"VoxelMorph gains {line.gain:.1f} ({line.gain_low:.1f} to {line.gain_high:.1f})" in readme
    prompts = pd.read_csv(REFERENCE / "brain_mr/tables/table1.csv").set_index("run")["dice_percent"]
    assert f"in place of texts do as well ({prompts['one_hot']:.1f} %)" in readme
    masks = pd.read_csv(REFERENCE / "abdomen_anatomy/tables/table5.csv").set_index("run")
    assert f"fixed scan textSCF has {masks.loc['textscf_ground_truth', 'dice_percent']:.1f} %" in readme
    brain = pd.read_csv(REFERENCE / "brain_2mm/tables/table3.csv").set_index("run")["dice_percent"]
    assert (
        f"{brain['textscf']:.1f} % mean Dice over 34 structures of 9 people ({brain['initial']:.1f} % before)" in readme
    )
    line = pd.read_csv(REFERENCE / "brain_2mm/figures/differences.csv").set_index("method").loc["ANTs SyN"]
    assert f"{line.difference:.1f} points ahead of ANTs SyN ({line.low:.1f} to {line.high:.1f})" in readme
    masks = pd.read_csv(REFERENCE / "hippocampus/tables/table5.csv").set_index("run")["dice_percent"]
    assert f"ground-truth regions textSCF has {masks['textscf_ground_truth']:.1f} %" in readme
    line = pd.read_csv(REFERENCE / "hippocampus/figures/figure7.csv").set_index("label").loc["VoxelMorph"]
    assert (
        f"VoxelMorph gains {line.gain:.1f} by text-driven filters ({line.gain_low:.1f} to {line.gain_high:.1f})"
        in readme
    )
    model = pd.read_csv(REFERENCE / "hippocampus/runs/textscf_smooth/pairs.csv")
    assert f"{100 * model['dice'].mean():.1f} % Dice" in (root / "README.md").read_text()
    beyond = pd.read_csv(REFERENCE / "hippocampus_beyond/tables/beyond.csv").set_index("run")["dice_percent"]
    assert f"ConvexAdam reaches {beyond['convexadam']:.1f} %" in readme


def test_the_readme_quotes_what_better_regions_do(root: Path) -> None:
    readme = " ".join((root / "README.md").read_text().split())
    for name in LATEST:
        lines = pd.read_csv(REFERENCE / name / "figures/differences_regions.csv").set_index("method")
        gain = lines.loc["textSCF with SwinUNETR tiny"]
        lost = f"{gain.difference:.1f} points ({gain.low:.1f} to {gain.high:.1f})"
        unclear = f"{-gain.difference:.1f}, {-gain.high:.1f} to {-gain.low:.1f}"
        assert (lost if gain.low > 0 else unclear) in readme
        for segmentor in ("tiny", "small"):
            accuracy = pd.read_csv(next((REFERENCE / name).glob(f"*/segmentations/{segmentor}/accuracy_by_split.csv")))
            assert f"{100 * accuracy.set_index('split').loc['test', 'dice']:.1f}" in readme


def test_the_readme_counts_the_claims(root: Path) -> None:
    readme = " ".join((root / "README.md").read_text().split())
    for name in LATEST:
        verdicts = pd.read_csv(REFERENCE / name / "claims.csv")["verdict"].value_counts()
        held = verdicts["reproduced"]
        counts = f"[{held} of {held + verdicts['not reproduced']}](results/reference/{name}/claims.md)"
        assert counts in readme
        assert f"the paper's {len(pd.read_csv(REFERENCE / name / 'claims.csv'))} claims" in readme
