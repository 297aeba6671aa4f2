"""Numbers drawn from the committed tables and figures are recomputed from the pairs, as a reviewer would do."""

import random
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

REFERENCE = Path(__file__).parents[1] / "results" / "reference"
STUDIES = sorted(path.parent for path in REFERENCE.glob("*/tables"))
OF_STRUCTURES = {"dice": 100, "hd95": 1}
OF_PAIRS = {  # columns of a table: the column of pairs.csv, and its factor
    "sdlogj": ("sdlogj", 1),
    "nonpositive_jacobian_percent": ("nonpositive_jacobian_fraction", 100),
    "seconds": ("seconds", 1),
}


def mean_of_structures(study: Path, runs: str, column: str, convention: str) -> float:
    """The mean over structures, by the convention that a committed table states."""
    metrics = pd.concat([pd.read_csv(study / "runs" / run / "metrics.csv") for run in runs.split()])
    if convention == "paper":
        metrics["dice"] = metrics["dice"].where(metrics["hd95"].notna(), 0)
        metrics["hd95"] = metrics["hd95"].mask(metrics["hd95"] == float("inf"), metrics["hd95_initial"])
    pairs = metrics.groupby(["run", "fixed", "moving"])[column].mean()
    return OF_STRUCTURES[column] * pairs.groupby("run").mean().mean()


def mean_of_pairs(study: Path, runs: str, column: str, _convention: str) -> float:
    name, factor = OF_PAIRS[column]
    pairs = pd.concat([pd.read_csv(study / "runs" / run / "pairs.csv") for run in runs.split()])
    return factor * pairs.groupby("run")[name].mean().mean()


def test_ten_numbers_of_the_tables() -> None:
    rows = [(study, row) for study in STUDIES for path in study.glob("tables/table?.csv") for row in records(path)]
    names = [*OF_STRUCTURES, *OF_PAIRS]
    cells = [(study, row, name) for study, row in rows for name in names if pd.notna(row.get(name))]
    drawn = random.SystemRandom().sample(cells, 10)
    for study, row, name in drawn:
        recompute = mean_of_structures if name in OF_STRUCTURES else mean_of_pairs
        assert row[name] == pytest.approx(recompute(study, row["runs"], name, row["convention"])), (
            study.name,
            row["method"],
            name,
        )


@pytest.mark.parametrize("plotted", sorted(REFERENCE.glob("*/figures/figure3.csv")), ids=lambda p: p.parts[-3])
def test_figure3_plots_the_dice_of_each_structure(plotted: Path) -> None:
    study = plotted.parents[1]
    table = records(study / "tables/table3.csv")
    runs = {row["method"]: row["runs"].split() for row in table if pd.notna(row["runs"])}
    keys = ["structure", "fixed", "moving"]
    for method, shown in pd.read_csv(plotted).groupby("method"):
        metrics = pd.concat([pd.read_csv(study / "runs" / run / "metrics.csv") for run in runs[method]])
        missing = 0 if table[0]["convention"] == "paper" else float("nan")
        metrics["dice"] = 100 * metrics["dice"].where(metrics["hd95"].notna(), missing)
        expected = metrics.groupby(keys)["dice"].mean()
        pd.testing.assert_series_equal(shown.set_index(keys)["dice"].sort_index(), expected, rtol=1e-9)


@pytest.mark.parametrize(("side", "head"), [("without", ""), ("with", "_scf")])
@pytest.mark.parametrize("plotted", sorted(REFERENCE.glob("*/figures/figure7.csv")), ids=lambda p: p.parts[-3])
def test_figure7_plots_the_mean_dice_without_and_with_the_head(plotted: Path, side: str, head: str) -> None:
    study = plotted.parents[1]
    table = pd.read_csv(study / "tables/table3.csv").set_index("method")
    bars = records(plotted)
    assert bars
    for bar in bars:
        run = table["runs"]["textSCF"] if (side, bar["label"]) == ("with", "LKU-Net") else None
        run = run or (table["runs"][bar["label"]] if side == "without" else table["run"][bar["label"]] + head)
        assert bar[side] == pytest.approx(mean_of_structures(study, run, "dice", table["convention"].iloc[0]))


def records(path: Path) -> list[dict[str, Any]]:
    """Rows of a table; tables made before columns had units in their names are read alike."""
    return pd.read_csv(path).rename(columns={"dice_percent": "dice", "hd95_mm": "hd95"}).to_dict("records")
