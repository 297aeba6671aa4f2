"""Studies resolve to the intended settings, and each kind of mistake has its message."""

import copy
import itertools
import os
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from textscf.errors import InputError
from textscf.files.io import read_yaml
from textscf.study import Study, load_study, plan
from textscf.study.catalogue import Catalogue
from textscf.study.item_checks import RULES
from textscf.study.study import merge
from textscf.workflow import Order, StudyFiles, stage_settings, stored_settings

STUDY: dict[str, Any] = {
    "study": "small",
    "title": "A small study",
    "cohorts": {"primary": "hippocampus_mr"},
    "experiments": ["table3"],
    "defaults": {"head": {"segmentor": "tiny", "prompts": "minilm"}, "seeds": [1, 2]},
}
UNTRAINED = dict.fromkeys(("textscf_base", "textscf_small"), "no segmentor of this size")


@pytest.fixture
def folder(tmp_path: Path, root: Path) -> Path:
    """A copy of `config/` that a test may change."""
    return Path(shutil.copytree(root / "config", tmp_path / "config"))


def study_with(**changes: Any) -> dict[str, Any]:
    return merge(copy.deepcopy(STUDY), changes)


@pytest.fixture(scope="module")
def with_lung(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Path:
    """A copy of `config/` with a cohort `lung_ct` that has one structure."""
    folder = Path(shutil.copytree(root / "config", tmp_path_factory.mktemp("with_lung") / "config"))
    lung = {"label": 1, "name": "lung", "prompt": "lung", "side": None, "colour": "#000000"}
    anatomy = {"title": "Lung", "body_part": "chest", "structures": [lung]}
    (folder / "anatomies/one_lung.yaml").write_text(yaml.safe_dump(anatomy))
    cohort = read_yaml(folder / "cohorts/simulated_abdomen.yaml") | {"title": "Chests", "anatomy": "one_lung"}
    (folder / "cohorts/lung_ct.yaml").write_text(yaml.safe_dump(cohort))
    return folder


JOINT = {"cohorts": {"auxiliary": "lung_ct"}, "experiments": ["table3", "table4"], "defaults": {"seeds": [1]}}


@pytest.fixture(scope="module")
def joint(with_lung: Path) -> Study:
    """A study with runs that have an auxiliary cohort."""
    return load_study(study_with(**JOINT), with_lung)


def edit(path: Path, **changes: Any) -> None:
    path.write_text(yaml.safe_dump(merge(read_yaml(path), changes)))


STUDIES = [p for p in sorted((Path(__file__).parents[1] / "config").glob("*.yaml")) if "study" in read_yaml(p)]


@pytest.mark.parametrize("path", STUDIES, ids=lambda p: p.stem)
def test_every_study_of_the_project_resolves(path: Path, root: Path) -> None:
    study = load_study(read_yaml(path), root / "config", [path])
    assert study.runs
    for run in study.runs:
        assert stage_settings(study, f"{study.name}/runs/{run}")["cohort"] in study.cohorts.values()


def test_a_run_is_repeated_for_each_seed_and_resolved_over_the_papers_defaults(folder: Path) -> None:
    study = load_study(study_with(defaults={"training": {"epochs": 3}}), folder)
    assert study.groups["textscf"] == ["textscf", "textscf_seed2"]
    assert study.groups["initial"] == ["initial"]
    run = stage_settings(study, "small/runs/textscf_seed2")
    assert run["seed"] == 2
    assert run["training"] == {**read_yaml(folder / "run_defaults.yaml")["training"], "epochs": 3}
    assert run["network"]["backbone"] == {
        "name": "lku_net", "start_channels": 32, "kernel_size": 5, "full_resolution": True
    }  # fmt: skip
    assert run["network"]["head"] == {
        "kind": "scf", "hidden_channels": 2048, "blend": "convex", "parametrisation": "plain"
    }  # fmt: skip
    assert (run["segmentor"], run["prompts"]) == ("tiny", "minilm")
    assert study.runs["lku_net"]["network"]["head"] is None
    assert study.runs["lku_net"]["segmentor"] is None


def test_the_cohort_says_on_which_grid_fields_are_predicted(folder: Path) -> None:
    """Unless a run says otherwise; networks without the choice are not asked."""
    edit(folder / "cohorts/hippocampus_mr.yaml", field="half")
    changes = {"like": "lku_net", "backbone_options": {"full_resolution": True}}
    edit(folder / "experiments/table3.yaml", runs={"lku_net_full": changes})
    runs = load_study(STUDY, folder).runs
    grids = {name: runs[name]["network"]["backbone"].get("full_resolution") for name in
             ("lku_net", "textscf", "lku_net_full", "voxelmorph")}  # fmt: skip
    assert grids == {"lku_net": False, "textscf": False, "lku_net_full": True, "voxelmorph": None}


def test_the_papers_study_predicts_at_full_resolution_on_the_abdomen_and_at_half_on_the_brain(root: Path) -> None:
    runs = load_study(read_yaml(root / "config/paper.yaml"), root / "config").runs
    grids = {name: runs[name]["network"]["backbone"]["full_resolution"] for name in ("textscf", "brain_textscf")}
    assert grids == {"textscf": True, "brain_textscf": False}


def test_the_papers_study_trains_what_the_publications_train(root: Path) -> None:
    """Units and initialisation are the publications', but for im2grid, which is as published without the option."""
    runs = load_study(read_yaml(root / "config/paper.yaml"), root / "config").runs
    trained = [run for run in runs.values() if run["method"] == "learned"]
    ours = {run["network"]["backbone"]["name"] for run in trained if not run["network"]["backbone"].get("published")}
    assert ours == {"im2grid"}
    settings = {name: runs[name]["training"] for name in ("textscf", "lapirn")}
    assert (settings["textscf"]["optimizer"], settings["textscf"]["decay"]) == ("amsgrad", "epoch")
    assert (settings["lapirn"]["optimizer"], settings["lapirn"]["decay_power"]) == ("adam", 0)


def test_the_released_network_differs_from_the_papers_in_what_the_code_does(root: Path) -> None:
    config = read_yaml(root / "config/paper.yaml")
    runs = load_study({**config, "experiments": [*config["experiments"], "released"]}, root / "config").runs
    paper, released = runs["brain_textscf"], runs["brain_textscf_released"]
    assert (released["network"]["placement"], paper["network"]["placement"]) == ("released", "aligned")
    assert released["network"]["head"] == {**paper["network"]["head"], "blend": "additive"}
    assert (released["prompts"], paper["prompts"]) == ("clip_vit_released", "clip_vit")
    assert released["network"]["backbone"] == paper["network"]["backbone"]


def test_a_change_of_one_run_touches_no_other(folder: Path) -> None:
    before = load_study(STUDY, folder).runs
    after = load_study(study_with(runs={"textscf": {"loss": {"smoothness": 0.7}}}), folder).runs
    changed = {run for run in before if before[run] != after[run]}
    assert changed == {"textscf", "textscf_seed2"}
    assert after["textscf"]["loss"] == {**before["textscf"]["loss"], "smoothness": 0.7}


def test_texts_from_the_command_line_become_numbers(folder: Path) -> None:
    changes = {"loss": {"smoothness": "0.3"}, "training": {"learning_rate": "1e-3", "steps_per_epoch": "null"}}
    run = load_study(study_with(runs={"textscf": {**changes, "seeds": ["5"]}}), folder).runs["textscf_seed5"]
    assert run["loss"]["smoothness"] == 0.3
    assert (run["training"]["learning_rate"], run["training"]["steps_per_epoch"]) == (1e-3, None)
    assert run["seed"] == 5


def test_backbone_options_override_the_backbones_entry(folder: Path) -> None:
    study = load_study(study_with(runs={"lku_net": {"backbone_options": {"start_channels": 8}}}), folder)
    assert study.runs["lku_net"]["network"]["backbone"]["start_channels"] == 8
    assert study.runs["textscf"]["network"]["backbone"]["start_channels"] == 32


def test_options_of_a_backbone_that_change_are_read_again(folder: Path) -> None:
    study = study_with(runs={"lku_net": {"backbone_options": {"colour": "red"}}})
    with pytest.raises(InputError, match="unknown key 'colour'"):
        load_study(study, folder)
    path = folder / "backbones/lku_net.yaml"
    backbone = read_yaml(path)
    path.write_text(yaml.safe_dump(backbone | {"options": backbone["options"] | {"colour": {"type": "string"}}}))
    assert load_study(study, folder).runs["lku_net"]["network"]["backbone"]["colour"] == "red"


def test_settings_are_stored_by_their_content(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    study, other = (load_study(study_with(title=title), folder) for title in ("A", "B"))
    run, report = "small/runs/textscf", "small/report"
    path = stored_settings(study, run)
    assert read_yaml(Path(path)) == stage_settings(study, run)
    assert stored_settings(other, run) == path
    assert stored_settings(other, report) != stored_settings(study, report)
    assert len(list(Path(path).parent.iterdir())) == 3


def test_a_table_and_a_figure_of_one_name_are_refused(folder: Path) -> None:
    figure = {"kind": "dice_boxplot", "caption": "Dice", "rows": [{"run": "textscf", "label": "textSCF"}]}
    (folder / "experiments/again.yaml").write_text(yaml.safe_dump({"figures": {"table3": figure}}))
    with pytest.raises(InputError, match=r"experiments: 'table3' names a table and a figure; expected two names"):
        load_study(study_with(experiments=["table3", "again"]), folder)


def test_a_study_that_trains_nothing_says_so(folder: Path) -> None:
    study = load_study(study_with(not_run={"[!i]*": "too slow", "im2grid*": "too slow"}), folder)
    assert str(plan(study, study.step_times)) == "no trainings"


def test_a_run_inherits_what_the_run_it_is_like_says(folder: Path) -> None:
    study = load_study(study_with(runs={"lapirn": {"loss": {"dice": 2.0}}}), folder)
    like, base = study.runs["lapirn_diff"], study.runs["lapirn"]
    assert like["training"] == base["training"]
    assert len(like["training"]["stages"]) == 3
    assert (base["loss"]["similarity"], like["loss"]["dice"]) == ("multi_window_ncc", 2.0)
    assert like["loss"] == {**base["loss"], "regularise": "velocity"}
    assert like["network"]["backbone"] == {**base["network"]["backbone"], "integration_steps": 7}


@pytest.mark.parametrize(
    ("runs", "message"),
    [
        ({"lku_net": {"like": "lapirm"}}, r"runs\.lku_net\.like: 'lapirm': it is not defined; did you mean 'lapirn'?"),
        ({"lapirn": {"like": "lapirn_diff"}}, r"runs\.lapirn_diff\.like: 'lapirn': it is like this one"),
    ],
)
def test_a_run_like_nothing_or_like_itself_is_refused(folder: Path, runs: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_study(study_with(runs=runs), folder)


def test_a_sweep_is_a_run_for_every_combination_and_shares_those_that_are_there_already(folder: Path) -> None:
    sweep = {"integration_steps": [0, 7], "loss.smoothness": [0.1, 1.0]}
    edit(folder / "experiments" / "table3.yaml", runs={"swept": {"like": "textscf", "seeds": [1], "sweep": sweep}})
    study = load_study(STUDY, folder)
    names = [f"swept-integration_steps{n}-smoothness{weight}" for n in (0, 7) for weight in (0.1, 1.0)]
    assert [run for run in study.runs if run.startswith("swept")] == names[1:]
    assert study.groups[names[0]] == ["textscf", "textscf_seed2"]
    run = study.runs[names[-1]]
    assert (run["loss"]["smoothness"], run["network"]["integration_steps"], run["seed"]) == (1.0, 7, 1)


def test_items_have_the_papers_convention_on_the_papers_cohorts_alone_unless_they_name_one(folder: Path) -> None:
    items = {"figures": ["figure3"], "tables": ["table3"]}
    found = [load_study(study_with(paper_cohorts=paper), folder) for paper in (True, False)]
    for kind, (name,) in items.items():
        assert [getattr(study, kind)[name]["convention"] for study in found] == ["paper", "learn2reg"]
    edit(folder / "experiments/table3.yaml", tables={"table3": {"convention": "paper"}})
    assert load_study(STUDY, folder).tables["table3"]["convention"] == "paper"
    assert load_study(STUDY, folder).figures["figure3"]["convention"] == "learn2reg"
    assert load_study(STUDY | {"convention": "paper"}, folder).figures["figure3"]["convention"] == "paper"


def test_more_seeds_rename_and_change_no_training(folder: Path) -> None:
    one, three = (load_study(study_with(runs={"lku_net": {"seeds": n}}), folder) for n in ([1], [1, 2, 3]))
    assert (one.groups["lku_net"], three.groups["lku_net"]) == (
        ["lku_net"],
        ["lku_net", "lku_net_seed2", "lku_net_seed3"],
    )
    assert one.runs["lku_net"] == three.runs["lku_net"]


def test_names_that_differ_in_seeds_alone_show_the_same_runs_and_train_none_twice(folder: Path) -> None:
    runs = {"u_few": {"seeds": [3]}, "other": {"seeds": [1], "loss": {"dice": 0.5}}, "u_more": {"seeds": [4, 1]}}
    table = {"caption": "Seeds.", "convention": "paper", "rows": [{"run": name, "label": name} for name in runs]}
    edit(folder / "experiments/table3.yaml", runs=runs, tables={"seeds": table})
    study = load_study(STUDY, folder)
    shared = ["textscf", "textscf_seed2", "u_few_seed3", "u_more_seed4"]
    assert study.groups["textscf"] == study.groups["u_few"] == study.groups["u_more"] == shared
    assert [study.runs[run]["seed"] for run in shared] == [1, 2, 3, 4]
    assert study.groups["other"] == ["other"]
    assert [row["runs"] for row in study.tables["seeds"]["rows"]] == [shared, ["other"], shared]
    settings = [{key: value for key, value in run.items() if key != "run"} for run in study.runs.values()]
    assert all(settings.count(one) == 1 for one in settings)
    assert len(settings) == len(load_study(STUDY, Path(__file__).parents[1] / "config").runs) + 3


def test_a_name_that_is_left_out_shows_no_runs_of_its_like(folder: Path) -> None:
    edit(folder / "experiments/table3.yaml", runs={"same": {"seeds": [5]}})
    study = load_study(study_with(not_run={"same": "not needed"}), folder)
    assert study.groups["same"] == []
    assert study.groups["textscf"] == ["textscf", "textscf_seed2"]


def test_an_experiment_that_is_added_renames_no_run(folder: Path) -> None:
    """Its single run equals a point of a sweep that stands before it, and it adds a seed to another one."""
    before = load_study(study_with(experiments=["table3", "figure4b"]), folder)
    runs = {"smooth": {"loss": {"smoothness": 1.0}}, "again": {"head": None, "seeds": [1, 9]}}
    (folder / "experiments/later.yaml").write_text(yaml.safe_dump({"runs": runs}))
    after = load_study(study_with(experiments=["table3", "figure4b", "later"]), folder)
    assert {run: after.runs[run] for run in before.runs} == before.runs
    assert after.runs.keys() - before.runs.keys() == {"again_seed9"}
    assert after.groups["smooth"] == before.groups["textscf_tradeoff-smoothness1.0-integration_steps0"]
    assert after.groups["lku_net"] == [*before.groups["lku_net"], "again_seed9"]


def test_a_row_of_a_sweep_has_its_points_with_their_values(folder: Path) -> None:
    path = folder / "experiments" / "figure7.yaml"
    edit(path, runs={"widths": {"like": "lku_net", "sweep": {"backbone_options.start_channels": [8, 32]}}})
    rows = [{"run": "widths", "label": "LKU-Net"}]
    edit(path, figures={"figure7": {"kind": "dice_boxplot", "rows": rows}})
    study = load_study(study_with(experiments=["table3", "figure7"]), folder)
    (row,) = study.figures["figure7"]["rows"]
    narrow = "widths-start_channels8"
    assert row["runs"] == [narrow, f"{narrow}_seed2", "lku_net", "lku_net_seed2"]
    assert [point["swept"] for point in row["points"]] == [{"backbone_options.start_channels": n} for n in (8, 32)]
    assert row["points"][1]["runs"] == ["lku_net", "lku_net_seed2"]


@pytest.mark.parametrize(
    ("sweep", "message"),
    [
        ({"loss.smothness": [1]}, r"sweep of run 'lku_net': loss: unknown key 'smothness'; did you mean 'smoothness'?"),
        ({"integration_steps": [13]}, r"sweep of run 'lku_net': integration_steps: 13 is greater"),
        ({"like": ["textscf"]}, r"runs\.lku_net\.sweep: 'like' should not be valid .*; expected: settings, which"),
        ({"sweep.loss.dice": [[1]]}, r"runs\.lku_net\.sweep: 'sweep\.loss\.dice' should not be valid"),
        ({"integration_steps": []}, r"runs\.lku_net\.sweep\.integration_steps"),
    ],
)
def test_a_sweep_over_what_is_not_a_setting_is_refused(folder: Path, sweep: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_study(study_with(runs={"lku_net": {"sweep": sweep}}), folder)


def test_a_pattern_changes_all_runs_that_it_fits_and_later_ones_win(folder: Path) -> None:
    runs = {"lapirn*": {"training": {"epochs": 9}}, "lapirn": {"training": {"epochs": 7}}}
    study = load_study(study_with(runs=runs), folder)
    epochs = {name: study.runs[ids[0]]["training"]["epochs"] for name, ids in study.groups.items() if "lap" in name}
    assert epochs == {"lapirn": 7, "lapirn_weaker": 9, "lapirn_diff": 9}
    with pytest.raises(InputError, match=r"runs: run 'lapin\*' is not defined; did you mean 'lapirn'"):
        load_study(study_with(runs={"lapin*": {}}), folder)


def test_single_points_of_a_sweep_have_settings_of_their_own(folder: Path) -> None:
    sweep = {"sweep": {"loss.smoothness": [0.5, 3.0]}, "seeds": [1]}
    point = {"swept-smoothness0.5": {"training": {"epochs": 9}, "loss": {"smoothness": 7.0}}}
    edit(folder / "experiments/table3.yaml", runs={"swept": {"like": "lku_net", **sweep}})
    before, after = (load_study(study_with(runs=runs), folder).runs for runs in ({}, point))
    changed = {run for run in before if before[run] != after[run]}
    assert changed == {"swept-smoothness0.5"}
    assert after["swept-smoothness0.5"]["training"]["epochs"] == 9
    assert after["swept-smoothness0.5"]["loss"]["smoothness"] == 0.5
    for kind, change in (("runs", {"seeds": [2]}), ("not_run", "too long")):
        with pytest.raises(InputError, match=f"{kind}: run 'swept-smothness0.5' is not defined; did you mean 'swept"):
            load_study(study_with(**{kind: {"swept-smothness0.5": change}}), folder)
    with pytest.raises(InputError, match=r"runs\.swept-\*: like: fits a point of a sweep; expected settings alone"):
        load_study(study_with(runs={"swept-*": {"like": "syn"}}), folder)


def test_a_run_that_is_left_out_stays_as_a_row_with_its_reason(folder: Path) -> None:
    study = load_study(study_with(not_run={"tm_*": "too large", "textscf": "no weights"}), folder)
    rows = {row["run"]: row for row in study.tables["table3"]["rows"]}
    assert (rows["tm_tvf"]["runs"], rows["tm_tvf"]["not_run"]) == ([], "too large")
    assert rows["textscf"]["not_run"] == "no weights"
    assert not [run for run in study.runs if run.startswith(("tm_tvf", "textscf"))]
    assert "not_run" not in rows["lku_net"]
    with pytest.raises(InputError, match="not_run: run 'tmtvf' is not defined; did you mean 'tm_tvf'"):
        load_study(study_with(not_run={"tmtvf": "too large"}), folder)


def test_only_finished_leaves_out_seeds_and_methods_that_have_no_results_yet(folder: Path) -> None:
    content = study_with(only_finished=True, runs={"lku_net": {"seeds": [1, 2, 3]}}, not_run={"im2grid": "too slow"})
    study = load_study(content, folder, is_finished=lambda run: run in ("initial", "lku_net", "lku_net_seed3"))
    rows = {row["run"]: row for row in study.tables["table3"]["rows"]}
    assert rows["lku_net"]["runs"] == ["lku_net", "lku_net_seed3"]
    assert (rows["textscf"]["runs"], rows["textscf"]["not_run"]) == ([], "not finished")
    assert rows["im2grid"]["not_run"] == "too slow"
    assert sorted(study.runs) == ["initial", "lku_net", "lku_net_seed3"]
    whole = load_study({**content, "only_finished": False}, folder, is_finished=lambda run: False)
    assert whole.groups["lku_net"] == ["lku_net", "lku_net_seed2", "lku_net_seed3"]


BEYOND = {"experiments": ["table3", "figure4b", "beyond"]}


def test_a_refined_run_has_the_settings_of_each_seed_of_the_run_that_it_refines(folder: Path) -> None:
    study = load_study(study_with(**BEYOND, runs={"syn": {}, "lku_net": {"seeds": [3, 1]}}), folder)
    assert study.groups["lku_net_refined"] == ["lku_net_refined", "lku_net_refined_seed2", "lku_net_refined_seed3"]
    refined, base = study.runs["lku_net_refined_seed3"], study.runs["lku_net_seed3"]
    own = {"run": "lku_net_refined_seed3", "method": "refined", "method_options": {"steps": 50, "run": "lku_net_seed3"}}
    assert refined == {**base, **own}
    files = StudyFiles(study)
    assert files.checkpoints(["lku_net_refined_seed3"]) == ["results/small/runs/lku_net_seed3/checkpoint.pt"]
    assert files.checkpoints(["lku_net_seed3", "lku_net_refined_seed3"]) == files.checkpoints(["lku_net_seed3"])
    assert "results/small/runs/textscf/timing.json" in files.timings("beyond")
    assert not [path for path in files.timings("beyond") if "refined" in path]
    assert files.segmentation(["textscf_refined"]) == files.segmentation(["textscf"]) != []
    assert plan(study, study.step_times) == plan(load_study(study_with(runs={"lku_net": {"seeds": [3, 1]}},
        experiments=["table3", "figure4b"]), folder), study.step_times)  # fmt: skip


@pytest.mark.parametrize(
    ("run", "message"),
    [
        ("syn", r"run 'mine': method_options\.run: 'syn'; expected a run that is trained, and not a sweep"),
        ("textscf_tradeoff", "'textscf_tradeoff'; expected a run that is trained, and not a sweep"),
        ("lku", "'lku'; expected a run that is trained"),
    ],
)
def test_what_cannot_be_refined_is_named(folder: Path, run: str, message: str) -> None:
    refined = {"method": "refined", "method_options": {"run": run}}
    edit(folder / "experiments/beyond.yaml", runs={"mine": refined})
    with pytest.raises(InputError, match=message):
        load_study(study_with(**BEYOND), folder)


def test_a_run_that_is_left_out_is_not_refined_either(folder: Path) -> None:
    study = load_study(study_with(**BEYOND, not_run={"lku_net": "too slow"}), folder)
    assert study.groups["lku_net_refined"] == []
    row = next(row for row in study.tables["beyond"]["rows"] if row["run"] == "lku_net_refined")
    assert (row["runs"], row["not_run"]) == ([], "too slow")


def test_an_experiment_adds_a_block_of_rows_where_the_table_or_figure_is_there(folder: Path) -> None:
    alone = load_study(study_with(experiments=["table3"]), folder).tables["table3"]
    study = load_study(study_with(**BEYOND), folder)
    for rows in (study.tables["table3"]["rows"], study.figures["figure4b"]["rows"]):
        added = [row for row in rows if row.get("block")]
        assert rows[-len(added) :] == added
        assert {row["block"] for row in added} == {"Beyond the paper"}
        assert {"voxelopt", "convexadam", "lku_net_refined"} <= {row["run"] for row in added}
    own = [row for row in study.tables["table3"]["rows"] if "block" not in row]
    assert own == alone["rows"]
    assert study.tables["table3"]["remarks"][0].startswith("Beyond the paper: ")
    assert "remarks" not in alone
    assert "figure4b" not in load_study(study_with(experiments=["table3", "beyond"]), folder).figures


def test_a_table_with_the_name_of_a_rule_is_refused_with_its_file(folder: Path, root: Path) -> None:
    files = (root / "Snakefile", *(root / "rules").glob("*.smk"))
    named = re.compile(r"^ *(?:rule|use rule \w+ as) (\w+)(?: with)?:", re.MULTILINE)
    assert {rule for path in files for rule in named.findall(path.read_text())} == RULES
    table = {"caption": "Mine.", "rows": [{"run": "textscf", "label": "textSCF"}]}
    (folder / "experiments/mine.yaml").write_text(yaml.safe_dump({"tables": {"train": table}}))
    with pytest.raises(InputError, match=r"mine\.yaml: tables: 'train' is a rule of the workflow; expected another"):
        load_study(study_with(experiments=["table3", "mine"]), folder)


def test_a_structure_to_be_drawn_that_the_cohort_lacks_is_named(folder: Path) -> None:
    figure = {"kind": "field", "caption": "Field.", "structure": "anteror", "rows": [{"run": "syn", "label": "SyN"}]}
    (folder / "experiments/mine.yaml").write_text(yaml.safe_dump({"figures": {"mine": figure}}))
    message = r"figures\.mine: structure: 'anteror' is no structure of cohort hippocampus_mr; expected one of anterior"
    with pytest.raises(InputError, match=message):
        load_study(study_with(experiments=["table3", "mine"]), folder)


def test_what_would_show_nothing_is_left_out_but_a_table_says_what_was_not_run(folder: Path) -> None:
    everything = {"[!i]*": "too slow", "im2grid": "too slow"}
    study = load_study(study_with(experiments=["table3", "figure7", "complexity"], not_run=everything), folder)
    assert study.left_out == ["complexity", "differences", "curves", "example", "best", "worst", "figure7"]
    assert list(study.tables) == ["table3", "structures"]
    assert list(study.figures) == ["figure3"]
    assert stage_settings(study, f"{study.name}/report")["left_out"] == study.left_out
    with pytest.raises(InputError, match="study small: no table or figure 'figure7': none of its rows is run"):
        study.runs_of("figure7")
    with pytest.raises(InputError, match="no table or figure 'figure33': it is not defined; did you mean 'figure3'"):
        study.runs_of("figure33")
    assert stage_settings(study, f"{study.name}/quick")["left_out"] == []


@pytest.mark.parametrize("key", [{"like": "lku_net"}, {"sweep": {"loss.smoothness": [1, 2]}}])
def test_what_single_runs_alone_may_say_is_refused_as_a_default(folder: Path, key: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=f"defaults: '{next(iter(key))}' .*; expected: settings alone"):
        load_study(study_with(defaults=key), folder)


def test_a_coordinate_head_needs_neither_segmentor_nor_prompts(folder: Path) -> None:
    changes = {"head": {"kind": "scp", "segmentor": "nobody", "prompts": "nothing"}}
    run = load_study(study_with(runs={"textscf": changes}), folder).runs["textscf"]
    assert run["network"]["head"] == {
        "kind": "scp", "hidden_channels": 2048, "coordinate_stride": 8, "parametrisation": "plain"
    }  # fmt: skip
    assert (run["segmentor"], run["prompts"]) == (None, None)


def test_a_cohort_without_test_pairs_cannot_be_a_runs_own(folder: Path) -> None:
    message = "run 'initial': cohort 'lung_ct' has no validation pairs; it can only be auxiliary data"
    with pytest.raises(InputError, match=message):
        load_study(study_with(cohorts={"primary": "lung_ct"}), folder)


def test_an_auxiliary_cohort_changes_the_runs_that_have_it_alone(joint: Study, with_lung: Path) -> None:
    alone = load_study(study_with(defaults={"seeds": [1]}), with_lung)
    assert joint.runs.keys() - alone.runs.keys() == {"textscf_lung", "textscf_lung_encoded"}
    assert {run: joint.runs[run] for run in alone.runs} == alone.runs
    assert not any("auxiliary" in run for run in alone.runs.values())
    base = {**joint.runs["textscf"], "auxiliary": {"cohort": "lung_ct", "encode": False}}
    assert joint.runs["textscf_lung"] == {**base, "run": "textscf_lung"}
    encoded = {"prompts": "minilm.lung_ct", "auxiliary": {"cohort": "lung_ct", "encode": True}}
    assert joint.runs["textscf_lung_encoded"] == {**base, "run": "textscf_lung_encoded", **encoded}


def test_files_of_runs_with_an_auxiliary_cohort(joint: Study) -> None:
    files = StudyFiles(joint)
    prompts = "results/cohorts/hippocampus_mr/prompts"
    assert files.auxiliary("textscf") == files.auxiliary("initial") == []
    assert files.auxiliary("textscf_lung") == ["results/cohorts/lung_ct/cohort.json"]
    assert files.auxiliary("textscf_lung_encoded") == files.auxiliary("textscf_lung")
    assert files.head("textscf_lung") == files.head("textscf")
    assert files.head("textscf_lung_encoded")["embedding"] == f"{prompts}/minilm.lung_ct/embedding.npz"
    assert files.head("textscf_lung_encoded")["segmentation"] == files.head("textscf")["segmentation"]
    assert files.segmentors() == ["results/cohorts/hippocampus_mr/segmentations/tiny/accuracy_by_split.csv"]
    assert files.prompt_sets() == [f"{prompts}/{name}/similarity.png" for name in ("minilm", "minilm.lung_ct")]


def test_prompts_with_an_auxiliary_cohort_have_both_anatomies_and_modalities(joint: Study) -> None:
    alone = stage_settings(joint, "cohorts/hippocampus_mr/prompts/minilm")
    both = stage_settings(joint, "cohorts/hippocampus_mr/prompts/minilm.lung_ct")
    auxiliary = both.pop("auxiliary")
    assert both == alone
    assert (auxiliary["anatomy"]["title"], auxiliary["modality"]) == ("Lung", "computerized tomography")


def test_a_table_says_what_is_simulated_about_an_auxiliary_cohort(joint: Study) -> None:
    notice = "auxiliary Chests: simulated anatomy, simulated CT"
    assert (joint.tables["table3"]["notices"], joint.tables["table4"]["notices"]) == ([], [notice])
    assert joint.tables["table4"]["cohorts"] == joint.tables["table3"]["cohorts"]


def test_the_rows_of_table4_are_the_papers_lines(joint: Study, root: Path) -> None:
    rows = joint.tables["table4"]["rows"]
    lines = {str(line["id"]): line for line in read_yaml(root / "config/reported.yaml")["table4"]["rows"]}
    used = [lines[row["reported"]] for row in rows]
    assert [next(iter(line)) for line in used] == ["id"] * 3
    details = [list(row["details"].values()) for row in rows]
    assert details == [["yes" if line[key] else "-" for key in ("lung_data", "lung_encoding")] for line in used]
    assert [line["dice"] for line in used] == [60.75, 59.81, 62.07]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"cohorts": {"primary": "hippocampus_mr"}},
            "cohorts: run 'textscf_lung' needs cohort 'auxiliary', which is not defined; expected one of primary",
        ),
        (
            {"cohorts": {"primary": "hippocampus_mr", "auxiliary": "hippocampus_mr"}},
            "run 'textscf_lung': auxiliary.cohort: 'hippocampus_mr' is the run's own cohort",
        ),
        ({"runs": {"textscf_lung": {"auxiliary": {"encoded": True}}}}, "unknown key 'encoded'; did you mean 'encode'?"),
        (
            {"runs": {"textscf_lung_encoded": {"head": None}}},
            "run 'textscf_lung_encoded': auxiliary.encode: found true; expected a text-driven head",
        ),
        ({"runs": {"textscf": {"head": {"prompts": "minilm.lung_ct"}}}}, "'minilm.lung_ct' does not match"),
    ],
)
def test_mistakes_about_an_auxiliary_cohort_are_named(with_lung: Path, changes: dict[str, Any], message: str) -> None:
    study = merge(study_with(**JOINT), changes) | {key: changes[key] for key in changes if key == "cohorts"}
    with pytest.raises(InputError) as error:
        load_study(study, with_lung)
    assert message in str(error.value)


