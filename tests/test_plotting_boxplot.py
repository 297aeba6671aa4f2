"""Figure 3: what is plotted is what the CSV files hold."""

import subprocess

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from scipy import stats

from tests.python_server import python
from tests.result_files import ORGANS, figure_spec, write_runs
from textscf.errors import InputError
from textscf.files.io import write_yaml
from textscf.plotting.colours import REFERENCE_COLOUR
from textscf.plotting.draw_figure import draw
from textscf.plotting.style import COLUMN_WIDTH, TEXT_WIDTH, save_figure
from textscf.results.items import Results, compare_with_reference, load_item


def _item(folder, **changes):
    write_yaml(folder / "item.yaml", figure_spec(**changes))
    return load_item(folder / "item.yaml")


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    write_runs(folder, figure_spec())
    return Results(folder, "toy")


@pytest.fixture(scope="module")
def drawing(results):
    return draw(_item(results.folder), results)


def _expected(results, run, missing=0.0):
    """Dice in percent, pairs x structures, seeds averaged, from the files."""
    paths = sorted((results.folder / "toy/runs").glob(f"{run}*/metrics.csv"))
    keys = ["fixed", "moving", "structure"]
    frames = [pd.read_csv(path).set_index(keys)["dice"].unstack(sort=False) for path in paths]  # noqa: PD010
    return 100 * sum(frame.fillna(missing) for frame in frames) / len(frames)


def _order(drawing):
    return [label.get_text() for axes in drawing.figure.axes for label in axes.get_xticklabels()]


def _by_place(lines, order, methods):
    """Lines of one kind (say medians), drawn method by method, as an array (method, structure)."""
    return np.array(lines).reshape(methods, len(order))


def _lines(axes, marker):
    return [line for line in axes.lines if line.get_marker() == marker]


def test_structures_are_ordered_by_the_mean_of_the_reference(results, drawing):
    expected = _expected(results, "textscf").mean().sort_values(ascending=False)
    assert _order(drawing) == list(expected.index)


def test_means_and_boxes_are_those_of_the_files(results, drawing):
    (axes,) = drawing.figure.axes
    order = _order(drawing)
    means = _by_place([line.get_ydata()[0] for line in _lines(axes, "D")], order, 3)
    boxes = [patch.get_path().vertices[:5, 1] for patch in axes.patches]
    quartiles = np.array([[box.min(), box.max()] for box in boxes]).reshape(3, len(order), 2)
    for n, run in enumerate(("initial", "lku_net", "textscf")):
        expected = _expected(results, run)[order]
        np.testing.assert_allclose(means[n], expected.mean())
        np.testing.assert_allclose(quartiles[n], expected.quantile([0.25, 0.75]).T)


def test_boxes_of_a_structure_stand_side_by_side_at_its_name(drawing):
    (axes,) = drawing.figure.axes
    centres = np.array([patch.get_path().vertices[:4, 0].mean() for patch in axes.patches]).reshape(3, -1)
    assert (np.diff(centres, axis=0) > 0.2).all()
    assert (np.abs(centres - axes.get_xticks()) < 0.45).all()
    assert [to_hex(patch.get_facecolor()) for patch in axes.patches[-13:]] == [REFERENCE_COLOUR.lower()] * 13


def test_missing_structures_are_left_out_by_the_challenges_convention(results, tmp_path):
    drawing = draw(_item(tmp_path, convention="learn2reg"), results)
    (axes,) = drawing.figure.axes
    order = _order(drawing)
    means = _by_place([line.get_ydata()[0] for line in _lines(axes, "D")], order, 3)
    np.testing.assert_allclose(means[2], _expected(results, "textscf", np.nan)[order].mean())
    assert any("missing from a scan: gall bladder 12" in sentence for sentence in drawing.sentences)


def test_marks_stand_where_the_paired_t_test_is_significant(results, tmp_path):
    folder = tmp_path / "results"
    spec = figure_spec()
    write_runs(folder, spec, subjects=5)
    generator = np.random.default_rng(0)
    base = pd.read_csv(folder / "toy/runs/textscf_seed1/metrics.csv").fillna({"dice": 0.5})
    shifts = np.resize([0.03, 0.0, -0.03, 0.006], len(ORGANS))
    for run in ("lku_net_seed1", "lku_net_seed2", "textscf_seed2"):
        shift = shifts if run.startswith("lku") else np.zeros(len(ORGANS))
        dice = base["dice"] - np.tile(shift, 20) + generator.normal(0, 0.012, len(base)) * run.startswith("lku")
        base.assign(dice=dice, run=run).to_csv(folder / f"toy/runs/{run}/metrics.csv", index=False)
    base.to_csv(folder / "toy/runs/textscf_seed1/metrics.csv", index=False)
    drawing = draw(_item(tmp_path, rows=spec["rows"][1:]), Results(folder, "toy"))
    results = Results(folder, "toy")
    ours, theirs = _expected(results, "textscf"), _expected(results, "lku_net")
    p = pd.Series({organ: stats.ttest_rel(ours[organ], theirs[organ]).pvalue for organ in ORGANS})
    ranked = p.sort_values()
    holm = (ranked * np.arange(len(p), 0, -1)).cummax()
    (axes,) = drawing.figure.axes
    order = _order(drawing)
    marks = {}
    for points in axes.collections:
        for x, _ in points.get_offsets():
            corners = len(points.get_paths()[0].vertices)
            marks[order[round(x)]] = ("*" if corners > 4 else "v", to_hex(points.get_facecolor()[0]) != "#ffffff")
    tests = compare_with_reference(_item(tmp_path, rows=spec["rows"][1:]), results).set_index("structure")
    firm = {o: holm[o] < 0.05 and not tests["ci_low"][o] <= 0 <= tests["ci_high"][o] for o in ORGANS}
    expected = {o: ("*" if ours[o].mean() > theirs[o].mean() else "v", firm[o]) for o in ORGANS if p[o] < 0.05}
    assert marks == expected
    assert {mark for mark, _ in marks.values()} == {"*", "v"}
    assert {filled for _, filled in marks.values()} == {True, False}
    assert any(holm[organ] < 0.05 and not filled for organ, (_, filled) in marks.items())
    assert len(marks) < len(ORGANS)


