"""The file of claims: what it covers, that it fits the experiments, and what a study makes of it."""

import functools
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from textscf.claims.claim_kinds import KINDS
from textscf.errors import InputError
from textscf.files.io import read_yaml
from textscf.study import Study, load_study
from textscf.study.catalogue import Catalogue
from textscf.study.plan import training_steps
from textscf.study.study import merge
from textscf.workflow import StudyFiles, stage_settings
from textscf.workflow.claims_settings import run_names, runs_read

ROOT = Path(__file__).parents[1]
STUDIES = [p for p in sorted((ROOT / "config").glob("*.yaml")) if "study" in read_yaml(p)]
CLAIMS: dict[str, dict[str, Any]] = {c["id"]: c for c in read_yaml(ROOT / "config/claims.yaml")["claims"]}


@functools.cache
def load(name: str) -> Study:
    path = ROOT / "config" / f"{name}.yaml"
    return load_study(read_yaml(path), ROOT / "config", [path])


def settings(study: Study) -> dict[str, Any]:
    return stage_settings(study, f"{study.name}/claims")


def test_the_file_is_valid_and_has_every_kind() -> None:
    claims = Catalogue(ROOT / "config").claims["claims"]
    assert len(claims) == len(CLAIMS) >= 60
    assert {claim["kind"] for claim in claims} == set(KINDS)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"agains": ["x"]}, "unknown key 'agains'; did you mean 'against'"),
        ({"against": "lapirn"}, "claims.0.against: found 'lapirn'; expected array"),
        ({"metric": "dise"}, "found 'dise'; did you mean 'dice'"),
        ({"kind": "compar"}, "found 'compar'; did you mean 'compare'"),
        ({"tolerance": 0}, "claims.0.tolerance: 0 is less than or equal to"),
        ({"id": "lung_encoding"}, "id 'lung_encoding' is there 2 times"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    folder = Path(shutil.copytree(ROOT / "config", tmp_path / "config"))
    content = read_yaml(folder / "claims.yaml")
    content["claims"][0] |= change
    (folder / "claims.yaml").write_text(yaml.safe_dump(content))
    with pytest.raises(InputError, match=re.escape(message)) as error:
        _ = Catalogue(folder).claims
    assert "claims.yaml: claims" in str(error.value)


def test_every_number_of_the_papers_text_is_covered() -> None:
    reported = read_yaml(ROOT / "config/reported.yaml")
    stated = [value for claim in CLAIMS.values() for value in _numbers(claim)]
    text = [57.17, 54.17, 49.94, 20.72, 11.37, 11.3, 13.04, 0.7, -0.94, 1.32, 74.73, 63.35]
    text += reported["complexity"].values()
    figure8 = reported["figure8"]
    text += [figure8["pearson_r"], figure8["r_squared"], reported["figure5a"]["peak_c_phi"]]
    text += figure8["sdlogj_range"] + figure8["nonpositive_jacobian_fraction_range"]
    assert [value for value in text if value not in stated] == []


def test_significance_is_claimed_as_reported() -> None:
    names = {"voxelmorph": "VoxelMorph", "transmorph": "TransMorph", "fourier_net": "Fourier-Net"}
    names |= {"lku_net": "LKU-Net", "lapirn": "LapIRN"}
    figure3 = read_yaml(ROOT / "config/reported.yaml")["figure3"]
    significant = CLAIMS["significant_in_all_structures"]
    assert {names[run] for run in significant["against"]} == set(figure3["significant_for_all_structures"])
    found: dict[str, set[str]] = {}
    for claim in CLAIMS.values():
        if claim["kind"] == "significance" and not claim["significant"]:
            for run in claim["against"]:
                found.setdefault(names[run], set()).update(claim["structures"])
    assert found == {method: set(structures) for method, structures in figure3["not_significant"].items()}


def test_stated_gains_follow_from_the_printed_tables_to_rounding() -> None:
    reported = read_yaml(ROOT / "config/reported.yaml")
    dice = {line["method"]: line["dice"] for line in reported["table3"]["rows"]}
    tiny = next(line["dice"] for line in reported["table5"]["rows"] if line["segmentor"] == "SwinUNETR tiny")
    for claim, ours, other in [
        ("gain_over_voxelmorph", dice["textSCF"], dice["VoxelMorph"]),
        ("gain_over_transmorph", dice["textSCF"], dice["TransMorph"]),
        ("gain_over_fourier_net", dice["textSCF"], dice["Fourier-Net"]),
        ("gain_over_lku_net", dice["textSCF"], dice["LKU-Net"]),
        ("gain_over_lapirn", dice["textSCF"], dice["LapIRN"]),
        ("gain_over_second_best", dice["textSCF"], dice["LapIRN"]),
        ("gain_with_worst_masks", tiny, dice["LKU-Net"]),
    ]:
        assert 100 * (ours / other - 1) == pytest.approx(CLAIMS[claim]["paper"], abs=0.15), claim


def test_what_claims_print_is_in_the_reported_tables() -> None:
    numbers = set(re.findall(r"\d+\.\d+", _with_two_decimals(read_yaml(ROOT / "config/reported.yaml"))))
    for claim in CLAIMS.values():
        assert set(re.findall(r"\d+\.\d+", claim.get("printed", ""))) <= numbers, claim["id"]


def test_every_run_and_figure_of_a_claim_is_defined_in_some_experiment() -> None:
    experiments = [read_yaml(path) for path in (ROOT / "config/experiments").glob("*.yaml")]
    runs = {name for experiment in experiments for name in experiment.get("runs", {})}
    figures = {name for experiment in experiments for name in experiment.get("figures", {})}
    points = {name for path in STUDIES for name in load(path.stem).groups}
    names = {name for claim in CLAIMS.values() for name in run_names(claim)}
    assert names - runs - points == set()
    assert {claim["figure"] for claim in CLAIMS.values() if "figure" in claim} <= figures


@pytest.mark.parametrize("path", STUDIES, ids=lambda p: p.stem)
def test_the_page_of_every_study_trains_nothing_of_its_own_and_fits_a_command_line(path: Path) -> None:
    study = load(path.stem)
    resolved = settings(study)
    shown = {run for item in (*study.tables, *study.figures) for run in study.runs_of(item)}
    assert set(runs_read(resolved)) <= shown
    assert len(json.dumps(resolved)) < 100_000
    read = StudyFiles(study).claims()
    assert len(read) == len(set(read))
    assert read[-1] == "results/complexity/claim.csv"


def test_files_that_the_page_reads() -> None:
    read = StudyFiles(load("demo")).claims()
    runs = "results/demo/runs"
    assert {f"{runs}/textscf/{name}" for name in ("config.yaml", "metrics.csv", "pairs.csv")} <= set(read)
    assert f"{runs}/textscf_lung/metrics.csv" in read
    assert f"{runs}/brain_textscf/metrics.csv" in read
    assert f"{runs}/syn/metrics.csv" in read
    assert not any("lapirn_weaker" in path for path in read)
    accuracies = [path for path in read if path.endswith("accuracy_by_split.csv")]
    folder = "results/cohorts/simulated_abdomen/segmentations"
    assert accuracies == [f"{folder}/{name}/accuracy_by_split.csv" for name in ("ground_truth", "tiny")]
    counted = [path for path in read if path.endswith("complexity.json")]
    assert set(counted) <= set(StudyFiles(load("demo")).complexity_counts())
    assert any("textscf_hidden" in path for path in counted)


def test_stand_ins_take_the_place_of_all_runs_of_a_claim() -> None:
    claims = {claim["id"]: claim for claim in settings(load("demo"))["claims"]}
    assert (claims["prompt_location"]["run"], claims["prompt_location"]["against"]) == (
        "minilm_photo_body",
        ["minilm_photo"],
    )
    assert claims["prompt_location"]["stand_ins"] == {
        "clip_photo_body": "minilm_photo_body",
        "clip_photo": "minilm_photo",
    }
    assert claims["vit_over_resnet"]["against"] == ["clip_resnet"]
    assert "stand_ins" not in claims["gain_over_lku_net"]
    assert all("stand_ins" not in claim for claim in settings(load("paper"))["claims"])


def test_a_brain_in_the_place_of_the_papers_is_tested_by_what_the_paper_says_of_brains() -> None:
    claims = {claim["id"]: claim for claim in settings(load("brain_mr"))["claims"]}
    assert claims["brain_best_dice"]["run"] == "textscf"
    assert "lku_net" in claims["brain_best_dice"]["against"]
    assert claims["best_dice"]["kind"] == "untestable"
    assert claims["best_dice"]["reason"] == (
        "about the paper's abdomen cohort; the primary cohort stands for its brain cohort"
    )
    assert claims["text_over_one_hot"]["kind"] == CLAIMS["text_over_one_hot"]["kind"]
    of_abdomen = {claim["id"]: claim for claim in settings(load("abdomen_anatomy"))["claims"]}
    assert of_abdomen["best_dice"]["kind"] == "compare"
    assert of_abdomen["brain_best_dice"]["run"] == "brain_textscf"


def test_labels_budgets_and_reasons_are_those_of_the_study() -> None:
    longer = {"runs": {"lku_net": {"training": {"epochs": 9}}}}
    study = load_study(merge(read_yaml(ROOT / "config/demo.yaml"), longer), ROOT / "config")
    resolved = settings(study)
    assert resolved["rows"]["lku_net"]["label"] == "LKU-Net"
    assert resolved["rows"]["voxelmorph_scf"]["label"] == "VoxelMorph with textSCF"
    assert resolved["rows"]["clip_resnet"]["label"] == "clip resnet"
    assert "CLIP" in resolved["rows"]["clip_resnet"]["not_run"]
    assert "textscf_size-start_channels8" not in resolved["rows"]
    assert resolved["steps"]["lku_net"] == training_steps(study, study.runs["lku_net"])
    assert resolved["steps"]["lku_net"] > resolved["steps"]["voxelmorph"]
    assert not resolved["paper_cohort"]
    assert settings(load("paper"))["paper_cohort"]


def test_values_that_the_paper_quotes_stand_for_runs_of_its_cohorts_that_are_left_out() -> None:
    resolved = settings(load("paper"))
    assert resolved["quoted"]["brain_im2grid"] == {"dice": 89.35, "hd95": 1.24, "sdlogj": 0.23}
    assert "brain_lku_net" not in resolved["quoted"]
    assert settings(load("demo"))["quoted"] == {}


def test_the_whole_report_has_the_page_and_its_first_part_does_not() -> None:
    study = load("demo")
    assert stage_settings(study, "demo/report")["claims"] == "demo/claims"
    assert stage_settings(study, "demo/quick")["claims"] is None
    whole, first = (StudyFiles(study).report(part) for part in ("report", "quick"))
    assert {"results/demo/claims.json", "results/demo/claims.csv"} <= set(whole)
    assert "results/demo/claims.json" not in first


def _numbers(claim: dict[str, Any]) -> list[float]:
    paper = claim.get("paper", [])
    return paper if isinstance(paper, list) else [paper]


def _with_two_decimals(content: Any) -> str:
    """All numbers of the reported tables as the paper prints them."""
    if isinstance(content, dict | list):
        return " ".join(
            _with_two_decimals(part) for part in (content.values() if isinstance(content, dict) else content)
        )
    return f"{content:.2f}" if isinstance(content, float) else ""