def test_lapirn_is_one_variant_everywhere_with_four_times_its_authors_lambda(root: Path) -> None:
    """Appendix A's 3.5, the code's 1.0, and 3.5 on the velocity: half voxels there, voxels here."""
    study = load_study(read_yaml(root / "config/paper.yaml"), root / "config")
    loss = {"similarity": "multi_window_ncc", "dice": 1.0, "regularise": "displacement", "padding": "border"}
    published = {"lapirn": 3.5, "brain_lapirn": 3.5, "lapirn_weaker": 1.0, "lapirn_scf": 3.5}
    for name, weight in published.items():
        assert study.runs[name]["loss"] == {**loss, "smoothness": 4 * weight}
        assert study.runs[name]["network"]["backbone"]["integration_steps"] == 0
    diff = study.runs["lapirn_diff"]
    assert diff["loss"] == {**loss, "smoothness": 14.0, "regularise": "velocity"}
    assert diff["network"]["backbone"]["integration_steps"] == 7
    trained = [run for run in study.runs.values() if run["method"] == "learned"]
    pyramids = [run for run in trained if run["network"]["backbone"]["name"] == "lapirn"]
    assert {run["training"]["decay_power"] for run in pyramids} == {0}
    items = {**study.tables, **study.figures}
    rows = [row for item in items.values() for row in item["rows"] if row["label"] == "LapIRN"]
    variants = {(study.runs[run]["network"]["backbone"]["integration_steps"]) for row in rows for run in row["runs"]}
    assert (len(rows), variants) == (11, {0})


