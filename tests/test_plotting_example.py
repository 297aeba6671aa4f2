"""The picture of a test pair: the right pair, the right slices, the numbers of the CSV files."""

import numpy as np
import pandas as pd
import pytest

from tests.cohorts import SHAPE, SPLITS, make_cohort
from tests.result_files import ORGANS, figure_spec, write_runs
from textscf.errors import InputError
from textscf.files.io import read_json, read_yaml, write_json, write_nifti, write_yaml
from textscf.metrics.warping import warp_labels
from textscf.plotting.draw_figure import draw
from textscf.plotting.figures import example
from textscf.results.items import Results, load_item

SHIFTS = {"lku_net_seed1": (0.0, 0.0, 0.0), "textscf_seed1": (3.0, -1.0, 2.0)}


class FakeRegistrar:
    """Shifts every scan of `cohort` by the voxels that `SHIFTS` has for the run of the checkpoint."""

    def __init__(self, checkpoint, cohort):
        assert checkpoint.name == "checkpoint.pt"
        self.shift, self.shape = SHIFTS[checkpoint.parent.name], cohort.shape

    def displacement(self, fixed, moving):
        return np.broadcast_to(np.array(self.shift, dtype=np.float32), (*self.shape, 3)), 0.1


def _spec(**changes):
    return figure_spec(name="example", kind="example", rows=figure_spec()["rows"][1:], caption="An example.") | changes


@pytest.fixture
def results(tmp_path, monkeypatch):
    monkeypatch.setattr(
        example,
        "registrar_of",
        lambda settings, cohort, checkpoint, device: (
            None if settings["method"] == "initial" else FakeRegistrar(checkpoint, cohort)
        ),
    )
    make_cohort(tmp_path / "cohorts/toy_cohort")
    spec = figure_spec()
    write_runs(tmp_path, spec, ["left blob", "right blob"], subjects=3)
    for path in (tmp_path / "toy/runs").glob("*/pairs.csv"):
        frame = pd.read_csv(path)
        names = {f"s{n}": subject for n, subject in enumerate(SPLITS["test"])}
        frame.assign(fixed=frame["fixed"].map(names), moving=frame["moving"].map(names)).to_csv(path, index=False)
    return Results(tmp_path, "toy")


def _item(results, **changes):
    write_yaml(results.folder / "item.yaml", _spec(**changes))
    return load_item(results.folder / "item.yaml")


def _pairs(results, run):
    return pd.read_csv(results.folder / "toy/runs" / run / "pairs.csv")


def _median(results):
    ranked = _pairs(results, "textscf_seed1").sort_values("dice").reset_index(drop=True)
    return ranked.loc[2]


def test_the_pair_has_the_lower_median_dice_of_the_last_rows_first_seed(results):
    pair, n_pairs = example.chosen_pair(results, _item(results).rows[-1])
    assert (pair.fixed, pair.moving) == (_median(results)["fixed"], _median(results)["moving"])
    assert n_pairs == 6


def test_panels_show_fixed_moving_and_each_method_with_its_grid(results):
    figure = draw(_item(results), results).figure
    titles = [axes.get_title() for axes in figure.axes]
    dice = {}
    for run in SHIFTS:
        pairs = _pairs(results, run).set_index(["fixed", "moving"])
        dice[run] = f"Dice {100 * pairs.loc[(_median(results)['fixed'], _median(results)['moving']), 'dice']:.1f} %"
    cohort = example.Cohort.load(results.folder / "cohorts/toy_cohort")
    fixed, moving = (cohort.load_labels(_median(results)[kind]) for kind in ("fixed", "moving"))
    both = [(fixed == label, moving == label) for label in (1, 2)]
    before = 100 * np.mean([2 * (a & b).sum() / (a.sum() + b.sum()) for a, b in both])
    assert titles[:4] == [
        "Fixed",
        f"Moving\nDice {before:.1f} %",
        f"LKU-Net\n{dice['lku_net_seed1']}",
        "Warped grid",
    ]
    assert titles[4:] == [f"textSCF\n{dice['textscf_seed1']}", "Warped grid"] + 6 * [""]
    assert [figure.axes[n].get_ylabel() for n in (0, 6)] == ["axial", "coronal"]


