"""Figures 4, 5 and 8: points, lines and numbers are those of the CSV files."""

import dataclasses
import itertools
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_hex
from scipy import stats

from tests.result_files import figure_spec, write_runs
from textscf.errors import InputError
from textscf.files.io import read_json, read_yaml, write_json, write_yaml
from textscf.plotting.colours import REFERENCE_COLOUR
from textscf.plotting.draw_figure import draw
from textscf.plotting.drawing import Drawing
from textscf.plotting.looks import METHODS
from textscf.results.items import Item, Results, load_item
from textscf.results.reported import printed_of

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
    write_runs(folder, spec | {"rows": flat}, structures=["liver", "spleen"], subjects=5)
    for n, row in enumerate(flat):
        run = folder / "toy/runs" / row["run"]
        swept = row.get("swept", {"loss.smoothness": 0.5, "integration_steps": 0})
        network = {"integration_steps": swept["integration_steps"], "backbone": {"name": "lku_net"}}
        settings = read_yaml(run / "config.yaml") | {"loss": {"smoothness": swept["loss.smoothness"]}}
        write_yaml(run / "config.yaml", settings | {"network": network})
        counts = {"parameters": 1_000_000 * (n + 1), "multi_adds": 2e9 * (n + 1), "attention_multi_adds": 0}
        content = {
            "shape": [8, 8, 8],
            "inference": counts,
            "training": dict.fromkeys(counts, 1),
            "segmentor_parameters": 0,
        }
        write_json(run / "complexity.json", content)
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


def _places(axes: Axes) -> np.ndarray:
    """Positions of the markers of the methods, (N, 2); they are the first that are drawn."""
    return np.asarray(axes.collections[0].get_offsets())


def test_the_tradeoff_plots_the_means_of_the_files(results: Results) -> None:
    data = _drawn(results).data.set_index("run")
    assert len(data) == 7
    for run, line in data.iterrows():
        assert line["dice"] == pytest.approx(_dice(results, str(run)))
        assert line["sdlogj"] == pytest.approx(_column(results, str(run), "sdlogj"))
        assert line["dice_low"] < line["dice"] < line["dice_high"]
    (axes,) = _drawn(results).figure.axes
    np.testing.assert_allclose(_places(axes), data[["sdlogj", "dice"]])
    assert data.loc["sweep-1.0-7", ["loss.smoothness", "integration_steps", "steps"]].tolist() == [1.0, 7, 7]


def test_points_of_a_sweep_are_joined_by_lambda_and_integration_is_explained(results: Results) -> None:
    drawing = _drawn(results)
    (axes,) = drawing.figure.axes
    plain = [f"sweep-{weight}-0" for weight in LAMBDAS]
    joined = [line for line in axes.lines if len(line.get_xdata()) == len(LAMBDAS)]
    np.testing.assert_allclose(joined[0].get_xdata(), [_column(results, run, "sdlogj") for run in plain])
    texts = [text.get_text() for text in axes.texts]
    assert texts == ["λ 0.01", "λ 0.01", "λ 0.1", "λ 0.1", "λ 1", "λ 1"]
    assert [text.get_text() for text in drawing.figure.legends[0].get_texts()][-1] == "with integration"
    caption = " ".join(drawing.sentences)
    assert "Lines join the values of lambda: textSCF 0.01, 0.1, 1." in caption
    assert "20 test pairs" in caption


def test_points_with_integration_are_open_in_their_colour(results: Results) -> None:
    (axes,) = _drawn(results).figure.axes
    markers = axes.collections[0]
    faces, edges = (list(map(to_hex, colours)) for colours in (markers.get_facecolor(), markers.get_edgecolor()))
    assert [face == "#ffffff" for face in faces] == [False] + [False, True] * len(LAMBDAS)
    assert set(faces[1::2]) == set(edges[2::2]) == {REFERENCE_COLOUR.lower()}
    assert len({path.vertices.tobytes() for path in markers.get_paths()}) == 2