def test_the_paper_study_goes_beyond_32_start_channels_and_crosses_what_figure8_varies(root: Path) -> None:
    study = load_study(read_yaml(root / "config/paper.yaml"), root / "config")
    rows = {row["run"]: row for name in ("figure5b", "figure5c", "figure8") for row in study.figures[name]["rows"]}
    channels = "backbone_options.start_channels"
    sizes = {run: [point["swept"][channels] for point in row["points"]] for run, row in rows.items() if "size" in run}
    beyond = {"textscf_size": [8, 16, 32, 64], "lku_net_size": [8, 16, 32, 64], "brain_textscf_size": [32, 64, 96]}
    assert sizes == {**beyond, "lapirn_size": [8, 16, 32]}
    assert study.groups["brain_textscf_size-start_channels32"] == ["brain_textscf"]
    crossed = [study.runs[run] for run in rows["textscf_smoothness"]["runs"]]
    settings = {(run["segmentor"], run["network"]["backbone"]["start_channels"]) for run in crossed}
    assert settings == set(itertools.product(("ground_truth", "base", "tiny"), (8, 32)))
    assert len(set(rows["textscf_smoothness"]["runs"])) == 36


def test_another_study_has_no_trace_of_the_default_one(root: Path) -> None:
    demo, other = (load_study(read_yaml(root / f"config/{n}.yaml"), root / "config") for n in ("demo", "hippocampus"))
    assert not set(demo.cohorts.values()) & set(other.cohorts.values())