def test_legend_marks_methods_that_see_the_labels(results, tmp_path):
    rows = figure_spec()["rows"]
    rows[2]["segmentor"] = "ground_truth"
    drawing = draw(_item(tmp_path, rows=rows), results)
    texts = [text.get_text() for legend in drawing.figure.legends for text in legend.get_texts()]
    assert texts[:3] == ["Initial", "LKU-Net", "textSCF †"]
    assert texts[3] == "textSCF better, p < 0.05 after Holm and by subjects"
    assert any(sentence.startswith("† textSCF uses") for sentence in drawing.sentences)


def test_without_a_reference_nothing_is_tested_and_the_last_row_orders(results, tmp_path):
    drawing = draw(_item(tmp_path, reference=None), results)
    assert not drawing.figure.axes[0].collections
    assert len(drawing.figure.legends) == 1
    assert "Structures are ordered by the mean Dice of textSCF." in drawing.sentences
    assert not any("t-test" in sentence for sentence in drawing.sentences)


@pytest.mark.parametrize(
    ("n_structures", "panels", "width"), [(2, 1, COLUMN_WIDTH), (13, 1, TEXT_WIDTH), (35, 2, TEXT_WIDTH)]
)
def test_boxes_stay_wide_enough_and_inside_the_page(tmp_path, n_structures, panels, width):
    structures = [f"left structure {n}" for n in range(n_structures)]
    write_runs(tmp_path, figure_spec(), structures, subjects=3)
    figure = draw(_item(tmp_path), Results(tmp_path, "toy")).figure
    assert len(figure.axes) == panels
    assert figure.get_figwidth() * 25.4 == pytest.approx(width)
    figure.draw_without_rendering()
    for legend in figure.legends:
        assert legend.get_window_extent().x0 >= 0
        assert legend.get_window_extent().x1 <= figure.bbox.x1
    for axes in figure.axes:
        box = axes.get_window_extent()
        per_box = box.width / np.diff(axes.get_xlim())[0] * 0.8 / 3 / figure.dpi * 25.4
        assert per_box > 1
        assert box.height / figure.dpi * 25.4 > 30
        names = [label.get_window_extent() for label in axes.get_xticklabels()]
        assert min(name.x0 for name in names) >= 0


def test_the_scale_starts_below_the_lowest_value(tmp_path):
    write_runs(tmp_path, figure_spec(), ["one", "two"], subjects=3)
    for path in (tmp_path / "toy/runs").glob("*/metrics.csv"):
        frame = pd.read_csv(path)
        frame.assign(dice=0.65 + 0.3 * frame["dice"]).to_csv(path, index=False)
    figure = draw(_item(tmp_path), Results(tmp_path, "toy")).figure
    assert list(figure.axes[0].get_yticks()) == [60, 70, 80, 90, 100]


def test_a_structure_that_no_pair_has_stands_last_without_boxes(tmp_path):
    write_runs(tmp_path, figure_spec(), ["one", "two"], subjects=3)
    for path in (tmp_path / "toy/runs").glob("*/metrics.csv"):
        frame = pd.read_csv(path)
        frame.loc[frame["structure"] == "one", ["dice", "hd95"]] = np.nan
        frame.to_csv(path, index=False)
    drawing = draw(_item(tmp_path, convention="learn2reg"), Results(tmp_path, "toy"))
    assert _order(drawing) == ["two", "one"]
    assert [round(line.get_xdata()[0]) for line in _lines(drawing.figure.axes[0], "D")] == [0, 0, 0]
    assert "Pairs in which a structure is missing from a scan: one 6." in drawing.sentences


def test_an_unknown_kind_is_refused(results, tmp_path):
    with pytest.raises(InputError, match="figure3: unknown figure 'pie'; expected one of cost, dice_boxplot, "):
        draw(_item(tmp_path, kind="pie"), results)


def test_the_script_writes_what_another_process_would(root, results, tmp_path):
    item = _item(tmp_path)
    save_figure(draw(item, results).figure, tmp_path / "here/figure3.pdf")
    out = tmp_path / "there/figure3.pdf"
    command = [python(), root / "src/figure.py", "--config", tmp_path / "item.yaml", "--out", out]
    subprocess.run([*command, "--results", results.folder], check=True, capture_output=True)
    for suffix in (".pdf", ".png"):
        assert out.with_suffix(suffix).read_bytes() == (tmp_path / f"here/figure3{suffix}").read_bytes()
    caption = out.with_suffix(".txt").read_text(encoding="utf-8")
    assert caption.startswith(
        "Figure 3. Dice of each structure. Study: Toy abdomen. Cohort: Simulated abdomen (simulated"
    )
    written = pd.read_csv(out.with_suffix(".csv"))
    pd.testing.assert_frame_equal(written, draw(item, results).data)
    liver = written[(written["method"] == "textSCF") & (written["structure"] == "liver")]
    np.testing.assert_allclose(liver["dice"], _expected(results, "textscf")["liver"])
    for part in (
        "42 test pairs of 7 subjects; 2 seeds",
        "counts as Dice 0",
        "paired t-test over pairs against textSCF",
    ):
        assert part in caption
