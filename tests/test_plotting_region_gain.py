"""Gain by structure against the segmentor's accuracy: points are means of the CSV files, on the fixed scans."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.result_files import ORGANS, figure_spec, write_runs
from textscf.errors import InputError
from textscf.files.io import write_csv, write_yaml
from textscf.plotting.draw_figure import draw
from textscf.plotting.drawing import Drawing
from textscf.plotting.figures.region_gain import rank_correlations, spread
from textscf.results.items import Results, load_item

ACCURACY = "cohorts/toy_cohort/segmentations/tiny/accuracy.csv"


@pytest.fixture
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """The seven test scans, and a training scan that must not count."""
    folder = tmp_path_factory.mktemp("results")
    write_runs(folder, figure_spec())
    generator = np.random.default_rng(3)
    lines = [
        {"subject": subject, "split": split, "label": label, "structure": organ, "dice": generator.uniform(0.2, 0.9)}
        for subject, split in [("s99", "train"), *((f"s{n}", "test") for n in range(7))]
        for label, organ in enumerate(ORGANS, 1)
        if not (subject == "s0" and organ == "gall bladder")
    ]
    write_csv(folder / ACCURACY, pd.DataFrame(lines))
    return Results(folder, "toy")


def drawn(results: Results, **changes: Any) -> Drawing:
    settings = figure_spec(name="region_gain", kind="region_gain", reference="lku_net") | changes
    write_yaml(results.folder / "item.yaml", settings)
    return draw(load_item(results.folder / "item.yaml"), results)


def dice(results: Results, run: str) -> pd.Series:
    """Dice in percentage points by structure; a structure that a scan lacks counts as 0, as in the paper."""
    paths = sorted((results.folder / "toy/runs").glob(f"{run}_seed*/metrics.csv"))
    return 100 * pd.concat(map(pd.read_csv, paths)).fillna({"dice": 0}).groupby("structure")["dice"].mean()


def test_points_are_gains_over_the_reference_at_the_accuracy_on_the_fixed_scans(results: Results) -> None:
    data = drawn(results).data.set_index("structure")
    assert set(data["method"]) == {"textSCF"}
    accuracy = pd.read_csv(results.folder / ACCURACY).query("split == 'test'").groupby("structure")["dice"].mean()
    np.testing.assert_allclose(data["segmentor_dice"], 100 * accuracy[data.index])
    gain = (dice(results, "textscf") - dice(results, "lku_net"))[data.index]
    np.testing.assert_allclose(data["gain"], gain)
    assert ((data["low"] < data["gain"]) & (data["gain"] < data["high"])).all()
    assert list(data.index) == ORGANS


def test_the_caption_has_the_rank_correlation(results: Results) -> None:
    drawing = drawn(results)
    ranks = drawing.data[["segmentor_dice", "gain"]].rank()
    expected = np.corrcoef(ranks["segmentor_dice"], ranks["gain"])[0, 1]
    assert rank_correlations(drawing.data) == {"textSCF": pytest.approx(expected)}
    assert f"Spearman's correlation over 13 structures: textSCF {expected:.2f}." in drawing.sentences


def test_regions_of_equal_accuracy_and_few_structures_have_no_correlation(results: Results) -> None:
    data = drawn(results).data
    assert rank_correlations(data.assign(segmentor_dice=100.0)) == {}
    assert rank_correlations(data.head(4)) == {}


def test_without_a_segmentor_there_is_nothing_to_draw(results: Results) -> None:
    rows = [{**row, "segmentor": None} for row in figure_spec()["rows"]]
    assert drawn(results, rows=rows).sentences[0].startswith("Nothing to compare")


def test_accuracies_of_other_scans_are_refused(results: Results) -> None:
    path = results.folder / ACCURACY
    pd.read_csv(path).query("split == 'train'").to_csv(path, index=False)
    with pytest.raises(
        InputError, match="accuracy of segmentor 'tiny' has no structure of the test scans of 'textscf'"
    ):
        drawn(results)
    path.unlink()
    with pytest.raises(InputError, match=r"tiny/accuracy\.csv: no such file; expected the accuracy of a segmentor"):
        drawn(results)


@given(st.lists(st.floats(-50, 50), min_size=1, max_size=36).map(sorted), st.floats(0.1, 3))
def test_names_keep_their_order_do_not_overlap_and_stay_beside_the_axes(wanted: list[float], gap: float) -> None:
    places = spread(wanted, gap, -54, 54)
    assert (np.diff(places) >= gap - 1e-9).all()
    assert min(places) >= -54 - 1e-9
    assert max(places) <= 54 + 1e-9
    if (np.diff(wanted) >= gap).all():
        np.testing.assert_allclose(places, wanted, atol=1e-9)