def test_settings_of_a_cohort_have_anatomy_and_phantom_inlined_and_no_segmentors(folder: Path) -> None:
    catalogue = Catalogue(folder)
    simulated = catalogue.cohort("simulated_abdomen")
    assert simulated["name"] == "simulated_abdomen"
    assert len(simulated["anatomy"]["structures"]) == 13
    assert isinstance(simulated["source"]["phantom"], dict)
    assert "segmentors" not in simulated
    assert isinstance(catalogue.cohort("abdomen_anatomy")["simulate_ct"]["phantom"], dict)


def test_owners_of_settings_files(folder: Path) -> None:
    study = load_study(STUDY, folder)
    assert stage_settings(study, "cohorts/hippocampus_mr/segmentations/ground_truth") == {"source": "ground_truth"}
    assert stage_settings(study, "cohorts/hippocampus_mr/prompts/minilm")["modality"] == "magnetic resonance imaging"
    assert stage_settings(study, "small/tables/table3")["rows"][-1]["runs"] == ["textscf", "textscf_seed2"]
    assert stage_settings(study, "small/figures/figure3")["notices"] == []
    with pytest.raises(InputError, match=r"results/small/runs/nobody/config\.yaml: nothing of this name"):
        stage_settings(study, "small/runs/nobody")


