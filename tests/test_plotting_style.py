"""The common look of figures: sizes, colours, files."""

import matplotlib as mpl
import pytest
from matplotlib.patches import Patch

from textscf.plotting.style import (
    COLUMN_WIDTH,
    journal_style,
    legend_columns,
    new_figure,
    save_figure,
)


def test_sizes_are_millimetres():
    assert new_figure(COLUMN_WIDTH, 50).get_size_inches() == pytest.approx([85 / 25.4, 50 / 25.4])


def test_the_style_overrides_the_users_and_leaves_it_alone():
    with mpl.rc_context({"font.size": 30, "axes.grid": True}):
        with journal_style():
            assert mpl.rcParams["font.size"] == 7.5
            assert not mpl.rcParams["axes.grid"]
        assert mpl.rcParams["font.size"] == 30


@pytest.mark.parametrize(("label", "width", "columns"), [("ab", 85, 3), ("a" * 30, 85, 1), ("a" * 30, 110, 2)])
def test_a_legend_has_the_columns_that_fit(label, width, columns):
    assert legend_columns([Patch(label=label)] * 3, width) == columns


def test_a_long_name_widens_its_own_column_alone():
    handles = [Patch(label=label) for label in ("a" * 30, "a" * 30, "ab", "ab", "ab", "ab")]
    assert legend_columns(handles, 85) == 3
    assert legend_columns(handles, 85, fontsize=3.5) > 3


def _draw():
    with journal_style():
        figure = new_figure(60, 40)
        figure.subplots().plot([1, 2], [3, 4], label="x")
        return figure


def test_files_are_the_same_every_time_and_fonts_stay_text(tmp_path):
    for name in ("a", "b"):
        save_figure(_draw(), tmp_path / f"{name}.pdf")
    for suffix in (".pdf", ".png"):
        content = (tmp_path / f"a{suffix}").read_bytes()
        assert content == (tmp_path / f"b{suffix}").read_bytes()
    pdf = (tmp_path / "a.pdf").read_bytes()
    assert b"/Type /Font /Subtype /Type0" in pdf or b"/Subtype /Type0" in pdf
    assert b"/Type3" not in pdf
    assert b"CreationDate" not in pdf


def test_pictures_have_300_dots_per_inch(tmp_path):
    save_figure(_draw(), tmp_path / "a.pdf")
    image = mpl.image.imread(tmp_path / "a.png")
    assert image.shape[:2] == (int(40 / 25.4 * 300), int(60 / 25.4 * 300))
