"""Figure 7: bars, intervals and percentages are those of the CSV files."""

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from scipy import stats

from tests.result_files import figure_spec, write_runs
from textscf.errors import InputError
from textscf.files.io import write_yaml
from textscf.plotting.colours import REFERENCE_COLOUR
from textscf.plotting.draw_figure import draw
from textscf.plotting.drawing import Drawing
from textscf.plotting.figures.head_bars import bar_values
from textscf.plotting.style import COLUMN_WIDTH, TEXT_WIDTH
from textscf.results.items import Item, Results, load_item

LABELS = ["Better", "Worse"]


def _spec(labels: list[str] = LABELS, segmentor: str = "tiny", **changes: Any) -> dict[str, Any]:
    """Figure in which the first, third, ... row gains by its head and the others lose."""
    initial, lku_net, textscf = figure_spec()["rows"]
    textscf["segmentor"] = segmentor
    rows = []
    for n, label in enumerate(labels):
        plain, headed = (lku_net, textscf) if n % 2 == 0 else (lku_net, initial)
        row, with_head = ({key: each[key] for key in ("run", "runs", "segmentor")} for each in (plain, headed))
        rows.append({**row, "label": label, "with_head": {**with_head, "label": label}})
    spec = figure_spec(name="figure7", kind="head_bars", caption="Dice of each backbone.", reference=None, rows=rows)
    return spec | changes


def _item(folder: Path, *arguments: Any, **changes: Any) -> Item:
    write_yaml(folder / "item.yaml", _spec(*arguments, **changes))
    return load_item(folder / "item.yaml")


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    folder = tmp_path_factory.mktemp("results")
    write_runs(folder, figure_spec())
    return Results(folder, "toy")


@pytest.fixture(scope="module")
def drawing(results: Results) -> Drawing:
    return draw(_item(results.folder), results)


def _dice(results: Results, run: str, missing: float = 0.0) -> pd.Series:
    """Dice in percent by pair, structures averaged and then seeds, from the files."""
    paths = sorted((results.folder / "toy/runs").glob(f"{run}*/metrics.csv"))
    frames = [pd.read_csv(path).fillna({"dice": missing}).groupby(["fixed", "moving"])["dice"].mean() for path in paths]
    return 100 * sum(frames) / len(frames)


def _heights(axes: Axes) -> list[float]:
    return [bar.get_height() for bar in axes.patches]


def test_bars_are_the_means_of_the_files(results: Results, drawing: Drawing) -> None:
    axes, _ = drawing.figure.axes
    without, head, worse = (_dice(results, run).mean() for run in ("lku_net", "textscf", "initial"))
    np.testing.assert_allclose(_heights(axes), [without, without, head, worse])
    assert axes.get_ylim()[0] == 0
    assert [label.get_text() for label in drawing.figure.axes[1].get_xticklabels()] == LABELS


def test_missing_structures_are_left_out_by_the_challenges_convention(results: Results, tmp_path: Path) -> None:
    axes, _ = draw(_item(tmp_path, ["one"], convention="learn2reg"), results).figure.axes
    expected = [_dice(results, run, np.nan).mean() for run in ("lku_net", "textscf")]
    np.testing.assert_allclose(_heights(axes), expected)


def test_percentages_are_relative_to_the_dice_without_the_head(results: Results, drawing: Drawing) -> None:
    without, head, worse = (_dice(results, run).mean() for run in ("lku_net", "textscf", "initial"))
    texts = [text.get_text() for text in drawing.figure.axes[0].texts]
    assert texts == [f"+{100 * (head - without) / without:.1f} %", f"−{100 * (without - worse) / without:.1f} %"]


def test_the_gains_interval_is_a_jackknife_over_subjects_of_the_paired_difference(
    results: Results, tmp_path: Path
) -> None:
    """Against means of the square of subjects without one row and column at a time."""
    line = bar_values(_item(tmp_path), results).iloc[0]
    square = (_dice(results, "textscf") - _dice(results, "lku_net")).unstack().to_numpy()  # noqa: PD010 a square
    without_one = [np.nanmean(np.delete(np.delete(square, n, 0), n, 1)) for n in range(len(square))]
    reach = stats.t.ppf(0.975, len(square) - 1) * np.sqrt((len(square) - 1) * np.var(without_one))
    assert line["gain"] == pytest.approx(np.nanmean(square))
    np.testing.assert_allclose([line["gain_low"], line["gain_high"]], line["gain"] + reach * np.array([-1, 1]))