def test_the_report_is_about_table3_and_figure3_where_they_are(folder: Path) -> None:
    study = load_study(study_with(experiments=["table5", "table3"], not_run=UNTRAINED), folder)
    whole, first = (stage_settings(study, f"small/{part}") for part in ("report", "quick"))
    main = {"table": "small/tables/table3", "figure": "small/figures/figure3"}
    assert whole["headline"] == first["headline"] == main
    assert whole["tables"] == [
        "small/tables/table5",
        "small/tables/table3",
        "small/tables/structures",
        "complexity/claim",
    ]
    figures = ("region_gain", "figure3", "differences", "curves")
    assert whole["figures"] == [f"small/figures/{name}" for name in figures]
    assert {Path(example["figure"]).name: example["pair"] for example in whole["examples"]} == {
        "example": "median",
        "best": "best",
        "worst": "worst",
    }
    assert set(whole["runs"]) - set(first["runs"]) >= {"textscf_ground_truth"}
    assert (first["tables"], first["figures"], first["examples"]) == ([main["table"]], [main["figure"]], [])
    assert [cohort["title"] for cohort in whole["cohorts"]] == [
        stage_settings(study, "cohorts/hippocampus_mr")["title"]
    ]


def test_the_first_part_has_the_gain_from_text_where_the_study_shows_it(folder: Path) -> None:
    study = load_study(study_with(experiments=["table3", "figure7", "complexity"]), folder)
    first = stage_settings(study, "small/quick")
    assert first["figures"] == ["small/figures/figure3", "small/figures/figure7"]
    assert "lapirn_scf" in first["runs"]