def test_each_number_of_integration_steps_has_its_own_line(results: Results, tmp_path: Path) -> None:
    shutil.copytree(results.folder / "toy", tmp_path / "toy")
    for weight in LAMBDAS[:2]:
        path = tmp_path / f"toy/runs/sweep-{weight}-7/config.yaml"
        write_yaml(path, read_yaml(path) | {"network": {"integration_steps": 0, "backbone": {"integration_steps": 4}}})
    drawing = draw(_item(tmp_path), Results(tmp_path, "toy"))
    assert sorted(len(line.get_xdata()) for line in drawing.figure.axes[0].lines) == [1, 1, 2, 3]
    assert sorted(set(drawing.data["steps"])) == [0, 4, 7]


def test_a_sweep_that_sees_the_labels_is_marked(results: Results) -> None:
    rows = _spec()["rows"]
    for point in rows[1]["points"]:
        point["segmentor"] = "ground_truth"
    drawing = _drawn(results, rows=rows)
    (legend,) = drawing.figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["LKU-Net", "textSCF †", "with integration"]
    assert "† textSCF uses the fixed scan's ground-truth labels" in " ".join(drawing.sentences)


def test_a_sweep_line_is_over_its_one_setting(results: Results) -> None:
    points = [_point(f"sweep-{weight}-0", **{"head.hidden_channels": 2**n}) for n, weight in enumerate(LAMBDAS, 8)]
    row = {"run": "hidden", "label": "textSCF", "runs": [point["run"] for point in points], "points": points[::-1]}
    drawing = _drawn(results, kind="sweep_line", rows=[row], xlabel="Hidden channels")
    (axes,) = drawing.figure.axes
    np.testing.assert_allclose(axes.lines[0].get_xdata(orig=False), [256, 512, 1024])
    np.testing.assert_allclose(axes.lines[0].get_ydata(orig=False), [_dice(results, point["run"]) for point in points])
    low, high = (drawing.data[name].to_numpy() for name in ("dice_low", "dice_high"))
    bars = np.array([segment[:, 1] for segment in axes.collections[0].get_segments()])
    np.testing.assert_allclose(bars, np.stack([low, high], axis=1))
    assert axes.get_xlabel() == "Hidden channels"
    assert [label.get_text() for label in axes.get_xticklabels()] == ["256", "512", "1024"]
    with pytest.raises(InputError, match="figure4b: its rows are not sweeps over one and the same setting"):
        _drawn(results, kind="sweep_line")


def test_a_sweep_line_shows_each_seed_beside_the_mean(results: Results) -> None:
    seeds = [f"sweep-{weight}-0" for weight in LAMBDAS]
    points = [{**_point(seeds[0], **{"head.hidden_channels": 64}), "runs": seeds}]
    row = {"run": "hidden", "label": "textSCF", "runs": seeds, "points": points}
    drawing = _drawn(results, kind="sweep_line", rows=[row])
    dots = drawing.figure.axes[0].lines[-1]
    expected = [_dice(results, seed) for seed in seeds]
    np.testing.assert_allclose(dots.get_ydata(), expected, atol=1e-4)
    assert dots.get_xdata()[0] > 64
    np.testing.assert_allclose([float(x) for x in drawing.data["dice_by_seed"][0].split()], expected, atol=1e-4)
    assert "Small dots: each seed's own mean." in drawing.sentences


@pytest.mark.parametrize("value", ["minilm", 0, None])
def test_a_sweep_line_is_over_positive_numbers(results: Results, value: Any) -> None:
    points = [_point("sweep-0.1-0", setting=value), _point("sweep-1.0-0", setting=2)]
    row = {"run": "sweep", "label": "textSCF", "runs": [point["run"] for point in points], "points": points}
    with pytest.raises(InputError, match=f"figure4b: setting: found {value!r}; expected positive numbers"):
        _drawn(results, kind="sweep_line", rows=[row])


