"""Files of a finished study that are kept as reference results."""

from pathlib import Path

import pytest

from textscf.errors import InputError
from textscf.workflow.reference import keep_reference

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
    (results / "small/runs/a/config.yaml").write_text("cohort: blobs")
    out = tmp_path / "reference"
    written = keep_reference(results, "small", out)
    assert {str(path.relative_to(out)) for path in written} == KEPT
    assert {str(p.relative_to(out)) for p in out.rglob("*") if p.is_file()} == KEPT
    assert (out / "runs/a/metrics.csv").read_text() == "small/runs/a/metrics.csv"


def test_a_study_that_is_not_finished_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no tables or figures; expected a finished study"):
        keep_reference(tmp_path, "small", tmp_path / "out")