def test_the_main_result_is_that_of_a_report_made_by_this_call(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    files = StudyFiles(load_study(study_with(experiments=["table3", "complexity"]), folder))
    study = Path("results/small")
    study.mkdir(parents=True)
    for part, made in (("report", 1000), ("quick", 2000)):
        (study / f"{part}.txt").write_text(f"Words of {part}.\n")
        (study / f"{part}.html").touch()
        os.utime(study / f"{part}.html", (made, made))
    assert files.main_result(500) == "Words of report.\nSee results/small/report.html\n"
    assert files.main_result(1500) == "Words of quick.\nSee results/small/quick.html\n"
    assert files.main_result(2500) == ""


def test_costly_metrics_are_asked_for_by_the_tables_that_name_them(folder: Path) -> None:
    study = load_study(study_with(experiments=["table3", "complexity"]), folder)
    assert StudyFiles(study).requested_metrics("syn") == []
    edit(folder / "experiments/table3.yaml", tables={"table3": {"metrics": ["dice", "ndv_fraction", "sdlogj"]}})
    study = load_study(study_with(experiments=["table3", "complexity"]), folder)
    assert StudyFiles(study).requested_metrics("syn") == ["ndv_fraction"]


def test_a_stage_without_an_epoch_is_found_before_anything_runs(folder: Path) -> None:
    with pytest.raises(
        InputError, match=r"run 'lapirn': training\.stages: stage 1 of 3 has no epoch of 2; raise epochs"
    ):
        load_study(study_with(experiments=["table3"], defaults={"training": {"epochs": 2}}), folder)


def test_the_report_of_a_study_without_table3_is_about_its_first_table(folder: Path) -> None:
    edit(folder / "experiments" / "table5.yaml", runs={"textscf": {}, "lku_net": {"head": None}})
    study = load_study(study_with(experiments=["table5"], not_run=UNTRAINED), folder)
    headline = {"table": "small/tables/table5", "figure": "small/figures/region_gain"}
    assert stage_settings(study, "small/quick")["headline"] == headline


def test_files_of_the_report_are_those_that_it_shows(folder: Path) -> None:
    study = load_study(study_with(experiments=["table3", "complexity"]), folder)
    results = "results/small"
    first, whole = (StudyFiles(study).report(part) for part in ("quick", "report"))
    assert len(first) == len(set(first))
    assert set(first) < set(whole)
    assert {f"{results}/tables/table3{suffix}" for suffix in (".json", ".csv", "_tests.csv", "/config.yaml")} <= set(
        first
    )
    assert {f"{results}/figures/figure3{suffix}" for suffix in (".png", ".txt", "/config.yaml")} <= set(first)
    trained = {"history.csv", "timing.json", "environment.json", "config.yaml"}
    assert {Path(path).name for path in first if "/textscf/" in path} == trained
    assert {Path(path).name for path in first if "/runs/initial/" in path} == {"config.yaml"}
    assert "results/complexity/claim.json" in whole
    assert f"{results}/tables/complexity_tests.csv" not in whole
    assert f"{results}/figures/example.png" in whole


def test_a_number_is_a_target_for_all_parts_with_a_letter() -> None:
    targets = StudyFiles.targets(["table3", "figure4a", "figure4b", "example", "complexity"])
    assert targets.pop("figure4") == ["figure4a", "figure4b"]
    assert targets == {name: [name] for name in ("table3", "figure4a", "figure4b", "example", "complexity")}


def test_files_of_a_study(folder: Path) -> None:
    files = StudyFiles(load_study(STUDY, folder))
    cohort = "results/cohorts/hippocampus_mr"
    assert files.source("hippocampus_mr") == [f"{cohort}/source.json"]
    assert files.source("simulated_abdomen") == []
    assert (files.raw("hippocampus_mr"), files.raw_folder("hippocampus_mr")) == (
        f"{cohort}/source.json",
        f"{cohort}/source",
    )
    assert files.raw("abdomen_anatomy").endswith("raw/simulation.json")
    assert files.raw_folder("simulated_abdomen").endswith("simulated_abdomen/raw")
    assert files.head("textscf") == {
        "segmentation": f"{cohort}/segmentations/tiny/segmentation.json",
        "embedding": f"{cohort}/prompts/minilm/embedding.npz",
    }
    assert files.head("lku_net") == files.head("initial") == {}
    assert files.segmentor_network("hippocampus_mr", "tiny") == [f"{cohort}/segmentations/tiny/network.pt"]
    assert files.segmentor_network("hippocampus_mr", "ground_truth") == []
    weights = "results/cohorts/abdomen_ct/segmentations/base/weights.pt"
    assert files.segmentor_network("abdomen_ct", "base") == [weights]
    assert files.segmenting("abdomen_ct", "base") == {"network": weights, "raw": "results/cohorts/abdomen_ct/source"}
    assert files.segmenting("hippocampus_mr", "tiny") == {"network": f"{cohort}/segmentations/tiny/network.pt"}
    assert files.segmenting("hippocampus_mr", "ground_truth") == {}
    assert files.checkpoints(["initial", "lku_net"]) == ["results/small/runs/lku_net/checkpoint.pt"]
    assert len(files.metrics("table3")) == 2 * (2 + 2 * 10)
    assert files.figure("figure3") == []
    assert len(files.figure("example")) == 7
    assert files.segmentors() == ["results/cohorts/hippocampus_mr/segmentations/tiny/accuracy_by_split.csv"]
    study = load_study(study_with(experiments=["table3", "figure7", "complexity"]), folder)
    files = StudyFiles(study)
    last = stage_settings(study, "small/figures/figure7")["rows"][-1]
    assert last["with_head"]["runs"] == ["textscf", "textscf_seed2"]
    both = {f"results/small/runs/{run}/pairs.csv" for run in ("lku_net", "lapirn_scf")}
    assert both <= set(files.metrics("figure7"))
    assert sorted(files.complexity("complexity")) == files.complexity_counts()
    assert len(files.complexity_counts()) == len(files.complexity_settings()) == 9
    read = ["cohort.json", "prompts/minilm/embedding.npz", "segmentations/tiny/config.yaml"]
    assert files.complexity_shapes() == [f"{cohort}/{name}" for name in read]
    assert (files.tables("accuracy"), files.tables("complexity")) == (["table3"], ["complexity"])
    assert files.prompt_sets() == [f"{cohort}/prompts/minilm/similarity.png"]


def test_what_the_first_report_waits_for_longest_runs_first(folder: Path) -> None:
    runs = {"textscf": {"training": {"epochs": 3000}}}
    study = load_study(study_with(experiments=["table3", "table5"], runs=runs, not_run=UNTRAINED), folder)
    priority = Order(study).priority
    cohort = {"cohort": "hippocampus_mr"}
    assert priority(cohort) == priority({**cohort, "segmentor": "tiny"}) == priority({**cohort, "prompts": "minilm"})
    assert priority({"owner": "cohorts/hippocampus_mr/segmentations/tiny"}) == priority(cohort)
    assert priority(cohort) > priority({"run": "syn"}) > priority({"run": "textscf"})
    assert priority({"owner": "small/runs/syn"}) == priority({"run": "syn"})
    assert priority({"run": "textscf"}) > priority({"run": "voxelmorph"})
    assert priority({"run": "voxelmorph"}) > priority({"run": "lku_net"}) > priority({"table": "table3"})
    assert priority({"table": "table3"}) == priority({"figure": "figure3"}) == priority({})
    later = {**cohort, "segmentor": "ground_truth"}
    assert priority({}) > priority(later) > priority({"run": "textscf_ground_truth"}) > 0
    assert priority({"table": "table5"}) == priority({"figure": "example"}) == 0


def test_a_figure_of_cost_reads_the_counts_of_each_points_first_seed(folder: Path) -> None:
    config = study_with(
        experiments=["table3", "figure5a", "figure5b"], not_run={"lku_net_size-start_channels16": "too long"}
    )
    files = StudyFiles(load_study(config, folder))
    names = [Path(path).parent.name for path in files.figure("figure5b")]
    single = ["voxelmorph", "transmorph", "tm_tvf", "fourier_net"]
    assert names[:5] == [*single, "lku_net_size-start_channels8"]
    assert len(names) == len([*single, "im2grid", "lapirn_diff"]) + (4 - 1) + 3 + 4
    assert [name for name in names if "_seed" in name] == []
    assert set(files.figure("figure5b")) <= set(files.complexity_counts())
    assert files.figure("figure5a") == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"titel": "x"}, "unknown key 'titel'; did you mean 'title'?"),
        ({"defaults": {"training": {"epoch": 3}}}, "defaults.training: unknown key 'epoch'; did you mean 'epochs'?"),
        ({"defaults": {"training": {"epochs": "three"}}}, "defaults.training.epochs: found 'three'; expected integer"),
        ({"defaults": {"training": {"epochs": 5.0}}}, "defaults.training.epochs: found 5.0; expected integer"),
        ({"defaults": {"head": {"hidden_channels": "1e3"}}}, "head.hidden_channels: found 1000.0; expected integer"),
        ({"defaults": {"training": {"epochs": 0}}}, "defaults.training.epochs: 0 is less than the minimum of 1"),
        ({"defaults": {"head": {"blend": "convx"}}}, "defaults.head.blend: found 'convx'; did you mean 'convex'?"),
        ({"runs": {"textscff": {}}}, "runs: run 'textscff' is not defined; did you mean 'textscf'?"),
        (
            {"cohorts": {"primary": "hippocampus"}},
            "cohort 'hippocampus' is not defined; did you mean 'hippocampus_mr'?",
        ),
        ({"experiments": ["table33"]}, "experiment 'table33' is not defined; did you mean 'table3'?"),
        ({"defaults": {"cohort": "brain"}}, "cohorts: run 'initial' needs cohort 'brain', which is not defined"),
        ({"defaults": {"backbone": "lku"}}, "unknown backbone 'lku'; did you mean 'lku_net'?"),
        ({"defaults": {"head": {"segmentor": "tinny"}}}, "segmentors: 'tinny' is not defined; did you mean 'tiny'?"),
        ({"defaults": {"head": {"prompts": "clip"}}}, "prompts 'clip' is not defined"),
        ({"study": "../up"}, "study: '../up' does not match"),
        ({"study": "cohorts"}, "study: 'cohorts' should not be valid"),
    ],
)
def test_mistakes_in_a_study_are_named(folder: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as error:
        load_study(study_with(**changes), folder, [])
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ({"run": "textsfc"}, "models.ours.run: 'textsfc' is not defined; did you mean 'textscf'?"),
        ({"run": "syn"}, "models.ours.run: 'syn' is not trained (method: syn)"),
        ({"seed": 7}, "models.ours.seed: 7; expected one of 1, 2"),
        (
            {"run": "textscf_ground_truth"},
            "models.ours.run: 'textscf_ground_truth' takes its regions from segmentor 'ground_truth', whose source is "
            "ground_truth; expected one with source train",
        ),
    ],
)
def test_a_model_that_cannot_be_released_is_named(folder: Path, model: dict[str, Any], message: str) -> None:
    ours = {"title": "Ours", "run": "textscf", "seed": 1, "purpose": "Registers.", "unfit": ["Lungs."], **model}
    config = study_with(experiments=["table3", "table5"], not_run=UNTRAINED, models={"ours": ours})
    with pytest.raises(InputError) as error:
        load_study(config, folder)
    assert message in str(error.value)
    left_out = merge(config, {"not_run": {"textscf*": "no time"}, "models": {"ours": {"run": "textscf", "seed": 7}}})
    assert load_study(left_out, folder).groups["textscf"] == []


