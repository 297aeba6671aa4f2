"""Captions of tables and figures, and the templates of Snakemake's report."""

import pytest

from tests.result_files import table_spec
from textscf.files.io import write_yaml
from textscf.results import captions
from textscf.results.items import load_item


def _item(folder, **changes):
    write_yaml(folder / "item.yaml", table_spec(**changes))
    return load_item(folder / "item.yaml")


def test_study_cohorts_and_notices_follow_the_items_own_sentence(tmp_path):
    item = _item(tmp_path, caption="Accuracy", cohorts=["CT one", "CT two"], notices=["simulated CT", "few subjects"])
    assert captions.subject_sentences(item) == [
        "Accuracy.",
        "Study: Toy abdomen. Cohorts: CT one; CT two (simulated CT; few subjects).",
    ]


def test_a_cohort_without_notice_has_no_parentheses(tmp_path):
    assert captions.subject_sentences(_item(tmp_path, notices=[]))[1].endswith("Cohort: Simulated abdomen.")


def test_conventions_say_how_missing_structures_count():
    assert "Dice 0" in captions.convention_sentence("paper")
    assert "left out" in captions.convention_sentence("learn2reg")


@pytest.mark.parametrize(
    ("counts", "phrase"), [([], "no training"), ([1, 1], "1 seed"), ([3, 3], "3 seeds"), ([1, 3], "1 to 3 seeds")]
)
def test_seeds_in_words(counts, phrase):
    assert captions.seeds_phrase(counts) == phrase


@pytest.mark.parametrize(
    ("counts", "phrase"), [([1], "1 test pair"), ([42], "42 test pairs"), ([19, 42], "19 or 42 test pairs")]
)
def test_pairs_in_words(counts, phrase):
    assert captions.pairs_phrase(counts) == phrase


@pytest.mark.parametrize(
    ("steps", "phrase"), [(90, "10 epochs of 90 steps"), (None, "10 epochs of all training pairs")]
)
def test_length_of_a_training_in_words(steps, phrase):
    assert captions.schedule_phrase(10, steps) == phrase


@pytest.mark.parametrize(("steps", "phrase"), [(90, "900 steps"), (250, "2,500 steps"), (None, "10 epochs of all")])
def test_steps_of_a_training_in_words(steps, phrase):
    assert captions.steps_phrase(10, steps).startswith(phrase)


def test_methods_that_were_trained_for_longer_than_others_are_named():
    assert captions.training_sentences({}) == []
    assert captions.training_sentences({"A": "2 epochs", "B": "2 epochs"}) == ["Training: 2 epochs."]
    assert captions.training_sentences({"A": "2 epochs", "B": "5 epochs", "C": "2 epochs"}) == [
        "Training differs: A, C 2 epochs; B 5 epochs."
    ]


def test_what_is_left_out_is_named_with_the_reasons(tmp_path):
    assert captions.not_run_sentences(_item(tmp_path)) == []
    rows = table_spec()["rows"]
    rows[0] |= {"runs": [], "not_run": "no GPU"}
    rows[1]["with_head"] = {"run": "lku_net_scf", "label": "LKU-Net", "runs": [], "not_run": "too long"}
    swept = {"loss.smoothness": 0.1, "backbone_options.integration_steps": 7}
    point = {"run": "p", "label": "textSCF", "runs": [], "swept": swept, "not_run": "no GPU"}
    rows[2]["points"] = [point, {"run": "q", "label": "textSCF", "runs": ["q"], "swept": swept}]
    assert captions.not_run_sentences(_item(tmp_path, rows=rows)) == [
        "Not run: Initial, textSCF with smoothness 0.1 and integration steps 7 (no GPU); "
        "LKU-Net with the text-driven head (too long)."
    ]
    rows[2] |= {"runs": [], "not_run": "no GPU"}
    assert captions.not_run_sentences(_item(tmp_path, rows=rows))[0].startswith("Not run: Initial, textSCF (no GPU)")


def test_only_rows_that_see_the_labels_are_marked(tmp_path):
    spec = table_spec()
    assert captions.leakage_sentences(_item(tmp_path)) == []
    spec["rows"][2]["segmentor"] = "ground_truth"
    item = _item(tmp_path, rows=spec["rows"])
    assert [captions.marked_label(row) for row in item.rows] == ["Initial", "LKU-Net", "textSCF †"]
    (sentence,) = captions.leakage_sentences(item)
    assert sentence == ("† textSCF uses the fixed scan's ground-truth labels as input, on which it is scored.")
    spec["rows"][1]["segmentor"] = "ground_truth"
    assert "LKU-Net, textSCF use" in captions.leakage_sentences(_item(tmp_path, rows=spec["rows"]))[0]