def test_error_bars_of_two_sweeps_stand_beside_each_other(results: Results) -> None:
    rows = []
    for label, steps in (("without", 0), ("with", 7)):
        points = [_point(f"sweep-{w}-{steps}", **{"head.hidden_channels": 2**n}) for n, w in enumerate(LAMBDAS)]
        runs = [point["run"] for point in points]
        rows.append({"run": label, "label": label, "runs": runs, "points": points})
    drawing = _drawn(results, kind="sweep_line", rows=rows)
    (axes,) = drawing.figure.axes
    left, right = axes.get_lines()[0].get_xdata(orig=False), axes.get_lines()[3].get_xdata(orig=False)
    np.testing.assert_allclose(np.sqrt(left * right), [1, 2, 4])
    assert (right > left).all()
    assert axes.get_xlabel() == "Hidden channels"
    assert [text.get_text() for text in drawing.figure.legends[0].get_texts()] == ["without", "with"]


def test_circles_have_areas_of_parameters_at_the_networks_multi_adds(results: Results) -> None:
    drawing = _drawn(results, kind="cost")
    (axes,) = drawing.figure.axes
    assert drawing.data["giga_multi_adds"].tolist() == [2.0 * n for n in range(1, 8)]
    drawn = drawing.data.sort_values("parameters", ascending=False)
    areas = axes.collections[0].get_sizes()
    np.testing.assert_allclose(areas / areas[-1], drawn["parameters"] / 1e6)
    np.testing.assert_allclose(_places(axes), drawn[["giga_multi_adds", "dice"]])
    values = {tuple(text.get_text().split(", ")) for text in axes.texts}
    assert values == {(str(weight), str(steps)) for weight in LAMBDAS for steps in (0, 7)}
    assert "Numbers: smoothness, integration steps." in drawing.sentences
    sizes = drawing.figure.legends[1]
    assert [text.get_text() for text in sizes.get_texts()] == ["0.5 M parameters", "5 M parameters"]
    sizes = [handle.get_markersize() ** 2 for handle in sizes.legend_handles]
    np.testing.assert_allclose(np.array(sizes) / areas[-1], [0.5, 5])


RANGES = [(1, 3), (0.02, 0.19), (100, 900), (1_000, 8_000), (2, 40), (30, 29_000), (0.3, 9_000), (12, 22_000)]


@pytest.mark.parametrize(("lowest", "highest"), RANGES)
def test_multi_adds_are_plain_numbers_that_do_not_touch(
    results: Results, tmp_path: Path, lowest: float, highest: float
) -> None:
    shutil.copytree(results.folder / "toy", tmp_path / "toy")
    for n, path in enumerate(sorted((tmp_path / "toy/runs").glob("*/complexity.json"))):
        content = read_json(path)
        content["inference"]["multi_adds"] = 1e9 * lowest * (highest / lowest) ** (n / 6)
        write_json(path, content)
    figure = draw(_item(tmp_path, kind="cost"), Results(tmp_path, "toy")).figure
    figure.draw_without_rendering()
    (axes,) = figure.axes
    low, high = axes.get_xlim()
    shown = [
        label for place, label in zip(axes.get_xticks(), axes.get_xticklabels(), strict=True) if low <= place <= high
    ]
    assert len(shown) >= 2
    assert all(float(label.get_text()) > 0 for label in shown)
    boxes = [label.get_window_extent() for label in shown]
    assert all(a.x1 < b.x0 for a, b in itertools.pairwise(boxes))


def test_what_has_no_network_has_no_cost(results: Results) -> None:
    path = results.folder / "toy/runs/syn"
    shutil.copytree(results.folder / "toy/runs/lku_net", path, dirs_exist_ok=True)
    write_yaml(path / "config.yaml", {"run": "syn", "method": "syn", "cohort": "toy_cohort"})
    with pytest.raises(InputError, match=r"syn/config\.yaml: run 'syn' has no network"):
        _drawn(results, kind="cost", rows=[{"run": "syn", "label": "SyN", "runs": ["syn"]}])


def _twelve(results: Results, folder: Path, **of_pairs: Any) -> Results:
    """Results of twelve models; `of_pairs` gives each its columns in `pairs.csv` by a function of its number."""
    (folder / "toy/runs").mkdir(parents=True)
    for n in range(12):
        run = shutil.copytree(results.folder / "toy/runs/lku_net", folder / f"toy/runs/model{n}")
        pairs = pd.read_csv(run / "pairs.csv").assign(**{name: value(n) for name, value in of_pairs.items()})
        pairs.to_csv(run / "pairs.csv", index=False)
    return Results(folder, "toy")


