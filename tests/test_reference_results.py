"""The committed tables follow from the committed metrics, recomputed with plain pandas."""

import re
from pathlib import Path

import pandas as pd
import pytest

REFERENCE = Path(__file__).parents[1] / "results" / "reference"
TABLES = sorted(REFERENCE.glob("*/tables/table[0-9].csv"))


@pytest.mark.parametrize("path", TABLES, ids=lambda p: f"{p.parts[-3]}-{p.stem}")
def test_a_table_is_the_mean_of_its_pairs(path: Path) -> None:
    for row in pd.read_csv(path).itertuples():
        runs = sorted((path.parents[1] / "runs").glob(f"{row.run}_seed*")) or [path.parents[1] / "runs" / row.run]
        metrics = pd.concat([pd.read_csv(run / "metrics.csv") for run in runs])
        present = metrics["hd95"].notna()
        pair = ["run", "fixed", "moving"]
        dice = metrics.assign(dice=metrics["dice"].where(present, 0)).groupby(pair)["dice"].mean()
        hd95 = metrics.assign(hd95=metrics["hd95_initial"].fillna(metrics["hd95"])).groupby(pair)["hd95"].mean()
        assert row.dice == pytest.approx(100 * dice.groupby("run").mean().mean(), abs=1e-9)
        assert row.hd95 == pytest.approx(hd95.groupby("run").mean().mean(), abs=1e-9)
        assert row.pairs == len(dice.groupby(["fixed", "moving"]))


def test_the_readme_shows_the_reference_tables(root: Path) -> None:
    tables = pd.concat([pd.read_csv(path) for path in TABLES if "hippocampus" in path.parts])
    printed = {f"{row.dice:.2f}": f"{row.hd95:.2f}" for row in tables.itertuples()}
    shown = re.findall(r"^\| [^|]+ \| (\d\d\.\d\d) \| (\d+\.\d\d) \|", (root / "README.md").read_text(), re.MULTILINE)
    assert len(shown) == 4
    assert dict(shown) == printed
