"""Tables of complexity show the values of the runs' files, in readable units."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.result_files import table_spec, write_runs
from textscf.errors import InputError
from textscf.files.io import read_json, write_json, write_yaml
from textscf.results.items import Item, Results, Row, load_item
from textscf.tables.content import Content
from textscf.tables.formats import to_latex, to_markdown
from textscf.tables.table_kinds import make
from textscf.tables.written import write_table

COUNTS: dict[str, dict[str, Any]] = {
    "lku_net_seed1": {"training": (2_086_342, 36_722_442_240, 0), "inference": (2_086_342, 36_722_442_240, 0)},
    "textscf_seed1": {"training": (12_229_987, 4_000_000, 5e9), "inference": (2_066_387, 18_221_629_440, 5e9)},
}


@pytest.fixture
def results(tmp_path: Path) -> Results:
    write_runs(tmp_path, table_spec(), subjects=3)
    for run, uses in COUNTS.items():
        counted = {
            use: dict(zip(("parameters", "multi_adds", "attention_multi_adds"), map(int, values), strict=True))
            for use, values in uses.items()
        }
        content = {"run": run, "shape": [96, 80, 128], "embedding_shape": None, **counted}
        content["segmentor_parameters"] = 3_746_705 if run == "textscf_seed1" else 0
        write_json(tmp_path / f"toy/runs/{run}/complexity.json", content)
    return Results(tmp_path, "toy")


@pytest.fixture
def item(tmp_path: Path) -> Callable[..., Item]:
    def load(*runs: str) -> Item:
        rows = [row for row in table_spec()["rows"] if row["run"] in runs]
        spec = table_spec(name="complexity", kind="complexity", caption="Size.", rows=rows, reference=None)
        for key in ("convention", "reported"):
            del spec[key]
        write_yaml(tmp_path / "item.yaml", spec)
        return load_item(tmp_path / "item.yaml")

    return load


@pytest.fixture
def table(item: Callable[..., Item], results: Results) -> Content:
    return make(item("lku_net", "textscf"), results, Path("unused"))


def test_a_row_that_was_not_run_is_named_below(item: Callable[..., Item], results: Results) -> None:
    rows = [*item("lku_net").rows, Row(run="im2grid", label="im2grid", runs=[], not_run="no GPU")]
    content = make(dataclasses.replace(item("lku_net"), rows=rows), results, Path("unused"))
    assert list(content.frame["run"]) == ["lku_net"]
    assert content.readable.notes[-1] == "Not run: im2grid (no GPU)."


def test_the_frame_has_the_counts_of_the_first_seed(table: Content) -> None:
    assert list(table.frame["run"]) == ["lku_net", "textscf"]
    for run, uses in COUNTS.items():
        line = table.frame.set_index("run").loc[run.removesuffix("_seed1")]
        for use, values in uses.items():
            names = (f"{count}_{use}" for count in ("parameters", "multi_adds", "attention_multi_adds"))
            assert [line[name] for name in names] == list(values)
    assert set(table.frame["shape"]) == {"96x80x128"}
    assert set(table.frame["notice"]) == {"simulated anatomy, simulated CT"}


def test_readers_see_separators_and_giga(table: Content) -> None:
    cells = {(c.heading, c.subheading): [cell.text for cell in c.cells] for c in table.readable.columns}
    assert cells == {
        ("Method", ""): ["LKU-Net", "textSCF"],
        ("Parameters", "with MLP"): ["2,086,342", "12,229,987"],
        ("Parameters", "inference"): ["2,086,342", "2,066,387"],
        ("Parameters", "segmentor"): ["0", "3,746,705"],
        ("Multi-adds (G)", "training"): ["36.72", "<0.01"],
        ("Multi-adds (G)", "inference"): ["36.72", "18.22"],
        ("Attention (G)", ""): ["0.00", "5.00"],
    }


def test_grid_and_convention_are_stated(table: Content) -> None:
    assert "pair of volumes of 96x80x128 voxels" in table.readable.caption
    assert "Toy abdomen" in table.readable.caption
    for text in (to_markdown(table.readable), to_latex(table.readable)):
        for part in ("transposed convolutions", "one filter for each voxel", "its MLP is not needed", "Attention:"):
            assert part in text


def test_files_are_those_of_other_tables_without_tests(table: Content, tmp_path: Path) -> None:
    write_table(table, tmp_path / "tables/complexity.csv")
    names = sorted(path.name for path in (tmp_path / "tables").iterdir())
    assert names == [f"complexity.{suffix}" for suffix in ("csv", "html", "json", "md", "tex")]
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "tables/complexity.csv"), table.frame)


def test_a_method_without_a_network_is_refused(item: Callable[..., Item], results: Results) -> None:
    with pytest.raises(
        InputError, match=r"initial/config\.yaml: run 'initial' has no network; expected runs that are trained"
    ):
        make(item("initial", "lku_net"), results, Path("unused"))


def test_volumes_of_two_sizes_are_refused(item: Callable[..., Item], results: Results) -> None:
    path = results.run_folder("textscf_seed1") / "complexity.json"
    write_json(path, read_json(path) | {"shape": [64, 64, 64]})
    with pytest.raises(InputError, match="its runs are of volumes of 64x64x64 and 96x80x128; expected one shape"):
        make(item("lku_net", "textscf"), results, Path("unused"))


def test_a_file_without_counts_is_named(item: Callable[..., Item], results: Results) -> None:
    write_json(results.run_folder("textscf_seed1") / "complexity.json", {"shape": [1, 2, 3]})
    with pytest.raises(InputError, match=r"textscf_seed1/complexity\.json: not made by src/run_complexity\.py"):
        make(item("textscf"), results, Path("unused"))