MODELS = [{"run": "models", "label": "textSCF", "runs": [f"model{n}" for n in range(12)]}]
NOISE = np.random.default_rng(0).normal(0, 1, 12)


@pytest.fixture
def rising(results: Results, tmp_path: Path) -> Results:
    fold = lambda n: 0.001 * (n + 1 + NOISE[n])  # noqa: E731
    return _twelve(results, tmp_path, sdlogj=lambda n: 0.1 * n, nonpositive_jacobian_fraction=fold)


def test_the_regression_is_that_of_the_means_in_their_units(rising: Results) -> None:
    drawing = _drawn(rising, kind="smoothness", rows=MODELS)
    x, y = 0.1 * np.arange(12), 0.1 * (np.arange(12) + 1 + NOISE)
    np.testing.assert_allclose(drawing.data[["sdlogj", "nonpositive_jacobian_percent"]], np.stack([x, y], axis=1))
    (axes,) = drawing.figure.axes
    np.testing.assert_allclose(_points(axes), np.stack([x, y], axis=1))
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("SDlogJ", "Voxels with |J| ≤ 0 (%)")
    r = stats.pearsonr(x, y).statistic
    assert f"r = {r:.2f}" in axes.texts[0].get_text()
    assert f"R² = {r**2:.2f}, n = 12" in axes.texts[0].get_text()
    line = axes.lines[0]
    assert np.ptp(line.get_ydata()) / np.ptp(line.get_xdata()) == pytest.approx(np.polyfit(x, y, 1)[0])
    assert "20 test pairs of 5 subjects" in " ".join(drawing.sentences)


def _points(axes: Axes) -> np.ndarray:
    return np.asarray(axes.collections[-1].get_offsets())


def test_the_band_is_a_bootstrap_over_models(rising: Results) -> None:
    drawing = _drawn(rising, kind="smoothness", rows=MODELS)
    x, y = (drawing.data[name].to_numpy() for name in ("sdlogj", "nonpositive_jacobian_percent"))
    drawn = np.random.default_rng(3).integers(0, len(x), (4000, len(x)))
    fits = np.array([np.polyfit(x[sample], y[sample], 1) for sample in drawn if len(set(sample)) > 1])
    (band,) = (artist for artist in drawing.figure.axes[0].collections if isinstance(artist, PolyCollection))
    for place in (x.min(), x.max()):
        ends = [y for x, y in band.get_paths()[0].vertices if x == place]
        expected = np.quantile(fits @ [place, 1], [0.025, 0.975])
        np.testing.assert_allclose([min(ends), max(ends)], expected, atol=0.05)
    assert "95 % interval by a bootstrap over models" in " ".join(drawing.sentences)


def test_a_slope_that_may_be_0_has_no_line(results: Results, tmp_path: Path) -> None:
    fold = lambda n: 0.001 * (3 + NOISE[n])  # noqa: E731
    results = _twelve(results, tmp_path, sdlogj=lambda n: 0.1 * n, nonpositive_jacobian_fraction=fold)
    drawing = _drawn(results, kind="smoothness", rows=MODELS)
    assert not drawing.figure.axes[0].lines
    fit = stats.linregress(drawing.data["sdlogj"], drawing.data["nonpositive_jacobian_percent"])
    assert fit.pvalue > 0.05
    reach = fit.stderr * stats.t.ppf(0.975, 10)
    interval = f"{fit.slope - reach:.3g} to {fit.slope + reach:.3g} %".replace("-", "−")
    assert f"No regression line: the 95 % interval of its slope, {interval}" in " ".join(drawing.sentences)


def test_models_that_are_equally_smooth_have_no_line(results: Results, tmp_path: Path) -> None:
    results = _twelve(results, tmp_path, sdlogj=lambda n: 0.1, nonpositive_jacobian_fraction=lambda n: 0.01 * n)
    drawing = _drawn(results, kind="smoothness", rows=MODELS)
    assert "No regression line: one of the two values is the same for all models." in drawing.sentences