def _cuts(results, volume):
    """Axial and coronal picture of a RAS volume through the mean centre of the fixed scan's structures."""
    labels = example.Cohort.load(results.folder / "cohorts/toy_cohort").load_labels(_median(results)["fixed"])
    centres = [np.argwhere(labels[::-1, ::-1, ::-1] == label).mean(0) for label in (1, 2)]
    _, row, slice_ = np.rint(np.mean(centres, axis=0)).astype(int)
    shown = volume[::-1, ::-1, ::-1]
    return shown[:, :, slice_].T, shown[:, row, :].T


def test_images_are_slices_of_the_scans_and_of_the_shifted_moving_scan(results):
    figure = draw(_item(results), results).figure
    cohort = example.Cohort.load(results.folder / "cohorts/toy_cohort")
    fixed, moving = (cohort.load_image(_median(results)[kind]) for kind in ("fixed", "moving"))
    shifted = np.zeros_like(moving)
    shifted[:-3, 1:, :-2] = moving[3:, :-1, 2:]
    for column, volume in ((0, fixed), (1, moving), (2, moving), (4, shifted)):
        for row, expected in enumerate(_cuts(results, volume)):
            (image,) = figure.axes[6 * row + column].images
            np.testing.assert_allclose(image.get_array(), expected, atol=1e-6)


def _rectangles(collections):
    return [path.get_extents() for collection in collections for path in collection.get_paths() if len(path.vertices)]


def test_outlines_enclose_the_warped_structures(results):
    figure = draw(_item(results), results).figure
    cohort = example.Cohort.load(results.folder / "cohorts/toy_cohort")
    moving = cohort.load_labels(_median(results)["moving"])
    field = np.broadcast_to(np.array(SHIFTS["textscf_seed1"]), (*SHAPE, 3))
    picture = _cuts(results, warp_labels(moving, field))[0]
    rows, columns = np.nonzero(picture == 1)
    outlines = {
        tuple(c.get_edgecolor()[0][:3]): c for c in figure.axes[4].collections if c.get_linestyle()[0][1] is None
    }
    blue = next(c for colour, c in outlines.items() if np.allclose(colour, (0, 114 / 255, 178 / 255), atol=0.01))
    (box,) = _rectangles([blue])
    assert (box.x0, box.x1) == pytest.approx((2 * columns.min(), 2 * columns.max() + 2), abs=0.01)
    assert (box.y0, box.y1) == pytest.approx((2 * rows.min(), 2 * rows.max() + 2), abs=0.01)


def test_outlines_have_a_dark_rim_on_every_tissue(results):
    for axes in draw(_item(results), results).figure.axes:
        for outline in axes.collections:
            if outline.get_path_effects():
                rim, _ = outline.get_path_effects()
                assert rim._gc["foreground"] == "black"
                assert rim._gc["linewidth"] > outline.get_linewidth()[0]
        rimmed = sum(bool(outline.get_path_effects()) for outline in axes.collections)
        assert rimmed >= 1


def test_structures_missing_from_a_scan_do_not_count_before_registration():
    fixed, moving = np.zeros((2, 4, 4, 4), np.uint8)
    fixed[0], fixed[1], moving[0, :2] = 1, 2, 1
    assert example.dice_before(fixed, moving) == pytest.approx(100 * 2 * 8 / (16 + 8))
    assert np.isnan(example.dice_before(fixed, np.zeros_like(moving)))


def test_the_grid_of_a_shift_is_straight_and_even(results):
    drawing = draw(_item(results), results)
    step = float(next(s for s in drawing.sentences if s.startswith("Grid")).split("every ")[1].split(" mm")[0])
    for axes in (drawing.figure.axes[3], drawing.figure.axes[5]):
        boxes = [path.get_extents() for path in axes.collections[0].get_paths() if len(path.vertices)]
        assert len(boxes) > 5
        assert all(box.width == pytest.approx(0, abs=1e-6) for box in boxes)
        places = sorted(box.x0 for box in boxes)
        np.testing.assert_allclose(np.diff(places), step, atol=1e-5)


def test_anisotropic_voxels_keep_their_shape(results):
    folder = results.folder / "cohorts/toy_cohort"
    content = read_json(folder / "cohort.json")
    affine = np.diag([2.0, 1.0, 4.0, 1.0])
    write_json(folder / "cohort.json", content | {"spacing": [2.0, 1.0, 4.0], "affine": affine.tolist()})
    figure = draw(_item(results), results).figure
    assert figure.axes[0].images[0].get_extent() == [0, 40, 24, 0]
    assert figure.axes[6].images[0].get_extent() == [0, 40, 64, 0]
    assert figure.axes[0].get_aspect() == 1