def test_a_missing_key_is_named(folder: Path) -> None:
    with pytest.raises(InputError, match="configuration: key 'title' is missing"):
        load_study({key: value for key, value in STUDY.items() if key != "title"}, folder)


def test_the_file_is_named_and_a_key_given_twice_is_refused(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(yaml.safe_dump(study_with(title=3)))
    with pytest.raises(InputError, match=r"study\.yaml: title: found 3; expected string"):
        load_study(read_yaml(path), folder, [path])
    path.write_text("study: a\ntitle: b\nstudy: c\n")
    with pytest.raises(InputError, match=r"study\.yaml: line 3: key 'study' is used twice"):
        load_study(STUDY, folder, [path])


def test_a_run_name_used_twice_is_refused(folder: Path) -> None:
    experiment = folder / "experiments" / "table3.yaml"
    (folder / "experiments" / "again.yaml").write_text(experiment.read_text())
    with pytest.raises(InputError, match=r"again\.yaml: runs: name 'initial' is used twice"):
        load_study(study_with(experiments=["table3", "again"]), folder)
    experiment.write_text("runs:\n  textscf: {}\n  textscf: {}\n")
    with pytest.raises(InputError, match=r"table3\.yaml: line 3: key 'textscf' is used twice"):
        load_study(STUDY, folder)


def test_a_run_name_that_another_runs_seed_takes_is_refused(folder: Path) -> None:
    edit(folder / "experiments" / "table3.yaml", runs={"textscf_seed2": {"seeds": [1], "loss": {"dice": 2}}})
    with pytest.raises(InputError, match="run name 'textscf_seed2' is used twice"):
        load_study(STUDY, folder)


def test_an_undefined_run_in_a_table_is_named(folder: Path) -> None:
    edit(folder / "experiments" / "table3.yaml", tables={"table3": {"rows": [{"run": "textscff", "label": "x"}]}})
    with pytest.raises(InputError, match=r"tables\.table3: run 'textscff' is not defined; did you mean 'textscf'"):
        load_study(STUDY, folder)


def test_an_undefined_run_with_head_is_named(folder: Path) -> None:
    rows = [{"run": "lku_net", "with_head": "textscff", "label": "x"}]
    edit(folder / "experiments" / "figure7.yaml", figures={"figure7": {"rows": rows}})
    with pytest.raises(InputError, match=r"figures\.figure7: run 'textscff' is not defined; did you mean 'textscf'"):
        load_study(study_with(experiments=["table3", "figure7"]), folder)


def test_a_study_may_not_take_a_folder_of_the_results(folder: Path) -> None:
    with pytest.raises(InputError, match="study: found 'complexity', a folder of results/"):
        load_study(study_with(study="complexity"), folder)


@pytest.mark.parametrize("name", ["a b", "../x", "a;b", "-x"])
def test_a_run_name_unfit_for_a_path_is_refused(folder: Path, name: str) -> None:
    edit(folder / "experiments" / "table3.yaml", runs={name: {}})
    with pytest.raises(InputError, match=r"runs: .* is not a valid name; expected letters, digits, '_', '-' and '\.'"):
        load_study(STUDY, folder)


def test_a_table_or_figure_with_capitals_in_its_name_is_refused_by_that_name(folder: Path) -> None:
    figure = {"kind": "dice_boxplot", "caption": "Dice.", "rows": [{"run": "textscf", "label": "textSCF"}]}
    edit(folder / "experiments" / "table3.yaml", figures={"figure_a": figure, "Figure": figure})
    with pytest.raises(InputError, match="'Figure' is not a valid name; expected lower-case letters, digits and '_'"):
        load_study(STUDY, folder)


@pytest.mark.parametrize(
    ("kind", "file", "changes", "message"),
    [
        ("cohorts", "hippocampus_mr", {"spacng": 1}, "unknown key 'spacng'"),
        ("cohorts", "hippocampus_mr", {"preprocess": {"axes": "XYZ"}}, "preprocess.axes: 'XYZ' does not match"),
        ("data_sets", "hippocampus_mr", {"releases": [{"checksum": "abc"}]}, "releases.0"),
        ("anatomies", "hippocampus", {"structures": [{"label": 0}]}, "structures.0"),
        ("prompts", "minilm", {"encoder": "clip"}, "encoder: found 'clip'"),
        ("experiments", "complexity", {"tables": {"complexity": {"convention": "paper"}}}, "unknown key 'convention'"),
        (
            "experiments",
            "figure7",
            {"figures": {"figure7": {"rows": [{"run": "lku_net", "label": "x"}]}}},
            "key 'with_head' is missing",
        ),
        (
            "experiments",
            "table3",
            {"figures": {"figure3": {"structure": "liver"}}},
            "figures.figure3.kind: 'field' was expected; expected: field, which alone has the key structure",
        ),
        ("experiments", "table3", {"figures": {"example": {"pair": "bst"}}}, "pair: found 'bst'; did you mean 'best'?"),
        (
            "experiments",
            "table3",
            {"figures": {"figure3": {"reported": "table3"}}},
            "figures.figure3.kind: 'dice_boxplot' does not match",
        ),
    ],
)
def test_mistakes_in_other_files_are_named(
    folder: Path, kind: str, file: str, changes: dict[str, Any], message: str
) -> None:
    edit(folder / kind / f"{file}.yaml", **changes)
    with pytest.raises(InputError) as error:
        load_study(study_with(experiments=["table3", "figure7", "complexity"]), folder)
    assert f"{file}.yaml" in str(error.value)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("file", "changes", "message"),
    [
        ("table3", {"reported": "tabel3"}, "table3: reported: the paper's values have no 'tabel3'; did you mean"),
        ("table3", {"reported": "figure8"}, "the paper's values have no 'figure8'"),
        ("table3", {"reference": "textsfc"}, "reference 'textsfc' is not the run of a row; did you mean 'textscf'?"),
        (
            "table3",
            {"rows": [{"run": "lku_net", "label": "x", "reported": "LKUNet"}], "reference": "lku_net"},
            "row 'lku_net': reported: table3 has no 'LKUNet'; did you mean 'LKU-Net'?",
        ),
        (
            "table3",
            {"rows": [{"run": "lku_net", "label": "x", "details": {"A": "1"}}, {"run": "textscf", "label": "y"}]},
            "details: [] in row 'textscf'; expected ['A'] in each row",
        ),
    ],
)
def test_what_a_table_refers_to_is_checked_before_anything_runs(
    folder: Path, file: str, changes: dict[str, Any], message: str
) -> None:
    edit(folder / f"experiments/{file}.yaml", tables={file: changes})
    with pytest.raises(InputError) as error:
        load_study(STUDY, folder)
    assert message in str(error.value)


