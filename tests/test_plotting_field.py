"""Figure 6: arrows are the fields in mm, numbers are those of the field and of the CSV files."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from matplotlib.quiver import Quiver

from tests.cohorts import SHAPE, SPLITS, make_cohort
from tests.result_files import figure_spec, write_runs
from textscf.data.cohort import Cohort
from textscf.errors import InputError
from textscf.files.io import write_nifti, write_yaml
from textscf.metrics.discontinuity import displacement_jumps
from textscf.plotting.draw_figure import draw
from textscf.plotting.figures import example
from textscf.plotting.looks import METHODS
from textscf.results.items import Results, load_item

STEP = np.array([6.0, -4.0, 2.0])
"""Voxels by which the last method moves one half of the volume more than the other; the first shifts all of it."""


class FakeRegistrar:
    """Fields of `fields` by the run of the checkpoint."""

    def __init__(self, checkpoint):
        self.run = checkpoint.parent.name

    def displacement(self, fixed, moving):
        return fields()[self.run], 0.1


def fields():
    shift = np.broadcast_to(STEP, (*SHAPE, 3)).astype(np.float32)
    half = np.where(np.arange(SHAPE[0])[:, None, None, None] < SHAPE[0] // 2, 0, shift).astype(np.float32)
    return {"lku_net_seed1": shift, "textscf_seed1": half}


@pytest.fixture
def results(tmp_path, monkeypatch):
    monkeypatch.setattr(example, "registrar_of", lambda settings, cohort, checkpoint, device: FakeRegistrar(checkpoint))
    make_cohort(tmp_path / "cohorts/toy_cohort")
    write_runs(tmp_path, figure_spec(), ["left blob", "right blob"], subjects=3)
    generator = np.random.default_rng(0)
    for path in sorted((tmp_path / "toy/runs").glob("*/pairs.csv")):
        names = {f"s{n}": subject for n, subject in enumerate(SPLITS["test"])}
        frame = pd.read_csv(path).replace({"fixed": names, "moving": names})
        jumps = generator.uniform(0.1, 0.9, (2, len(frame)))
        frame.assign(jump_across_borders=jumps[0], jump_inside=jumps[1]).to_csv(path, index=False)
    return Results(tmp_path, "toy")


def _item(results, **changes):
    spec = figure_spec(name="figure6", kind="field", structure="right blob", rows=figure_spec()["rows"][1:])
    write_yaml(results.folder / "item.yaml", spec | changes)
    return load_item(results.folder / "item.yaml")


def _cohort(results):
    return Cohort.load(results.folder / "cohorts/toy_cohort")


def _pairs(results, run):
    return pd.read_csv(results.folder / "toy/runs" / run / "pairs.csv")


def _arrows(axes):
    return [part for part in axes.collections if isinstance(part, Quiver)]


def test_arrows_are_in_mm_along_the_patients_axes(results):
    drawing = draw(_item(results), results)
    _, shifted, _, _ = drawing.figure.axes
    right, forward, _ = _cohort(results).affine[:3, :3] @ STEP
    (arrows,) = _arrows(shifted)
    np.testing.assert_allclose(arrows.U, -right, atol=1e-5)
    np.testing.assert_allclose(arrows.V, -forward, atol=1e-5)
    assert shifted.get_ylim()[0] > shifted.get_ylim()[1]


def test_arrows_of_all_methods_have_one_scale_and_darken_with_their_length(results):
    drawing = draw(_item(results), results)
    _, shifted, half, _ = drawing.figure.axes
    arrows, (others, key) = _arrows(shifted)[0], _arrows(half)
    assert {quiver.scale for quiver in (arrows, others, key)} == {arrows.scale}
    longest = np.hypot(*(2 * STEP[:2]))
    assert [quiver.norm.vmax for quiver in (arrows, others, key)] == pytest.approx([longest] * 3)
    darkness = 1 - others.get_cmap()(others.norm(others.get_array()))[:, 0]
    assert darkness[others.get_array() > 1].min() > 0.9
    assert darkness[others.get_array() == 0].max() < 0.5
    (share,) = [s for s in drawing.sentences if s.startswith("Arrows")]
    assert f"drawn at {1 / arrows.scale:g} of their length" in share


def test_the_key_is_an_arrow_of_the_length_that_it_says(results):
    drawing = draw(_item(results), results)
    axes = drawing.figure.axes[-2]
    key = _arrows(axes)[1]
    (length,) = [float(text.get_text().removesuffix(" mm")) for text in axes.texts]
    assert (key.U[0], key.V[0]) == (length, 0)
    drawing.figure.draw_without_rendering()
    tip = axes.transData.transform((key.X[0] + length / key.scale, key.Y[0]))
    assert tip[0] == pytest.approx(axes.get_window_extent().x1, abs=1)
    assert axes.get_window_extent().y1 < tip[1] < drawing.figure.bbox.y1


def test_the_box_holds_the_structure_in_its_largest_slice(results):
    scan, field, _, _ = draw(_item(results), results).figure.axes
    shown = _cohort(results).load_labels(draw(_item(results), results).data["fixed"][0])[::-1, ::-1, ::-1] == 2
    slice_ = shown[:, :, shown.sum(axis=(0, 1)).argmax()].T
    rows, columns = (np.flatnonzero(slice_.any(axis=axis)) * 2 for axis in (1, 0))
    (left, right), (bottom, top) = field.get_xlim(), field.get_ylim()
    assert left <= columns.min() and columns.max() + 2 <= right  # noqa: PT018 one statement about one axis
    assert top <= rows.min() and rows.max() + 2 <= bottom  # noqa: PT018
    (box,) = scan.patches
    assert (box.get_x(), box.get_y(), box.get_width(), box.get_height()) == (left, top, right - left, bottom - top)


def test_numbers_are_the_jumps_of_the_pair_and_the_means_over_all_pairs(results):
    drawing = draw(_item(results), results)
    cohort = _cohort(results)
    for line, (run, field) in zip(drawing.data.itertuples(), fields().items(), strict=True):
        mask = (cohort.load_labels(line.fixed) == 2).astype(int)
        border, inside = displacement_jumps(mask, field, cohort.spacing)
        assert (line.pair_border, line.pair_inside) == pytest.approx((border, inside))
        pairs = pd.concat([_pairs(results, run.replace("seed1", seed)) for seed in ("seed1", "seed2")])
        assert line.mean_border == pytest.approx(pairs["jump_across_borders"].mean())
        assert line.mean_inside == pytest.approx(pairs["jump_inside"].mean())
        assert line.mean_ratio == pytest.approx((pairs["jump_across_borders"] / pairs["jump_inside"]).mean())
        first = _pairs(results, run).set_index(["fixed", "moving"])
        assert line.dice == pytest.approx(100 * first.loc[(line.fixed, line.moving), "dice"])
    last = drawing.data.iloc[-1]
    means = f"textSCF {last['mean_border']:.3f} and {last['mean_inside']:.3f}, ratio {last['mean_ratio']:.2f}."
    assert means in " ".join(drawing.sentences)
    numbers = f"border {last['pair_border']:.2f}\ninside {last['pair_inside']:.2f}"
    assert drawing.figure.axes[-2].get_xlabel().startswith(numbers)


def test_boxes_are_the_ratios_of_all_pairs_averaged_over_seeds(results):
    drawing = draw(_item(results), results)
    axes = drawing.figure.axes[-1]
    means = [line.get_ydata()[0] for line in axes.lines if line.get_marker() == "D"]
    for place, (label, run) in enumerate({"LKU-Net": "lku_net", "textSCF": "textscf"}.items()):
        seeds = [_pairs(results, f"{run}_seed{seed}").set_index(["fixed", "moving"]) for seed in (1, 2)]
        expected = sum(pairs["jump_across_borders"] / pairs["jump_inside"] for pairs in seeds) / 2
        assert means[place] == pytest.approx(expected.mean())
        box = axes.patches[place].get_path().vertices[:5, 1]
        assert (box.min(), box.max()) == pytest.approx(tuple(expected.quantile([0.25, 0.75])))
        assert to_hex(axes.patches[place].get_facecolor()) == METHODS[label].colour.lower()
        written = [float(value) for value in drawing.data["ratio_by_pair"][place].split()]
        np.testing.assert_allclose(written, expected, atol=1e-4)
    assert [label.get_text() for label in axes.get_xticklabels()] == ["LKU-Net", "textSCF"]


def test_the_pair_is_the_one_asked_for(results):
    ranked = _pairs(results, "textscf_seed1").sort_values("dice")
    for which, place in (("worst", 0), ("median", 2), ("best", -1)):
        drawing = draw(_item(results, pair=which), results)
        assert drawing.data["moving"].iloc[0] == ranked.iloc[place]["moving"]
        assert f"the pair with the {which} Dice of textSCF among 6 test pairs." in " ".join(drawing.sentences)
        assert "The first of 2 seeds is shown." in drawing.sentences


def test_texts_do_not_touch_and_panels_have_one_height(results):
    figure = draw(_item(results), results).figure
    figure.draw_without_rendering()
    heights = [axes.get_window_extent().height for axes in figure.axes]
    np.testing.assert_allclose(heights, heights[0], rtol=0.03)
    titles = [text for axes in figure.axes for text in axes.get_children() if text.__class__.__name__ == "Text"]
    texts = [text for text in titles if text.get_text()] + [axes.xaxis.label for axes in figure.axes[1:-1]]
    boxes = [text.get_window_extent() for text in texts]
    assert not any(a.overlaps(b) for n, a in enumerate(boxes) for b in boxes[n + 1 :])
    assert all(box.x0 >= 0 and box.x1 <= figure.bbox.x1 and box.y0 >= 0 for box in boxes)


def test_a_structure_that_the_scan_lacks_is_replaced_by_the_largest(results):
    drawing = draw(_item(results, structure="stomach"), results)
    labels = _cohort(results).load_labels(drawing.data["fixed"][0])
    largest = ["left blob", "right blob"][int((labels == 2).sum() > (labels == 1).sum())]
    assert f"Axial slice through the {largest} (this scan has no stomach)" in " ".join(drawing.sentences)
    assert drawing.figure.axes[0].get_title() == f"Fixed scan, {largest}"


def test_a_scan_without_structures_is_refused(results):
    cohort = _cohort(results)
    for subject in SPLITS["test"]:
        write_nifti(cohort.label_path(subject), np.zeros(SHAPE, dtype=np.uint8), cohort.affine)
    with pytest.raises(InputError, match="holds no structure; expected at least one"):
        draw(_item(results), results)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda frame: frame.drop(columns="jump_inside"), "has no column 'jump_inside'; evaluate it again"),
        (lambda frame: frame.assign(jump_inside=np.nan, jump_across_borders=np.nan), "no jumps of a displacement"),
    ],
)
def test_pairs_evaluated_without_jumps_are_refused(results, edit, message):
    for seed in (1, 2):
        path = results.folder / f"toy/runs/lku_net_seed{seed}/pairs.csv"
        edit(pd.read_csv(path)).to_csv(path, index=False)
    with pytest.raises(InputError, match=rf"lku_net_seed1/pairs\.csv: {message}"):
        draw(_item(results), results)