def test_no_registration_shows_the_moving_scan_as_it_is(results):
    rows = figure_spec()["rows"]
    figure = draw(_item(results, rows=[rows[0], rows[2]]), results).figure
    np.testing.assert_array_equal(figure.axes[2].images[0].get_array(), figure.axes[1].images[0].get_array())


def test_the_caption_names_pair_seed_and_what_is_drawn(results):
    rows = _spec()["rows"]
    rows[1]["segmentor"] = "ground_truth"
    text = " ".join(draw(_item(results, rows=rows), results).sentences)
    assert f"Fixed: {_median(results)['fixed']}, moving: {_median(results)['moving']}, the pair with the median" in text
    assert "of textSCF among 6 test pairs. The first of 2 seeds is shown." in text
    assert "† textSCF uses" in text


def test_the_names_of_many_structures_take_two_lines(results):
    cohort = example.Cohort.load(results.folder / "cohorts/toy_cohort")
    names = ORGANS
    labels = np.arange(np.prod(SHAPE), dtype=np.uint8).reshape(SHAPE) % 14
    content = read_json(results.folder / "cohorts/toy_cohort/cohort.json")
    content["anatomy"]["structures"] = [
        {"label": n, "name": name, "prompt": name, "side": None, "colour": "#332288"} for n, name in enumerate(names, 1)
    ]
    write_json(results.folder / "cohorts/toy_cohort/cohort.json", content)
    for subject in SPLITS["test"]:
        write_nifti(cohort.label_path(subject), labels, cohort.affine)
    figure = draw(_item(results), results).figure
    figure.draw_without_rendering()
    (legend,) = figure.legends
    texts = [text.get_window_extent() for text in legend.get_texts()]
    assert len(texts) == 13
    assert len({round(text.y0) for text in texts}) == 2
    assert legend.get_window_extent().x0 >= 0
    assert legend.get_window_extent().x1 <= figure.bbox.x1
    assert legend.get_window_extent().height < 0.15 * figure.bbox.height


def test_structures_in_view_are_named(results):
    (legend,) = draw(_item(results), results).figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["left blob", "right blob"]


def test_runs_of_two_cohorts_are_refused(results):
    path = results.run_folder("textscf_seed1") / "config.yaml"
    write_yaml(path, read_yaml(path) | {"cohort": "brain"})
    with pytest.raises(InputError, match="example: its runs are of cohorts brain, toy_cohort"):
        draw(_item(results), results)


def test_a_pair_that_another_run_lacks_is_refused(results):
    path = results.run_folder("lku_net_seed1") / "pairs.csv"
    frame = pd.read_csv(path)
    frame[frame["moving"] != _median(results)["moving"]].to_csv(path, index=False)
    with pytest.raises(InputError, match=r"lku_net_seed1/pairs\.csv: 0 rows of the pair"):
        draw(_item(results), results)


def test_an_empty_slice_needs_no_legend(results):
    cohort = example.Cohort.load(results.folder / "cohorts/toy_cohort")
    for subject in SPLITS["test"]:
        write_nifti(cohort.label_path(subject), np.zeros(SHAPE, dtype=np.uint8), cohort.affine)
    assert draw(_item(results), results).figure.legends == []


def test_the_data_are_the_pair_and_the_dice_of_each_method(results):
    data = draw(_item(results), results).data
    assert list(data) == ["method", "fixed", "moving", "dice", "dice_before"]
    for line, run in zip(data.itertuples(), SHIFTS, strict=True):
        pairs = _pairs(results, run).set_index(["fixed", "moving"])
        assert (line.fixed, line.moving) == tuple(_median(results)[["fixed", "moving"]])
        assert line.dice == pytest.approx(100 * pairs.loc[(line.fixed, line.moving), "dice"])


def test_the_best_and_the_worst_pair_are_those_of_the_last_row(results):
    ranked = _pairs(results, "textscf_seed1").sort_values("dice")
    for which, place in (("worst", 0), ("best", -1)):
        drawing = draw(_item(results, pair=which), results)
        assert tuple(drawing.data.iloc[1][["fixed", "moving"]]) == tuple(ranked.iloc[place][["fixed", "moving"]])
        assert drawing.data["dice"].iloc[1] == pytest.approx(100 * ranked["dice"].iloc[place])
        assert f"the pair with the {which} Dice of textSCF" in " ".join(drawing.sentences)