def test_a_split_without_a_pair_is_found_before_anything_runs(folder: Path) -> None:
    path = folder / "cohorts/hippocampus_mr.yaml"
    test = read_yaml(path)["splits"]["test"]
    edit(path, splits={"test": [900]}, pairs={"test": "all"})
    with pytest.raises(InputError, match=r"pairs\.test: all: splits\.test has 1 subjects; expected 2 or more"):
        load_study(STUDY, folder)
    edit(path, splits={"train": [1], "test": test})
    with pytest.raises(InputError, match="cohort 'hippocampus_mr' has 1 training subject; expected 2 or more"):
        load_study(STUDY, folder)
    load_study(study_with(not_run={"[!is]*": "too slow", "im2grid": "too slow"}), folder)


def test_two_structures_of_one_name_are_refused(folder: Path) -> None:
    path = folder / "anatomies/hippocampus.yaml"
    structures = read_yaml(path)["structures"]
    edit(path, structures=[structures[0], {**structures[1], "name": structures[0]["name"]}])
    with pytest.raises(InputError, match=r"hippocampus\.yaml: structures: '.*' is the name of 2; expected"):
        load_study(STUDY, folder)


def test_training_stages_are_those_of_the_backbone(folder: Path) -> None:
    for name, expected in {"textscf": 1, "lapirn": 3}.items():
        runs = {name: {"training": {"stages": [{"share": 1, "frozen": 0}] * 2}}}
        message = rf"run '{name}.*training\.stages: found 2 stages; expected {expected}, as the backbone has"
        with pytest.raises(InputError, match=message):
            load_study(study_with(runs=runs), folder)


def test_an_even_kernel_is_refused(folder: Path) -> None:
    with pytest.raises(InputError, match="backbone_options of lku_net: kernel_size: 4 should not be valid"):
        load_study(study_with(runs={"lku_net": {"backbone_options": {"kernel_size": 4}}}), folder)


def test_an_unknown_data_set_is_named(folder: Path) -> None:
    edit(folder / "cohorts/hippocampus_mr.yaml", source={"data_set": "hippocampus"})
    with pytest.raises(InputError, match="data_set 'hippocampus' is not defined; did you mean 'hippocampus_mr'"):
        load_study(STUDY, folder)


def test_a_template_of_aligned_scans_is_an_input_of_their_preparation(folder: Path) -> None:
    path = folder / "cohorts/simulated_abdomen.yaml"
    for align, expected in (({"to": "first"}, []), ({"to": "mni.nii.gz", "kind": "affine"}, ["mni.nii.gz"])):
        edit(path, preprocess={"align": align})
        content = {key: value for key, value in read_yaml(path).items() if key != "learn2reg"}
        content["segmentors"]["tiny"] = content["segmentors"]["trained"]
        path.write_text(yaml.safe_dump(content))
        study = load_study(read_yaml(folder / "demo.yaml"), folder)
        assert study.cohort("simulated_abdomen")["preprocess"]["align"] == align
        assert StudyFiles(study).template("simulated_abdomen") == expected
    edit(path, preprocess={"align": {"to": "first", "kind": "elastic"}})
    with pytest.raises(InputError, match=r"preprocess\.align\.kind: .*'elastic'.*rigid"):
        load_study(read_yaml(folder / "demo.yaml"), folder)


def test_files_that_a_text_encoder_reads_are_inputs_of_the_embedding(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "weights.pt").touch()
    prompts = {
        "vectors": {"encoder": "file", "file": "mine/vectors.npz"},
        "own": {"encoder": "open_clip", "model": "RN50", "pretrained": str(tmp_path / "weights.pt")},
        "tag": {"encoder": "open_clip", "model": "RN50", "pretrained": "openai"},
    }
    for name, content in prompts.items():
        (folder / f"prompts/{name}.yaml").write_text(yaml.safe_dump(content))
    files = StudyFiles(load_study(STUDY, folder))
    found = {name: files.encoder_files("hippocampus_mr", name) for name in (*prompts, "minilm")}
    assert found == {"vectors": ["mine/vectors.npz"], "own": [str(tmp_path / "weights.pt")], "tag": [], "minilm": []}


def test_a_cohort_has_its_data_sets_terms(folder: Path) -> None:
    cohort, data_set = Catalogue(folder).cohort("oasis"), read_yaml(folder / "data_sets/oasis.yaml")
    assert {key: cohort[key] for key in ("licence", "citation")} == {
        key: data_set[key] for key in ("licence", "citation")
    }
    assert cohort["source"] == {
        **{"kind": "archive", "data_set": "oasis"},
        **{key: data_set[key] for key in ("agreement", "releases")},
    }


def test_a_simulated_cohort_needs_its_own_licence(folder: Path) -> None:
    path = folder / "cohorts/simulated_abdomen.yaml"
    cohort = read_yaml(path)
    del cohort["licence"]
    path.write_text(yaml.safe_dump(cohort))
    with pytest.raises(InputError, match=r"simulated_abdomen\.yaml: key 'licence' is missing"):
        Catalogue(folder).cohort("simulated_abdomen")


def test_only_data_sets_can_be_accepted(folder: Path) -> None:
    load_study(study_with(accept="oasis, abdomen_ct"), folder)
    load_study(study_with(accept=None), folder)
    with pytest.raises(InputError, match="accept: data set 'abdomen' is not defined; did you mean 'abdomen_ct'"):
        load_study(study_with(accept="oasis,abdomen"), folder)


def test_a_run_that_is_not_there_is_answered_with_those_that_are(folder: Path) -> None:
    changes = {"not_run": {"tm_tvf": "too large"}, "runs": {"lapirn": {"seeds": [2, 3]}}}
    runs = load_study(study_with(**changes), folder).runs
    for name, message in (
        ("lapirn", "no run 'lapirn', but one for each seed: lapirn_seed2, lapirn_seed3"),
        ("tm_tvf", "no run 'tm_tvf', as not_run or only_finished leaves it out"),
        ("textsfc", "no run 'textsfc'; did you mean 'textscf'"),
    ):
        with pytest.raises(InputError, match=f"study small: there is {message}"):
            runs[name]


def test_settings_for_runs_of_experiments_that_are_left_out_do_nothing(folder: Path) -> None:
    config = study_with(not_run={"textscf_base": "no segmentor of this size"}, runs={"lku_net_size*": {"seeds": [1]}})
    assert load_study(config, folder).runs == load_study(STUDY, folder).runs
    with pytest.raises(InputError, match="not_run: run 'textscf_bass' is not defined"):
        load_study(study_with(not_run={"textscf_bass": "a typing error"}), folder)


def test_keys_that_are_no_text_are_refused(folder: Path) -> None:
    with pytest.raises(InputError, match=r"found the key 1; expected text, such as '1' in quotation marks"):
        load_study(study_with(not_run={1: "no reason"}), folder)
