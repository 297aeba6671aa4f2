"""Both conventions from the same rows, and the Initial row of the paper's Table 3 from the real label maps."""

import itertools
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from scipy import ndimage

from textscf.metrics import PairMetrics, evaluate_pair
from textscf.metrics.aggregation import (
    METRIC_COLUMNS,
    apply_convention,
    pair_means,
    pairs_with_lost,
    run_means,
    structure_means,
    structure_rows,
)

NAN, INF = np.nan, np.inf


def rows(fixed: str, dice: list[float], hd95: list[float], initial: list[float]) -> pd.DataFrame:
    n = len(dice)
    values = {"dice": np.array(dice), "hd95": np.array(hd95), "hd95_initial": np.array(initial)}
    metrics = PairMetrics(labels=np.arange(1, n + 1), **values)
    return structure_rows(metrics, "run", fixed, "m", ["liver", "spleen", "gall bladder"][:n])


@pytest.fixture
def metrics() -> pd.DataFrame:
    return pd.concat(
        [
            rows("f1", [0.8, 0.6, NAN], [2.0, 4.0, NAN], [NAN] * 3),
            rows("f2", [0.9, 0.0, 0.3], [1.0, INF, 6.0], [NAN, 8.0, NAN]),
        ],
        ignore_index=True,
    )


def test_one_row_per_structure(metrics: pd.DataFrame) -> None:
    assert list(metrics.columns) == METRIC_COLUMNS
    first = metrics.iloc[1]
    assert (first.run, first.fixed, first.moving, first.label, first.structure) == ("run", "f1", "m", 2, "spleen")
    assert (first.dice, first.hd95) == (0.6, 4.0)


def test_learn2reg_leaves_missing_out_and_keeps_lost_infinite(metrics: pd.DataFrame) -> None:
    means = pair_means(metrics, "learn2reg")
    np.testing.assert_allclose(means["dice"], [0.7, 0.4])
    np.testing.assert_allclose(means["hd95"], [3.0, INF])
    assert list(means.columns) == ["run", "fixed", "moving", "dice", "hd95"]


def test_paper_counts_missing_as_zero_and_lost_as_unwarped(metrics: pd.DataFrame) -> None:
    means = pair_means(metrics, "paper")
    np.testing.assert_allclose(means["dice"], [1.4 / 3, 0.4])
    np.testing.assert_allclose(means["hd95"], [3.0, 5.0])


def test_run_mean_is_the_mean_of_pair_means(metrics: pd.DataFrame) -> None:
    other = metrics[metrics["fixed"] == "f2"].assign(run="another")
    means = run_means(pd.concat([metrics, other]), "paper")
    assert list(means["run"]) == ["run", "another"]
    np.testing.assert_allclose(means["dice"], [(1.4 / 3 + 0.4) / 2, 0.4])
    np.testing.assert_allclose(means["hd95"], [4.0, 5.0])
    assert list(means["pairs"]) == [2, 1]


def test_a_warp_of_100_voxels_on_equal_scans_is_flattered_by_the_papers_convention_alone() -> None:
    labels = np.zeros((12, 13, 14), np.uint8)
    labels[2:6, 3:9, 4:8] = 1
    field = np.full((*labels.shape, 3), 100, np.float32)
    found = structure_rows(evaluate_pair(labels, labels, field, [1]), "run", "f", "m", ["liver"])
    assert run_means(found, "paper").iloc[0]["hd95"] == 0
    assert run_means(found, "learn2reg").iloc[0]["hd95"] == INF
    assert pairs_with_lost(found) == 1


def test_pairs_with_lost_structures_are_counted_once_each(metrics: pd.DataFrame) -> None:
    both_lost = rows("f3", [0.0, 0.0], [INF, INF], [5.0, 6.0])
    assert pairs_with_lost(pd.concat([metrics, both_lost])) == 2
    assert pairs_with_lost(metrics[metrics["fixed"] == "f1"]) == 0


def test_structure_means(metrics: pd.DataFrame) -> None:
    paper, challenge = (structure_means(metrics, convention) for convention in ("paper", "learn2reg"))
    assert list(paper["structure"]) == ["liver", "spleen", "gall bladder"]
    np.testing.assert_allclose(paper["dice"], [0.85, 0.3, 0.15])
    np.testing.assert_allclose(challenge["dice"], [0.85, 0.3, 0.3])
    np.testing.assert_allclose(paper["hd95"], [1.5, 6.0, 6.0])


def test_rows_survive_a_csv_file(metrics: pd.DataFrame, tmp_path: Path) -> None:
    metrics.to_csv(tmp_path / "metrics.csv", index=False)
    again = pd.read_csv(tmp_path / "metrics.csv")
    for convention in ("paper", "learn2reg"):
        pd.testing.assert_frame_equal(pair_means(again, convention), pair_means(metrics, convention))


def test_input_is_left_alone_and_unknown_conventions_are_named(metrics: pd.DataFrame) -> None:
    before = metrics.copy()
    apply_convention(metrics, "paper")
    pd.testing.assert_frame_equal(metrics, before)
    with pytest.raises(ValueError, match="'oasis'; expected one of learn2reg, paper"):
        apply_convention(metrics, "oasis")  # type: ignore[arg-type]


def test_initial_row_of_table_3(shared: Path) -> None:
    """42 ordered pairs of scans 0024 to 0030 at 4 mm; the paper prints 30.86 and 29.77."""
    folder = shared / "data" / "AbdomenCTCT" / "labelsTr"

    def half(number: int) -> np.ndarray:
        stored = np.asarray(nib.load(folder / f"AbdomenCTCT_{number:04d}_0000.nii.gz").dataobj)
        return ndimage.zoom(stored, 0.5, order=0).astype(np.uint8)

    def evaluated(pair: tuple[int, int]) -> pd.DataFrame:
        fixed, moving = pair
        result = evaluate_pair(scans[fixed], scans[moving], None, range(1, 14), (4, 4, 4))
        return structure_rows(result, "initial", str(fixed), str(moving), [str(n) for n in range(1, 14)])

    with ThreadPoolExecutor(2) as pool:
        scans = dict(zip(range(24, 31), pool.map(half, range(24, 31)), strict=True))
        metrics = pd.concat(pool.map(evaluated, itertools.permutations(scans, 2)))
    paper, challenge = (run_means(metrics, convention).iloc[0] for convention in ("paper", "learn2reg"))
    assert paper["pairs"] == 42
    assert 100 * paper["dice"] == pytest.approx(30.861, abs=5e-4)
    assert paper["hd95"] == pytest.approx(29.768, abs=5e-4)
    assert 100 * challenge["dice"] == pytest.approx(31.612, abs=5e-4)