def test_gains_and_their_bars_are_those_of_the_data(results: Results, drawing: Drawing, tmp_path: Path) -> None:
    data = bar_values(_item(tmp_path), results)
    _, axes = drawing.figure.axes
    (container,) = axes.containers
    np.testing.assert_allclose(container.lines[0].get_xydata(), np.stack([[0, 1], data["gain"]], axis=1))
    ends = np.array([segment[:, 1] for segment in container.lines[2][0].get_segments()])
    np.testing.assert_allclose(ends, data[["gain_low", "gain_high"]])
    assert list(axes.lines[-1].get_ydata()) == [0, 0]


def test_dots_are_the_means_of_single_seeds(results: Results, drawing: Drawing) -> None:
    axes, _ = drawing.figure.axes
    dots = [line.get_ydata() for line in axes.lines if line.get_marker() == "o"]
    means = [
        100 * pd.read_csv(path).fillna({"dice": 0}).groupby(["fixed", "moving"])["dice"].mean().mean()
        for path in sorted((results.folder / "toy/runs").glob("lku_net*/metrics.csv"))
    ]
    np.testing.assert_allclose(dots[0], means, atol=1e-4)
    assert "Dots: the mean of each seed." in drawing.sentences


def test_the_two_bars_of_a_backbone_stand_side_by_side_in_two_colours(drawing: Drawing) -> None:
    axes, _ = drawing.figure.axes
    first, second = axes.patches[:2], axes.patches[2:]
    for place, (a, b) in enumerate(zip(first, second, strict=True)):
        assert a.get_x() + a.get_width() == pytest.approx(b.get_x())
        assert b.get_x() == pytest.approx(place)
    assert {to_hex(bar.get_facecolor()) for bar in first} == {"#ffffff"}
    assert {to_hex(bar.get_facecolor()) for bar in second} == {REFERENCE_COLOUR.lower()}


@pytest.mark.parametrize(("n_rows", "width"), [(1, COLUMN_WIDTH), (4, COLUMN_WIDTH), (8, TEXT_WIDTH)])
def test_names_and_percentages_do_not_touch(results: Results, tmp_path: Path, n_rows: int, width: float) -> None:
    labels = [*["VoxelMorph", "TransMorph", "LapIRN", "LKU-Net"], *["TM-TVF", "LapIRN diff", "Fourier-Net", "im2grid"]]
    figure = draw(_item(tmp_path, labels[:n_rows]), results).figure
    assert figure.get_figwidth() * 25.4 == pytest.approx(width)
    figure.draw_without_rendering()
    axes, gains = figure.axes
    for texts in (axes.texts, gains.get_xticklabels()):
        boxes = [text.get_window_extent() for text in texts]
        assert all(a.x1 < b.x0 for a, b in itertools.pairwise(boxes))
        assert boxes[0].x0 >= 0
        assert boxes[-1].x1 <= figure.bbox.x1
    assert max(text.get_window_extent().y1 for text in axes.texts) < figure.legends[0].get_window_extent().y0


def test_the_caption_says_how_it_was_counted(drawing: Drawing) -> None:
    text = " ".join(drawing.sentences)
    for part in (
        "42 test pairs of 7 subjects; 2 seeds, averaged per pair",
        "Dice 0",
        "95 % interval",
        "over subjects",
    ):
        assert part in text
    assert "†" not in text


def test_a_head_that_sees_the_labels_is_marked(results: Results, tmp_path: Path) -> None:
    drawing = draw(_item(tmp_path, segmentor="ground_truth"), results)
    assert [label.get_text() for label in drawing.figure.axes[1].get_xticklabels()] == ["Better †", "Worse"]
    assert drawing.sentences[-1].startswith("† Better with the text-driven head uses")


def test_a_row_without_a_second_run_is_refused(results: Results, tmp_path: Path) -> None:
    rows = _spec()["rows"]
    del rows[1]["with_head"]
    with pytest.raises(InputError, match="figure7: row 'Worse' has no with_head"):
        draw(_item(tmp_path, rows=rows), results)


def test_runs_on_different_pairs_are_refused(tmp_path: Path) -> None:
    write_runs(tmp_path, figure_spec(), subjects=3)
    for path in (tmp_path / "toy/runs").glob("textscf*/metrics.csv"):
        pd.read_csv(path).query("fixed != 's0'").to_csv(path, index=False)
    with pytest.raises(InputError, match="figure7: 'lku_net' and 'textscf' were evaluated on different pairs"):
        draw(_item(tmp_path), Results(tmp_path, "toy"))
