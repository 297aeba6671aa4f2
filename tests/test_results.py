"""Reading a table's or figure's specification and the metrics of its runs."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.result_files import ORGANS, table_spec, write_runs
from textscf.errors import InputError
from textscf.files.io import read_yaml, write_yaml
from textscf.plotting.means import points_of
from textscf.results.items import Results, compare_with_reference, load_item
from textscf.study import load_study


@pytest.fixture
def spec(tmp_path):
    spec = table_spec()
    write_runs(tmp_path, spec, subjects=4)
    write_yaml(tmp_path / "table3.yaml", spec)
    return spec


def test_an_item_is_read_as_the_study_resolved_it(root, tmp_path):
    study = load_study(read_yaml(root / "config/demo.yaml"), root / "config")
    for name, spec in {**study.tables, **study.figures}.items():
        write_yaml(tmp_path / f"{name}.yaml", spec)
        item = load_item(tmp_path / f"{name}.yaml")
        assert item.name == name
        assert item.rows
        for row in points_of(item):
            assert row.runs == study.groups[row.run]


@pytest.mark.parametrize(("name", "number"), [("table3", "Table 3"), ("figure4a", "Figure 4a"), ("example", "Example")])
def test_the_name_becomes_a_heading(tmp_path, name, number):
    write_yaml(tmp_path / "item.yaml", table_spec(name=name))
    assert load_item(tmp_path / "item.yaml").number == number


def test_a_reference_that_is_no_row_is_refused(tmp_path):
    write_yaml(tmp_path / "item.yaml", table_spec(reference="text_scf"))
    with pytest.raises(InputError, match=r"item\.yaml: reference 'text_scf' is not the run of a row"):
        load_item(tmp_path / "item.yaml")


def test_an_unknown_key_of_a_row_is_refused(tmp_path):
    spec = table_spec()
    spec["rows"][1]["lable"] = "x"
    write_yaml(tmp_path / "item.yaml", spec)
    with pytest.raises(InputError, match=r"item\.yaml: rows\[1\]: unknown key 'lable'"):
        load_item(tmp_path / "item.yaml")


def test_only_ground_truth_masks_are_a_leak(tmp_path):
    spec = table_spec()
    spec["rows"][2]["segmentor"] = "ground_truth"
    write_yaml(tmp_path / "item.yaml", spec)
    assert [row.sees_fixed_labels for row in load_item(tmp_path / "item.yaml").rows] == [False, False, True]


def _edit(path: Path, change) -> None:
    change(pd.read_csv(path)).to_csv(path, index=False)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda frame: frame.drop(columns="hd95"), "no column 'hd95'"),
        (lambda frame: frame.iloc[:0], "no rows"),
    ],
)
def test_metrics_that_are_not_complete_name_the_file(tmp_path, spec, change, message):
    _edit(tmp_path / "toy/runs/lku_net_seed1/metrics.csv", change)
    item = load_item(tmp_path / "table3.yaml")
    with pytest.raises(InputError, match=rf"lku_net_seed1/metrics\.csv: has {message}"):
        Results(tmp_path, "toy").metrics(item.rows[1])


@pytest.mark.parametrize(("content", "message"), [("", "cannot be read as CSV"), (None, "no such file")])
def test_metrics_that_cannot_be_read_name_the_file(tmp_path, spec, content, message):
    path = tmp_path / "toy/runs/textscf_seed2/pairs.csv"
    path.unlink()
    if content is not None:
        path.write_text(content)
    with pytest.raises(InputError, match=rf"textscf_seed2/pairs\.csv: {message}"):
        Results(tmp_path, "toy").pairs(load_item(tmp_path / "table3.yaml").rows[2])


def test_seeds_on_different_pairs_are_refused(tmp_path, spec):
    _edit(tmp_path / "toy/runs/lku_net_seed2/metrics.csv", lambda frame: frame[frame["fixed"] != "s1"])
    with pytest.raises(InputError, match=r"lku_net_seed1/metrics\.csv: the seeds of a run were evaluated on different"):
        Results(tmp_path, "toy").seed_mean(load_item(tmp_path / "table3.yaml").rows[1], "paper")


def test_methods_on_different_pairs_are_refused(tmp_path, spec):
    for seed in (1, 2):
        path = tmp_path / f"toy/runs/lku_net_seed{seed}/metrics.csv"
        _edit(path, lambda frame: frame[frame["fixed"] != "s1"])
    with pytest.raises(InputError, match="table3: 'textscf' and 'lku_net': the runs to compare"):
        compare_with_reference(load_item(tmp_path / "table3.yaml"), Results(tmp_path, "toy"))


def test_seeds_are_averaged_per_pair_and_structure(tmp_path, spec):
    frames = [pd.read_csv(tmp_path / f"toy/runs/lku_net_seed{seed}/metrics.csv") for seed in (1, 2)]
    expected = np.mean([frame["dice"].fillna(0) for frame in frames], axis=0)
    mean = Results(tmp_path, "toy").seed_mean(load_item(tmp_path / "table3.yaml").rows[1], "paper")
    np.testing.assert_allclose(mean["dice"], expected)
    assert list(mean["structure"].unique()) == ORGANS


def test_without_reference_or_other_rows_nothing_is_tested(tmp_path, spec):
    write_yaml(tmp_path / "none.yaml", table_spec(reference=None))
    write_yaml(tmp_path / "alone.yaml", table_spec(rows=table_spec()["rows"][2:]))
    for name in ("none", "alone"):
        assert compare_with_reference(load_item(tmp_path / f"{name}.yaml"), Results(tmp_path, "toy")).empty
