"""Validation curves: the plotted values are those of the histories."""

import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from tests.result_files import TIMING, figure_spec, write_histories
from textscf.errors import InputError
from textscf.files.io import write_json, write_yaml
from textscf.plotting.draw_figure import draw
from textscf.plotting.drawing import Drawing
from textscf.plotting.looks import METHODS
from textscf.results.items import Results, load_item

STEPS = np.arange(10, 1001, 10)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    def history(run: str, n: int) -> pd.DataFrame:
        return pd.DataFrame({"step": STEPS, "loss": 0.5, "validation_dice": curve(run, n)})

    return write_histories(tmp_path, history)


def curve(run: str, seed: int) -> np.ndarray:
    return 0.4 + 0.1 * seed + (run == "textscf") * 0.02 - 0.3 * np.exp(-STEPS / 50)


def drawn(folder: Path, rows: slice = slice(None)) -> Drawing:
    spec = figure_spec(name="curves", kind="validation_curves", reference=None)
    write_yaml(folder / "config.yaml", spec | {"rows": spec["rows"][rows]})
    return draw(load_item(folder / "config.yaml"), Results(folder, "toy"))


def test_a_curve_per_trained_method_is_the_mean_of_its_seeds(folder: Path) -> None:
    (axes,) = drawn(folder).figure.axes
    for line, run, label in zip(axes.lines, ("lku_net", "textscf"), ("LKU-Net", "textSCF"), strict=True):
        expected = 100 * (curve(run, 0) + curve(run, 1)) / 2
        np.testing.assert_allclose(line.get_xydata(), np.stack([STEPS, expected], axis=1))
        assert to_hex(line.get_color()) == METHODS[label].colour.lower()
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("Step", "Validation Dice (%)")


def test_bands_reach_from_the_lowest_to_the_highest_seed(folder: Path) -> None:
    drawing = drawn(folder)
    (band, _) = drawing.figure.axes[0].collections
    ends = [y for x, y in band.get_paths()[0].vertices if x == 1000]
    np.testing.assert_allclose([min(ends), max(ends)], [100 * curve("lku_net", n)[-1] for n in (0, 1)])
    assert "Bands: from the lowest to the highest seed" in " ".join(drawing.sentences)


def test_the_axis_leaves_out_the_steep_start_so_that_flat_ends_can_be_told(folder: Path) -> None:
    drawing = drawn(folder)
    low, high = drawing.figure.axes[0].get_ylim()
    data = drawing.data
    assert data["validation_dice"].min() < low < data.loc[data["step"] >= 50, "validation_dice"].min()
    assert high > data["validation_dice"].max()
    assert "The first 5 % of the steps may lie below the axis." in drawing.sentences


def test_names_stand_beside_the_ends_with_the_best_value_and_do_not_touch(folder: Path) -> None:
    figure = drawn(folder).figure
    figure.draw_without_rendering()
    (axes,) = figure.axes
    best = {run: np.mean([100 * curve(run, n).max() for n in (0, 1)]) for run in ("lku_net", "textscf")}
    assert [text.get_text() for text in axes.texts] == [
        f"LKU-Net {best['lku_net']:.1f}",
        f"textSCF {best['textscf']:.1f}",
    ]
    boxes = [text.get_window_extent() for text in axes.texts]
    assert all(a.y1 <= b.y0 + 1 for a, b in itertools.pairwise(boxes))
    assert all(box.x1 <= figure.bbox.x1 for box in boxes)


def test_the_caption_names_what_has_not_converged_and_the_budget(folder: Path) -> None:
    assert "All have converged" in " ".join(drawn(folder).sentences)
    write_json(
        folder / "toy/runs/lku_net_seed2/timing.json", {**TIMING, "converged": False, "best_validation_dice": 0.4}
    )
    text = " ".join(drawn(folder).sentences)
    for part in ("Not converged: LKU-Net (mean validation", "Training: 1,000 steps.", "2 seeds."):
        assert part in text


def test_without_labels_of_validation_pairs_there_is_a_note(folder: Path) -> None:
    for path in (folder / "toy/runs").glob("*/history.csv"):
        pd.read_csv(path).assign(validation_dice=np.nan).to_csv(path, index=False)
    assert drawn(folder).sentences == ["No validation pair has labels: there is no validation Dice to show."]


def test_without_training_there_is_nothing_to_draw(folder: Path) -> None:
    with pytest.raises(InputError, match="curves: none of its rows is trained; nothing to draw"):
        drawn(folder, slice(1))