def test_the_papers_correlation_stands_beside_ours_on_its_cohort_alone(rising: Results, root: Path) -> None:
    for paper_cohort in (True, False):
        item = _item(rising.folder, kind="smoothness", rows=MODELS, reported="figure8", paper_cohort=paper_cohort)
        item = dataclasses.replace(item, printed=printed_of(item, root / "config/reported.yaml"))
        drawing = draw(item, rising)
        assert ("paper: r = 0.93" in drawing.figure.axes[0].texts[0].get_text()) == paper_cohort
        assert any("The paper prints r = 0.93 and R² = 0.86" in text for text in drawing.sentences) == paper_cohort


def test_each_model_counts_once_and_only_trained_ones_do(results: Results) -> None:
    """A run that two rows share, one seed of a row of two, and a run without training."""
    folder = results.folder / "toy/runs"
    shutil.copytree(folder / "lku_net", folder / "initial", dirs_exist_ok=True)
    write_yaml(folder / "initial/config.yaml", {"run": "initial", "method": "initial", "cohort": "toy_cohort"})
    rows = [
        *_spec()["rows"],
        {"run": "tiny", "label": "Tiny", "runs": ["sweep-0.1-0"]},
        {"run": "two", "label": "Two seeds", "runs": ["sweep-1.0-0", "sweep-1.0-7"]},
        {"run": "initial", "label": "Initial", "runs": ["initial"]},
    ]
    drawing = _drawn(results, kind="smoothness", rows=rows)
    assert sorted(drawing.data["run"]) == sorted(["lku_net", *rows[1]["runs"]])
    methods = drawing.data.set_index("run")["method"]
    assert methods[["sweep-0.1-0", "sweep-1.0-7", "sweep-0.1-7"]].tolist() == ["Tiny", "Two seeds", "textSCF"]


def test_too_few_models_have_no_regression(results: Results) -> None:
    drawing = _drawn(results, kind="smoothness", rows=_spec()["rows"][:1])
    (axes,) = drawing.figure.axes
    assert len(drawing.data) == len(_places(axes)) == 1
    assert not axes.lines
    assert [text.get_text() for text in axes.texts] == []
    assert "No regression line: 1 models, fewer than 10." in drawing.sentences


def test_what_was_not_run_is_left_out_and_named(results: Results) -> None:
    rows = [*_spec()["rows"], {"run": "lapirn", "label": "LapIRN", "runs": [], "not_run": "no GPU"}]
    drawing = _drawn(results, rows=rows)
    assert set(drawing.data["method"]) == {"LKU-Net", "textSCF"}
    assert drawing.sentences[-1] == "Not run: LapIRN (no GPU)."
    with pytest.raises(InputError, match="figure4b: none of its rows is run in this study"):
        _drawn(results, rows=rows[-1:])


def _with_printed(results: Results, root: Path, **changes: Any) -> Item:
    item = _item(results.folder, **changes)
    return dataclasses.replace(item, printed=printed_of(item, root / "config/reported.yaml"))


