"""Robustness: pairs that got worse, and the 30th percentile of Dice, from a pair to a table."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.result_files import table_spec, write_runs
from textscf.errors import InputError
from textscf.files.io import write_csv, write_yaml
from textscf.metrics import evaluate_pair
from textscf.metrics.aggregation import run_means
from textscf.metrics.measures import METRICS
from textscf.results.items import Item, Results, load_item
from textscf.tables.accuracy_table import make

AXIS = 2


def box(start: int, label: int = 1) -> np.ndarray:
    labels = np.zeros((9, 9, 16), np.uint8)
    labels[2:7, 2:7, start : start + 4] = label
    return labels


def shift(voxels: float) -> np.ndarray:
    return np.broadcast_to(voxels * np.eye(3)[AXIS], (9, 9, 16, 3)).astype(np.float32)


def worsened(*arguments: Any) -> float:
    return evaluate_pair(*arguments, requested=["worsened_fraction"]).worsened_fraction


@pytest.mark.parametrize(
    ("voxels", "worse"),
    [(2, 0.0), (0, 0.0), (5, 1.0), (-1, 1.0), (4, 0.0)],
    ids=["right", "none", "far", "wrong", "as before"],
)
def test_a_pair_is_worse_if_its_dice_falls(voxels: int, worse: float) -> None:
    assert worsened(box(4), box(6), shift(voxels), [1]) == worse


def test_a_pair_without_a_common_structure_is_neither_better_nor_worse() -> None:
    assert np.isnan(worsened(box(4, label=1), box(6, label=2), shift(2), [1, 2]))


def test_a_structure_of_one_scan_alone_does_not_count() -> None:
    fixed, moving = box(4), box(6)
    fixed[0, 0, 0:3] = 2
    assert worsened(fixed, moving, shift(2), [1, 2]) == 0


def test_what_takes_long_is_measured_on_request_alone() -> None:
    measured = vars(evaluate_pair(box(4), box(6), shift(2), [1]))
    assert not {"worsened_fraction", "ndv_fraction"} & set(measured)
    asked = vars(evaluate_pair(box(4), box(6), shift(2), [1], requested=["ndv_fraction"]))
    assert set(asked) - set(measured) == {"ndv_fraction"}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    folder = tmp_path_factory.mktemp("results")
    write_runs(folder, table_spec())
    for row in table_spec()["rows"]:
        for n, run in enumerate(row["runs"]):
            path = folder / "toy/runs" / run / "pairs.csv"
            pairs = pd.read_csv(path)
            worsened = np.arange(len(pairs)) < 5 * (n + 1)
            write_csv(path, pairs.assign(worsened_fraction=worsened.astype(float)))
    return Results(folder, "toy")


def item(folder: Path, **changes: object) -> Item:
    write_yaml(folder / "item.yaml", table_spec(**changes))
    return load_item(folder / "item.yaml")


@pytest.mark.parametrize("convention", ["learn2reg", "paper"])
def test_a_table_shows_the_percentile_of_the_pairs_means_and_the_share_of_worse_pairs(
    results: Results, root: Path, tmp_path: Path, convention: str
) -> None:
    spec = item(tmp_path, metrics=["dice", "dice30", "worsened_fraction"], convention=convention, reported=None)
    content = make(spec, results, root / "config/reported.yaml")
    table = content.frame.set_index("run")
    percentiles = []
    for seed in (1, 2):
        metrics = pd.read_csv(results.run_folder(f"lku_net_seed{seed}") / "metrics.csv")
        dice = metrics["dice"].fillna(0) if convention == "paper" else metrics["dice"]
        means = dice.groupby([metrics["fixed"], metrics["moving"]]).mean()
        percentiles.append(np.quantile(100 * means, 0.3))
    assert table.loc["lku_net", "dice30_percent"] == pytest.approx(np.mean(percentiles))
    assert table.loc["lku_net", "dice30_percent_sd"] == pytest.approx(np.std(percentiles, ddof=1))
    assert table.loc["lku_net", "dice30_percent"] < table.loc["lku_net", "dice_percent"]
    assert table.loc["lku_net", "worsened_percent"] == pytest.approx(100 * np.mean([5, 10]) / 42)
    assert np.isnan(table.loc["initial", "worsened_percent"])
    headings = [column.heading for column in content.readable.columns]
    assert headings == ["Method", "Dice (%) ↑", "Dice30 (%) ↑", "Worse pairs (%) ↓", "Seeds"]
    shown = content.readable.columns[headings.index("Dice30 (%) ↑")]
    assert not any(cell.bold for cell in shown.cells)


def test_a_table_that_does_not_ask_has_none_of_these(results: Results, root: Path, tmp_path: Path) -> None:
    frame = make(item(tmp_path), results, root / "config/reported.yaml").frame
    assert not [name for name in frame if name.startswith(("dice30", "worsened", "ndv"))]


def test_a_run_that_was_evaluated_before_the_metric_is_named(results: Results, root: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"pairs\.csv: has no column 'ndv_fraction'; evaluate it again"):
        make(item(tmp_path, metrics=["dice", "ndv_fraction"]), results, root / "config/reported.yaml")


def test_without_labels_there_is_no_percentile() -> None:
    assert METRICS["dice30"].columns == ()
    rows = pd.DataFrame({"run": "a", "fixed": ["f", "g"], "moving": "m", "structure": "s", "label": 1, "dice": np.nan})
    assert np.isnan(run_means(rows.assign(hd95=np.nan, hd95_initial=np.nan), "learn2reg")["dice30"].iloc[0])
