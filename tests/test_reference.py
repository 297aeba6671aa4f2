"""Files of a study that are kept as reference results, and the tables and figures made from them again."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from textscf.errors import InputError
from textscf.reference.kept_study import keep_reference, redraw_reference

KEPT = {
    "claims.csv", "tables/table3.csv", "figures/figure3.png", "runs/a/config.yaml", "runs/a/metrics.csv",
    "blobs/segmentations/tiny/accuracy_by_split.csv",
}  # fmt: skip


def test_tables_settings_and_metrics_are_kept_and_weights_and_volumes_are_not(tmp_path: Path) -> None:
    results = tmp_path / "results"
    study = [
        "claims.csv",
        "tables/table3.csv",
        "tables/table3/config.yaml",
        "figures/figure3.png",
        "runs/a/metrics.csv",
        "runs/a/last.pt",
    ]
    cohort = ["segmentations/tiny/accuracy_by_split.csv", "segmentations/tiny/network.pt", "images/s1.nii.gz"]
    for path in [*(f"small/{name}" for name in study), *(f"cohorts/blobs/{name}" for name in cohort)]:
        (results / path).parent.mkdir(parents=True, exist_ok=True)
        (results / path).write_text(path)
    for run, cohort_name in {"a": "blobs", "unfinished": "others"}.items():
        (results / "small/runs" / run).mkdir(exist_ok=True)
        (results / "small/runs" / run / "config.yaml").write_text(f"cohort: {cohort_name}")
    out = tmp_path / "reference"
    written = keep_reference(results, "small", out)
    assert {str(path.relative_to(out)) for path in written} == KEPT
    assert {str(p.relative_to(out)) for p in out.rglob("*") if p.is_file()} == KEPT
    assert (out / "runs/a/metrics.csv").read_text() == "small/runs/a/metrics.csv"


def test_runs_are_added_to_those_of_another_machine(tmp_path: Path) -> None:
    for results, run in (("here", "a"), ("there", "b")):
        folder = tmp_path / results / "small/runs" / run
        folder.mkdir(parents=True)
        (folder / "config.yaml").write_text("cohort: blobs")
        (folder / "metrics.csv").write_text(run)
        keep_reference(tmp_path / results, "small", tmp_path / "out")
    assert {path.parent.name: path.read_text() for path in (tmp_path / "out").rglob("metrics.csv")} == {
        "a": "a",
        "b": "b",
    }


def test_a_study_without_a_finished_run_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "small/runs/a"
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text("cohort: blobs")
    with pytest.raises(InputError, match="small: no study with a finished run; expected"):
        keep_reference(tmp_path, "small", tmp_path / "out")


def test_a_kept_study_is_redrawn_from_its_own_runs(root: Path, tmp_path: Path) -> None:
    kept, config = root / "results/reference/brain_mr", root / "config"
    out = tmp_path / "kept"
    shutil.copytree(kept / "runs", out / "runs", ignore=lambda _, names: {"lapirn"} & set(names))
    written, left_out = redraw_reference(config / "brain_mr.yaml", config, out, ["table3", "differences", "example"])
    assert left_out == {"figures/example": "results/brain_mr/runs/lku_net/checkpoint.pt"}
    assert {path.name for path in written if path.suffix in (".csv", ".pdf")} == {
        *("table3.csv", "table3_tests.csv", "differences.csv", "differences.pdf")
    }
    old, new = (pd.read_csv(folder / "tables/table3.csv").set_index("run") for folder in (kept, out))
    np.testing.assert_allclose(new["dice_percent"].drop("lapirn"), old["dice_percent"].drop("lapirn"), rtol=1e-12)
    assert new.loc["lapirn", "not_run"] == "not finished"
    assert sorted(path.name for path in out.iterdir()) == ["figures", "runs", "tables"]
    (out / "tables/learning_rate.md").touch()
    again, left_out = redraw_reference(config / "brain_mr.yaml", config, out)
    assert left_out == {"tables/learning_rate": "metrics of its runs"}
    assert set(again) == set(written)


def test_the_claims_page_of_a_kept_study_is_made(root: Path, tmp_path: Path) -> None:
    kept, config = root / "results/reference/brain_mr", root / "config"
    for run in ("lku_net", "voxelmorph", "textscf"):
        shutil.copytree(kept / "runs" / run, tmp_path / "runs" / run)
    accuracy = "brain_mr_4mm/segmentations/small/accuracy_by_split.csv"
    assert redraw_reference(config / "brain_mr.yaml", config, tmp_path, ["claims"])[1] == {
        "claims": f"results/cohorts/{accuracy}"
    }
    shutil.copytree((kept / accuracy).parent, (tmp_path / accuracy).parent)
    written, left_out = redraw_reference(config / "brain_mr.yaml", config, tmp_path, ["claims"])
    assert not left_out
    assert {path.name for path in written} == {"claims.csv", "claims.md"}
    verdicts = pd.read_csv(tmp_path / "claims.csv").set_index("id")["verdict"]
    assert verdicts["brain_dice_over_lku_net"] == "reproduced"
    assert verdicts["gain_over_voxelmorph"] == "not tested"
    assert verdicts["fewer_parameters"] == "reproduced"


def test_a_name_that_the_study_lacks_and_a_folder_without_runs_are_refused(root: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no folder runs; expected a study"):
        redraw_reference(root / "config/brain_mr.yaml", root / "config", tmp_path)
    (tmp_path / "runs").mkdir()
    with pytest.raises(InputError, match=r"brain_mr\.yaml: has no table or figure 'table33'"):
        redraw_reference(root / "config/brain_mr.yaml", root / "config", tmp_path, ["table33"])
