"""Training steps and estimated time of a study, against counting by hand."""

from pathlib import Path
from typing import Any

import pytest

from textscf.files.io import write_yaml
from textscf.study import load_study, plan
from textscf.study.plan import training_steps, workload
from textscf.workflow import stage_settings

STUDY: dict[str, Any] = {
    "study": "small",
    "title": "A small study",
    "cohorts": {"primary": "simulated_abdomen"},
    "experiments": ["table3"],
    "defaults": {"head": {"segmentor": "tiny", "prompts": "minilm"}, "training": {"epochs": 2}},
    "runs": {"lku_net": {"training": {"steps_per_epoch": 5}, "seeds": [1, 2]}},
    "not_run": dict.fromkeys(("syn", "tm_tvf", "im2grid", "lapirn*", "*morph", "fourier_net"), "not here"),
}


@pytest.fixture
def step_times(tmp_path: Path, root: Path) -> Path:
    """A file of step times beside the schemas."""
    (tmp_path / "schemas").symlink_to(root / "config/schemas")
    write_yaml(tmp_path / "step_times.yaml", {"device": "a slide rule", "steps": []})
    return tmp_path / "step_times.yaml"


def test_an_epoch_has_its_steps_or_every_ordered_training_pair(root: Path) -> None:
    study = load_study(STUDY, root / "config")
    assert training_steps(study, study.runs["lku_net_seed2"]) == 2 * 5
    assert training_steps(study, study.runs["textscf"]) == 2 * 20 * 19


def test_hours_are_those_of_the_measured_steps_and_what_was_not_measured_is_said(root: Path, step_times: Path) -> None:
    study = load_study(STUDY, root / "config")
    assert str(plan(study, step_times)) == "3 trainings (3 on simulated_abdomen), 780 steps; step times not measured"
    work = workload(study, study.runs["lku_net"])
    write_yaml(step_times, {"device": "a slide rule", "steps": [{**work, "seconds": 720.0}]})
    assert str(plan(study, step_times)) == (
        "3 trainings (3 on simulated_abdomen), 780 steps: 4.0 h on a slide rule by measured step times, "
        "without 1 trainings whose step time was not measured"
    )


def test_the_report_states_the_plan_and_its_first_part_does_not_depend_on_it(root: Path) -> None:
    study = load_study(STUDY, root / "config")
    assert stage_settings(study, "small/report")["plan"] == str(plan(study, root / "config/step_times.yaml"))
    assert stage_settings(study, "small/quick")["plan"] is None


def test_runs_that_differ_in_lambda_take_the_same_time_and_those_of_another_size_do_not(root: Path) -> None:
    runs = {"textscf": {"loss": {"smoothness": 3}}, "lku_net": {"backbone_options": {"start_channels": 8}}}
    before, after = (load_study({**STUDY, "runs": changes}, root / "config") for changes in ({}, runs))
    works = [{run: workload(study, study.runs[run]) for run in ("textscf", "lku_net")} for study in (before, after)]
    assert works[0]["textscf"] == works[1]["textscf"]
    assert works[0]["lku_net"] != works[1]["lku_net"]
