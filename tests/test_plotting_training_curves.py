"""Curves of trainings: the plotted values are those of the histories."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.result_files import figure_spec, write_histories
from textscf.errors import InputError
from textscf.files.io import write_yaml
from textscf.plotting.draw_figure import draw
from textscf.plotting.drawing import Drawing
from textscf.results.items import Results, load_item


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    def history(_run: str, n: int) -> pd.DataFrame:
        losses, dice = [0.9 - 0.1 * n, 0.5], [0.3, 0.4 + 0.1 * n]
        return pd.DataFrame({"epoch": [1, 2], "step": [10, 20], "loss": losses, "validation_dice": dice})

    return write_histories(tmp_path, history)


def drawn(folder: Path, rows: slice) -> Drawing:
    spec = figure_spec(name="precision", kind="training_curves", reference=None)
    write_yaml(folder / "config.yaml", spec | {"rows": spec["rows"][rows]})
    return draw(load_item(folder / "config.yaml"), Results(folder, "toy"))


def test_a_line_per_run_in_both_panels(folder: Path) -> None:
    drawing = drawn(folder, slice(1, None))
    loss, dice = drawing.figure.axes
    assert [axes.get_ylabel() for axes in (loss, dice)] == ["Training loss", "Validation Dice (%)"]
    lines = [line for line in loss.lines if len(line.get_xdata())]
    assert [line.get_linestyle() for line in lines] == ["-"] * 4
    assert [line.get_linewidth() for line in lines] == [1.1, 0.5, 1.1, 0.5]
    np.testing.assert_allclose(lines[1].get_xydata(), [[10, 0.8], [20, 0.5]])
    np.testing.assert_allclose(dice.lines[3].get_xydata(), [[10, 30], [20, 50]])
    assert list(drawing.data.columns) == ["method", "run", "step", "loss", "validation_dice"]
    assert len(drawing.data) == 8
    assert drawing.sentences == [
        "Means over the steps of an epoch.",
        "Thin lines: further seeds.",
        "Best validation Dice (%): LKU-Net 40.00, 50.00; textSCF 40.00, 50.00.",
    ]


def test_more_methods_than_colours_differ_in_their_lines(folder: Path) -> None:
    spec = figure_spec(name="curves", kind="training_curves", reference=None)
    row = spec["rows"][1]
    rows = [row | {"label": f"method {n}"} for n in range(11)]
    write_yaml(folder / "config.yaml", spec | {"rows": rows})
    drawing = draw(load_item(folder / "config.yaml"), Results(folder, "toy"))
    entries = drawing.figure.legends[0].get_lines()
    assert len({(line.get_color(), line.get_linestyle()) for line in entries}) == 11


def test_what_is_not_trained_has_no_curve(folder: Path) -> None:
    with pytest.raises(InputError, match="precision: run 'initial' is not trained and has no curve"):
        drawn(folder, slice(None))
