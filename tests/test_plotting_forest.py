"""Forest plot: points and bars are paired differences of the CSV files with intervals over subjects."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.container import ErrorbarContainer
from scipy import stats

from tests.result_files import figure_spec, write_runs
from textscf.files.io import write_yaml
from textscf.plotting.draw_figure import draw
from textscf.plotting.drawing import Drawing
from textscf.results.items import Results, load_item


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    folder = tmp_path_factory.mktemp("results")
    write_runs(folder, figure_spec())
    return Results(folder, "toy")


def drawn(results: Results, **changes: Any) -> Drawing:
    write_yaml(results.folder / "item.yaml", figure_spec(name="differences", kind="forest") | changes)
    return draw(load_item(results.folder / "item.yaml"), results)


def dice(results: Results, run: str) -> pd.Series:
    """Dice in percentage points by pair, structures averaged and then seeds, from the files."""
    paths = sorted((results.folder / "toy/runs").glob(f"{run}*/metrics.csv"))
    frames = [pd.read_csv(path).fillna({"dice": 0}).groupby(["fixed", "moving"])["dice"].mean() for path in paths]
    return 100 * sum(frames) / len(frames)


def bars(axes: Axes) -> list[ErrorbarContainer]:
    return [part for part in axes.containers if isinstance(part, ErrorbarContainer)]


def test_points_are_paired_differences_in_the_order_of_the_table(results: Results) -> None:
    drawing = drawn(results)
    (axes,) = drawing.figure.axes
    expected = [(dice(results, "textscf") - dice(results, run)).mean() for run in ("initial", "lku_net")]
    points = [bar.lines[0].get_xydata()[0] for bar in bars(axes)]
    np.testing.assert_allclose(points, [[expected[0], 0], [expected[1], 1]])
    assert [label.get_text() for label in axes.get_yticklabels()] == ["Initial", "LKU-Net"]
    assert axes.get_ylim()[0] > axes.get_ylim()[1]
    np.testing.assert_allclose(drawing.data["difference"], expected)


def test_bars_are_a_jackknife_over_subjects_of_the_paired_difference(results: Results) -> None:
    """Against means of the square of subjects without one row and column at a time."""
    drawing = drawn(results)
    square = (dice(results, "textscf") - dice(results, "lku_net")).unstack().to_numpy()  # noqa: PD010 a square
    without_one = [np.nanmean(np.delete(np.delete(square, n, 0), n, 1)) for n in range(len(square))]
    reach = stats.t.ppf(0.975, len(square) - 1) * np.sqrt((len(square) - 1) * np.var(without_one))
    (low, high) = bars(drawing.figure.axes[0])[1].lines[2][0].get_segments()[0][:, 0]
    np.testing.assert_allclose([low, high], [np.nanmean(square) - reach, np.nanmean(square) + reach])
    np.testing.assert_allclose([low, high], drawing.data.loc[1, ["low", "high"]].to_numpy(float))


def test_bands_reach_over_all_pairs_of_seeds(results: Results) -> None:
    drawing = drawn(results)
    of_seeds = [
        [dice(results, f"{run}{seed}").mean() for seed in ("_seed1", "_seed2")] for run in ("textscf", "lku_net")
    ]
    between = [a - b for a in of_seeds[0] for b in of_seeds[1]]
    (_, band) = [line for line in drawing.figure.axes[0].lines if line.get_linewidth() == 9]
    np.testing.assert_allclose(band.get_xdata(), [min(between), max(between)])
    np.testing.assert_allclose(band.get_xdata(), drawing.data.loc[1, ["seeds_low", "seeds_high"]].to_numpy(float))
    assert any(sentence.startswith("Pale bands: from the smallest") for sentence in drawing.sentences)


def test_without_several_seeds_there_is_no_band(results: Results) -> None:
    rows = [row | {"runs": row["runs"][:1]} for row in figure_spec()["rows"]]
    drawing = drawn(results, rows=rows)
    assert drawing.data[["seeds_low", "seeds_high"]].isna().all(axis=None)
    assert not any(sentence.startswith("Pale bands") for sentence in drawing.sentences)


def test_zero_is_in_view_and_the_numbers_are_those_of_the_data(results: Results) -> None:
    drawing = drawn(results)
    (axes,) = drawing.figure.axes
    assert axes.get_xlim()[0] <= 0 <= axes.get_xlim()[1]
    assert list(axes.lines[0].get_xdata()) == [0, 0]
    line = drawing.data.iloc[0]
    assert axes.texts[0].get_text() == f"{line.difference:+.1f} [{line.low:+.1f}, {line.high:+.1f}]"
    assert "percentage points" in axes.get_xlabel()
    text = " ".join(drawing.sentences)
    for part in ("42 test pairs of 7 subjects", "2 seeds", "1,000 steps", "over subjects, not pairs", "Dice 0"):
        assert part in text


@pytest.mark.parametrize(("shift", "shown"), [(0.0, "0.00"), (2e-4, "+0.02"), (-2e-4, "−0.02"), (2e-3, "+0.2")])
def test_a_difference_near_zero_does_not_look_like_zero(tmp_path: Path, shift: float, shown: str) -> None:
    write_runs(tmp_path, figure_spec())
    runs = tmp_path / "toy/runs"
    same = pd.read_csv(next(runs.glob("textscf*/metrics.csv"))).fillna({"dice": 0})
    for path in [*runs.glob("textscf*"), *runs.glob("lku_net*")]:
        less = shift if path.name.startswith("lku_net") else 0
        same.assign(run=path.name, dice=same["dice"] - less).to_csv(path / "metrics.csv", index=False)
    texts = [text.get_text() for text in drawn(Results(tmp_path, "toy")).figure.axes[0].texts]
    assert f"{shown} [{shown}, {shown}]" in texts


def test_texts_do_not_touch_and_stay_on_the_page(results: Results) -> None:
    figure = drawn(results).figure
    figure.draw_without_rendering()
    (axes,) = figure.axes
    boxes = [text.get_window_extent() for text in [*axes.texts, *axes.get_yticklabels(), axes.xaxis.label]]
    assert not any(a.overlaps(b) for n, a in enumerate(boxes) for b in boxes[n + 1 :])
    assert all(box.x0 >= 0 and box.x1 <= figure.bbox.x1 and box.y1 <= figure.bbox.y1 for box in boxes)


_WITHOUT_REFERENCE = [
    row | ({"runs": [], "not_run": "no time"} if row["run"] == "textscf" else {}) for row in figure_spec()["rows"]
]


@pytest.mark.parametrize(
    "changes", [{"reference": None}, {"rows": figure_spec()["rows"][2:]}, {"rows": _WITHOUT_REFERENCE}]
)
def test_without_two_rows_there_is_nothing_to_compare(results: Results, changes: dict[str, Any]) -> None:
    drawing = drawn(results, **changes)
    assert drawing.sentences[0].startswith("Nothing to compare")
    assert list(drawing.data) == ["note"]


def test_the_papers_differences_are_hollow_stars_on_its_cohort_alone(results: Results) -> None:
    printed = {"textSCF": {"dice": 60.75}, "LKU-Net": {"dice": 50.32}}
    write_yaml(results.folder / "item.yaml", figure_spec(name="differences", kind="forest"))
    item = dataclasses.replace(load_item(results.folder / "item.yaml"), printed=printed)
    drawing = draw(item, results)
    stars = [line.get_xydata()[0] for line in drawing.figure.axes[0].lines if line.get_marker() == "*"]
    assert np.isnan(stars[0][0])
    np.testing.assert_allclose(stars[1], [60.75 - 50.32, 1])
    assert "Hollow stars: differences of the means that the paper prints." in drawing.sentences
    assert drawn(results).data["printed"].isna().all()
