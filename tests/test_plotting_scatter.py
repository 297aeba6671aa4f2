"""Figures 4, 5 and 8: points, lines and numbers are those of the CSV files."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from tests.result_files import figure_spec, write_runs
from textscf.errors import InputError
from textscf.io import read_yaml, write_json, write_yaml
from textscf.plotting.drawing import Drawing
from textscf.plotting.kinds import draw
from textscf.results import Item, Results, load_item

LAMBDAS = (0.01, 0.1, 1.0)


def _point(run: str, **swept: Any) -> dict[str, Any]:
    return {"run": run, "label": "textSCF", "runs": [run], "swept": swept}


def _spec() -> dict[str, Any]:
    """A single run, LKU-Net, and a sweep of six points, each of one seed."""
    points = [
        _point(f"sweep-{weight}-{steps}", **{"loss.smoothness": weight, "integration_steps": steps})
        for weight in LAMBDAS
        for steps in (0, 7)
    ]
    single = {"run": "lku_net", "label": "LKU-Net", "runs": ["lku_net"]}
    swept = {"run": "sweep", "label": "textSCF", "runs": [point["run"] for point in points], "points": points}
    return figure_spec(name="figure4b", kind="tradeoff", reference=None, rows=[single, swept])


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    folder, spec = tmp_path_factory.mktemp("results"), _spec()
    flat = [spec["rows"][0], *spec["rows"][1]["points"]]
    write_runs(folder, spec | {"rows": flat}, structures=["liver", "spleen"], subjects=4)
    for n, row in enumerate(flat):
        run = folder / "toy/runs" / row["run"]
        swept = row.get("swept", {"loss.smoothness": 0.5, "integration_steps": 0})
        network = {"integration_steps": swept["integration_steps"], "backbone": {"name": "lku_net"}}
        settings = read_yaml(run / "config.yaml") | {"loss": {"smoothness": swept["loss.smoothness"]}}
        write_yaml(run / "config.yaml", settings | {"network": network})
        counts = {"parameters": 100 * (n + 1), "multi_adds": 2e9 * (n + 1)}
        write_json(run / "complexity.json", {"inference": counts})
        pairs = pd.read_csv(run / "pairs.csv")
        pairs["sdlogj"] += n / 10
        pairs["nonpositive_jacobian_fraction"] *= 1 + n**2
        pairs.to_csv(run / "pairs.csv", index=False)
    return Results(folder, "toy")


def _item(folder: Path, **changes: Any) -> Item:
    write_yaml(folder / "item.yaml", _spec() | changes)
    return load_item(folder / "item.yaml")


def _drawn(results: Results, **changes: Any) -> Drawing:
    return draw(_item(results.folder, **changes), results)


def _dice(results: Results, run: str) -> float:
    metrics = pd.read_csv(results.folder / "toy/runs" / run / "metrics.csv").fillna({"dice": 0})
    return 100 * metrics.groupby(["fixed", "moving"])["dice"].mean().mean()


def _column(results: Results, run: str, column: str) -> float:
    return pd.read_csv(results.folder / "toy/runs" / run / "pairs.csv")[column].mean()


def test_the_tradeoff_plots_the_means_of_the_files(results: Results) -> None:
    data = _drawn(results).data.set_index("run")
    assert len(data) == 7
    for run, line in data.iterrows():
        assert line["dice"] == pytest.approx(_dice(results, str(run)))
        assert line["sdlogj"] == pytest.approx(_column(results, str(run), "sdlogj"))
        assert line["dice_low"] < line["dice"] < line["dice_high"]
    assert data.loc["sweep-1.0-7", ["loss.smoothness", "integration_steps", "integrated"]].tolist() == [1.0, 7, True]


def test_points_of_a_sweep_are_joined_by_lambda_and_integration_is_labelled(results: Results) -> None:
    drawing = _drawn(results)
    (axes,) = drawing.figure.axes
    plain = [f"sweep-{weight}-0" for weight in LAMBDAS]
    joined = [line for line in axes.lines if len(line.get_xdata()) == len(LAMBDAS)]
    np.testing.assert_allclose(joined[0].get_xdata(), [_column(results, run, "sdlogj") for run in plain])
    assert [text.get_text() for text in axes.texts] == ["Int"] * len(LAMBDAS)
    caption = " ".join(drawing.sentences)
    assert "textSCF 0.01, 0.1, 1." in caption
    assert "12 test pairs" in caption


def test_a_sweep_line_is_over_its_one_setting(results: Results) -> None:
    points = [_point(f"sweep-{weight}-0", **{"head.hidden_channels": 2**n}) for n, weight in enumerate(LAMBDAS, 8)]
    row = {"run": "hidden", "label": "textSCF", "runs": [point["run"] for point in points], "points": points[::-1]}
    drawing = _drawn(results, kind="sweep_line", rows=[row], xlabel="Hidden channels")
    (axes,) = drawing.figure.axes
    np.testing.assert_allclose(axes.lines[0].get_xdata(orig=False), [256, 512, 1024])
    np.testing.assert_allclose(axes.lines[0].get_ydata(orig=False), [_dice(results, point["run"]) for point in points])
    assert axes.get_xlabel() == "Hidden channels"
    assert [label.get_text() for label in axes.get_xticklabels()] == ["256", "512", "1024"]
    with pytest.raises(InputError, match="figure4b: its rows are not sweeps over one and the same setting"):
        _drawn(results, kind="sweep_line")


def test_circles_have_areas_of_parameters_at_the_networks_multi_adds(results: Results) -> None:
    drawing = _drawn(results, kind="cost")
    (axes,) = drawing.figure.axes
    assert drawing.data["giga_multi_adds"].tolist() == [2.0 * n for n in range(1, 8)]
    circles = [line for line in axes.lines if line.get_marker() == "o"]
    areas = np.array([line.get_markersize() for line in circles]) ** 2
    np.testing.assert_allclose(areas / areas[0], drawing.data["parameters"] / 100)
    np.testing.assert_allclose([line.get_xdata()[0] for line in circles], drawing.data["giga_multi_adds"])
    np.testing.assert_allclose([line.get_ydata()[0] for line in circles], drawing.data["dice"])


def test_the_regression_is_that_of_the_normalised_means(results: Results) -> None:
    drawing = _drawn(results, kind="smoothness")
    runs = drawing.data["run"]
    smooth, folding = (
        np.array([_column(results, run, name) for run in runs]) for name in ("sdlogj", "nonpositive_jacobian_fraction")
    )
    x, y = ((values - values.min()) / np.ptp(values) for values in (smooth, folding))
    np.testing.assert_allclose(drawing.data["normalised_sdlogj"], x)
    np.testing.assert_allclose(drawing.data["normalised_nonpositive_jacobian"], y)
    r, (axes,) = stats.pearsonr(x, y).statistic, drawing.figure.axes
    assert f"r = {r:.2f}" in axes.texts[0].get_text()
    assert f"R² = {r**2:.2f}, n = 7" in axes.texts[0].get_text()
    slope = np.polyfit(x, y, 1)[0]
    line = axes.lines[0]
    assert line.get_ydata()[-1] - line.get_ydata()[0] == pytest.approx(slope)
    assert f"SDlogJ {smooth.min():.3g} to {smooth.max():.3g}" in " ".join(drawing.sentences)


def test_too_few_models_have_no_regression(results: Results) -> None:
    with pytest.raises(InputError, match="figure4b: 1 models; expected at least 3 that differ in smoothness"):
        _drawn(results, kind="smoothness", rows=_spec()["rows"][:1])


def test_what_was_not_run_is_left_out_and_named(results: Results) -> None:
    rows = [*_spec()["rows"], {"run": "lapirn", "label": "LapIRN", "runs": [], "not_run": "no GPU"}]
    drawing = _drawn(results, rows=rows)
    assert set(drawing.data["method"]) == {"LKU-Net", "textSCF"}
    assert drawing.sentences[-1] == "Not run: LapIRN (no GPU)."
    with pytest.raises(InputError, match="figure4b: none of its rows is run in this study"):
        _drawn(results, rows=rows[-1:])