def test_values_of_the_paper_are_hollow_stars_named_in_the_legend(results: Results, root: Path) -> None:
    rows = [
        {**_spec()["rows"][0], "reported": "LKU-Net"},
        {"run": "im2grid", "label": "im2grid", "runs": [], "not_run": "quoted", "reported": "im2grid"},
        {"run": "initial", "label": "Initial", "runs": [], "not_run": "has no SDlogJ", "reported": "Initial"},
        {**_spec()["rows"][1], "reported": "textSCF"},
    ]
    drawing = draw(_with_printed(results, root, rows=rows, reported="table2", paper_cohort=True), results)
    (axes,) = drawing.figure.axes
    markers, stars = axes.collections
    assert np.asarray(stars.get_offsets()).tolist() == [[0.52, 88.61], [0.23, 89.35], [0.39, 90.05]]
    assert not len(stars.get_facecolor())
    own, printed = to_hex(markers.get_facecolor()[0]), list(map(to_hex, stars.get_edgecolor()))
    assert [own, to_hex(METHODS["im2grid"].colour)] == printed[:2]
    names = [text.get_text() for text in drawing.figure.legends[0].get_texts()]
    assert names == ["LKU-Net", "textSCF", "with integration", "same method, paper", "im2grid, paper"]
    lines = drawing.data[drawing.data["printed"]]
    assert lines[["method", "sdlogj", "dice", "pairs"]].to_numpy().tolist() == [
        ["LKU-Net", 0.52, 88.61, 0],
        ["im2grid", 0.23, 89.35, 0],
        ["textSCF", 0.39, 90.05, 0],
    ]
    assert len(drawing.data) == 7 + 3
    caption = " ".join(drawing.sentences)
    assert "not of this study (LKU-Net, im2grid, textSCF)" in caption
    assert "20 test pairs" in caption


def test_nothing_of_the_paper_is_shown_where_the_cohort_is_another(results: Results, root: Path) -> None:
    rows = [{**_spec()["rows"][0], "reported": "LKU-Net"}]
    item = _with_printed(results, root, rows=rows, reported="table2", paper_cohort=False)
    assert item.printed == {}
    assert not draw(item, results).data["printed"].any()
    item = _item(results.folder, rows=[rows[0] | {"reported": "LKU"}], reported="table2")
    with pytest.raises(InputError, match=r"reported\.yaml: table2: 0 rows 'LKU'; expected one"):
        printed_of(item, root / "config/reported.yaml")


@pytest.mark.parametrize("paper_cohort", [True, False])
def test_the_papers_peak_is_a_line_on_its_cohort_alone(results: Results, root: Path, paper_cohort: bool) -> None:
    points = [_point(f"sweep-{weight}-0", **{"head.hidden_channels": 2**n}) for n, weight in enumerate(LAMBDAS, 9)]
    row = {"run": "hidden", "label": "textSCF", "runs": [point["run"] for point in points], "points": points}
    spec = {"kind": "sweep_line", "rows": [row], "reported": "figure5a", "paper_cohort": paper_cohort}
    drawing = draw(_with_printed(results, root, **spec), results)
    lines = [line for line in drawing.figure.axes[0].lines if line.get_linestyle() == ":"]
    assert [list(line.get_xdata()) for line in lines] == [[2048, 2048]] * paper_cohort
    assert ("Dotted line: the value that the paper finds best, 2048." in drawing.sentences) == paper_cohort


@pytest.mark.parametrize(("dice", "drawn"), [(0.5, True), (0.0, False)])
def test_dice_before_registration_is_a_line_if_it_is_near(
    results: Results, tmp_path: Path, dice: float, drawn: bool
) -> None:
    shutil.copytree(results.folder / "toy", tmp_path / "toy")
    initial = shutil.copytree(tmp_path / "toy/runs/lku_net", tmp_path / "toy/runs/initial", dirs_exist_ok=True)
    write_yaml(initial / "config.yaml", {"run": "initial", "method": "initial", "cohort": "toy_cohort"})
    frame = pd.read_csv(initial / "metrics.csv")
    frame.assign(dice=dice).to_csv(initial / "metrics.csv", index=False)
    rows = [{"run": "initial", "label": "Initial", "runs": ["initial"]}, *_spec()["rows"]]
    drawing = draw(_item(tmp_path, rows=rows), Results(tmp_path, "toy"))
    (axes,) = drawing.figure.axes
    level = [
        line.get_ydata()[0] for line in axes.lines if to_hex(line.get_color()) == METHODS["Initial"].colour.lower()
    ]
    assert level == pytest.approx([100 * dice] * drawn)
    assert any(text.get_text() == f"Initial {100 * dice:.1f}, below the axis ↓" for text in axes.texts) != drawn
    assert len(_places(axes)) == 7
    assert drawing.data["method"].iloc[0] == "Initial"
    low, high = axes.get_ylim()
    assert (low < 100 * dice < high) == drawn
