"""Tables: every number recomputed from the CSV files with plain pandas, and what readers are told about them."""

import re
import subprocess
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from tests.python_server import python
from tests.result_files import table_spec, write_runs
from textscf.errors import InputError
from textscf.files.io import read_json, read_yaml, write_csv, write_json, write_yaml
from textscf.results.items import Results, load_item
from textscf.tables.accuracy_table import significance
from textscf.tables.comparison import compare
from textscf.tables.display import display
from textscf.tables.formats import to_html, to_latex, to_markdown
from textscf.tables.table_kinds import KINDS, make
from textscf.tables.written import read_readable, write_table

HEADING = "More & more"
REMARK = "More: on one core."


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    write_runs(folder, table_spec())
    return Results(folder, "toy")


@pytest.fixture
def reported(root):
    return root / "config/reported.yaml"


def _item(folder, **changes):
    write_yaml(folder / "item.yaml", table_spec(**changes))
    return load_item(folder / "item.yaml")


def _leaky_rows(*runs):
    rows = table_spec()["rows"]
    return [row | {"segmentor": "ground_truth"} if row["run"] in runs else row for row in rows]


def _csv(results, run, name):
    return pd.read_csv(results.folder / "toy/runs" / run / name)


def _paper_dice(metrics):
    filled = metrics.assign(dice=metrics["dice"].fillna(0))
    return 100 * filled.groupby(["fixed", "moving"])["dice"].mean().mean()


def test_dice_is_the_mean_and_deviation_over_seeds_of_means_of_pair_means(results, reported, tmp_path):
    table = compare(_item(tmp_path), results, reported).set_index("run")
    dice = [_paper_dice(_csv(results, f"textscf_seed{seed}", "metrics.csv")) for seed in (1, 2)]
    assert table.loc["textscf", "dice_percent"] == pytest.approx(np.mean(dice))
    assert table.loc["textscf", "dice_percent_sd"] == pytest.approx(abs(dice[0] - dice[1]) / np.sqrt(2))
    assert np.isnan(table.loc["initial", "dice_percent_sd"])
    assert list(table["seeds"]) == [0, 2, 2]
    assert set(table["pairs"]) == {42}


def test_hd95_of_a_lost_structure_depends_on_the_convention(results, reported, tmp_path):
    paper = compare(_item(tmp_path), results, reported).set_index("run")
    challenge = compare(_item(tmp_path, convention="learn2reg"), results, reported).set_index("run")
    means = []
    for seed in (1, 2):
        metrics = _csv(results, f"lku_net_seed{seed}", "metrics.csv")
        metrics["hd95"] = metrics["hd95"].replace(np.inf, 35.0)
        means.append(metrics.groupby(["fixed", "moving"])["hd95"].mean().mean())
    assert paper.loc["lku_net", "hd95_mm"] == pytest.approx(np.mean(means))
    assert challenge.loc["lku_net", "hd95_mm"] == np.inf
    assert np.isnan(challenge.loc["lku_net", "hd95_mm_sd"])
    left_out = _csv(results, "initial", "metrics.csv").groupby(["fixed", "moving"])["dice"].mean().mean()
    assert challenge.loc["initial", "dice_percent"] == pytest.approx(100 * left_out)
    assert challenge.loc["initial", "dice_percent"] > paper.loc["initial", "dice_percent"]


@pytest.mark.parametrize(
    ("column", "source", "scale"),
    [
        ("sdlogj", "sdlogj", 1),
        ("nonpositive_jacobian_percent", "nonpositive_jacobian_fraction", 100),
        ("seconds", "seconds", 1),
    ],
)
def test_metrics_of_the_field_are_means_over_pairs(results, reported, tmp_path, column, source, scale):
    table = compare(_item(tmp_path), results, reported).set_index("run")
    expected = [_csv(results, f"lku_net_seed{seed}", "pairs.csv")[source].mean() * scale for seed in (1, 2)]
    assert table.loc["lku_net", column] == pytest.approx(np.mean(expected))
    assert table.loc["lku_net", f"{column}_sd"] == pytest.approx(np.std(expected, ddof=1))
    assert np.isnan(table.loc["initial", column])


def test_the_papers_values_stand_beside_ours_for_the_papers_cohort(results, reported, tmp_path):
    table = compare(_item(tmp_path, paper_cohort=True), results, reported).set_index("run")
    printed = {row["method"]: row for row in read_yaml(reported)["table3"]["rows"]}
    for run, label in (("initial", "Initial"), ("lku_net", "LKU-Net"), ("textscf", "textSCF")):
        for metric, column in (("dice", "dice_percent"), ("hd95", "hd95_mm")):
            paper = printed[label][metric]
            assert table.loc[run, f"{column}_paper"] == paper
            assert table.loc[run, f"{column}_difference"] == pytest.approx(table.loc[run, column] - paper)
    assert np.isnan(table.loc["initial", "sdlogj_paper"])
    assert table.loc["textscf", "sdlogj_paper"] == 0.87


def test_unequal_training_is_told(reported, tmp_path):
    write_runs(tmp_path, table_spec())
    item, results = _item(tmp_path), Results(tmp_path, "toy")
    table = compare(item, results, reported)
    assert list(table["training"]) == ["", "10 epochs of 100 steps", "10 epochs of 100 steps"]
    assert "Training: 10 epochs of 100 steps." in display(item, table, {}).notes
    path = results.run_folder(item.rows[1].runs[0]) / "config.yaml"
    write_yaml(path, read_yaml(path) | {"training": {"epochs": 2, "steps_per_epoch": 50}})
    notes = make(item, results, reported).readable.notes
    assert "Training differs: LKU-Net 2 epochs of 50 steps; textSCF 10 epochs of 100 steps." in notes


def test_a_row_is_marked_if_one_of_its_seeds_has_not_converged(reported, tmp_path):
    write_runs(tmp_path, table_spec())
    item, results = _item(tmp_path), Results(tmp_path, "toy")
    table = compare(item, results, reported)
    assert list(table["converged"]) == [None, True, True]
    assert "§" not in to_markdown(display(item, table, {}))
    path = results.run_folder("textscf_seed2") / "timing.json"
    write_json(path, read_json(path) | {"converged": False, "last_rise": 0.01})
    table = compare(item, results, reported)
    assert list(table["converged"]) == [None, True, False]
    shown = display(item, table, {})
    assert [cell.text for cell in shown.columns[0].cells] == ["Initial", "LKU-Net ¶", "textSCF §"]
    (note,) = [note for note in shown.notes if note.startswith("§")]
    assert "less than 0.3 points" in note
    assert r"textSCF \S{}" in to_latex(shown)
    write_json(path, {"steps": 3})
    with pytest.raises(InputError, match=r"timing\.json: key 'best_validation_dice' is missing"):
        compare(item, results, reported)


def test_the_papers_values_are_not_shown_for_another_cohort(results, reported, tmp_path):
    made = make(_item(tmp_path), results, reported)
    assert not [column for column in made.frame if column.endswith(("_paper", "_difference"))]
    assert {column.subheading for column in made.readable.columns} == {""}


def test_a_row_that_was_not_run_says_so_with_its_reason_and_has_no_numbers(results, reported, tmp_path):
    rows = table_spec()["rows"]
    rows.insert(1, {"run": "im2grid", "label": "im2grid", "reported": "im2grid", "runs": [], "not_run": "no GPU"})
    item = _item(tmp_path, rows=rows, reported="table2", paper_cohort=True)
    table = compare(item, results, reported)
    line = table.set_index("run").loc["im2grid"]
    assert np.isnan(
        line[["dice_percent", "hd95_mm", "sdlogj", "seconds", "dice_percent_difference"]].astype(float)
    ).all()
    assert (line["dice_percent_paper"], line["not_run"], line["paper_quoted"]) == (89.35, "no GPU", True)
    shown = display(item, table, {})
    cells = {(c.heading.split()[0], c.subheading): [cell.text for cell in c.cells] for c in shown.columns}
    assert cells["Dice", "this run"][1] == "not run"
    assert cells["Dice", "paper"] == ["57.18", "89.35‡", "88.61", "90.05"]
    assert cells["HD95", "this run"][1] == cells["Seeds", ""][1] == "-"
    assert "Not run: im2grid (no GPU)." in shown.notes
    assert any(note.startswith("‡ quoted by the paper") for note in shown.notes)
    tests = significance(item, results)
    assert set(tests["method"]) == {"Initial", "LKU-Net"}


def test_a_reference_that_was_not_run_is_compared_with_nothing(results, reported, tmp_path):
    rows = table_spec()["rows"]
    rows[2] |= {"runs": [], "not_run": "no weights"}
    assert significance(_item(tmp_path, rows=rows), results).empty


def test_details_are_columns_and_metrics_may_be_few(results, reported, tmp_path):
    rows = [row | {"details": {"Prompt": f"of {row['label']}", "Encoder": "-"}} for row in table_spec()["rows"]]
    item = _item(tmp_path, rows=rows, metrics=["dice"])
    table = compare(item, results, reported)
    assert list(table["Prompt"]) == ["of Initial", "of LKU-Net", "of textSCF"]
    headings = [column.heading for column in display(item, table, {}).columns]
    assert headings == ["Method", "Prompt", "Encoder", "Dice (%) ↑", "Seeds"]
    rows[0]["details"] = {"Encoder": "-"}
    with pytest.raises(InputError, match="table3: its rows have details under different headings"):
        compare(_item(tmp_path, rows=rows), results, reported)


def test_a_sweep_has_no_place_in_a_table(results, reported, tmp_path):
    rows = table_spec()["rows"]
    rows[1] |= {"points": [rows[1] | {"swept": {"loss.smoothness": 1.0}}]}
    with pytest.raises(InputError, match="table3: 'lku_net' is a sweep; expected single runs"):
        compare(_item(tmp_path, rows=rows), results, reported)


def test_the_segmentors_accuracy_stands_beside_what_the_paper_says_of_it(reported, tmp_path):
    rows = table_spec()["rows"]
    rows[1] |= {"reported": "none"}
    rows[2] |= {"reported": "SwinUNETR tiny"}
    item = _item(tmp_path, rows=[rows[1], rows[2]], reported="table5", segmentor_accuracy=True, paper_cohort=True)
    write_runs(tmp_path, table_spec())
    folder = tmp_path / "cohorts/toy_cohort/segmentations/tiny"
    with pytest.raises(InputError, match=r"tiny/accuracy_by_split\.csv: no such file; expected the accuracy of a seg"):
        compare(item, Results(tmp_path, "toy"), reported)
    write_csv(folder / "accuracy_by_split.csv", pd.DataFrame({"split": ["train", "all"], "dice": [0.9, 0.65]}))
    table = compare(item, Results(tmp_path, "toy"), reported).set_index("run")
    assert np.isnan(table.loc["lku_net", "segmentor_dice_percent"])
    assert table.loc["textscf", "segmentor_dice_percent"] == pytest.approx(65)
    assert table.loc["textscf", "segmentor_dice_percent_difference"] == pytest.approx(65 - 63.35)
    assert display(item, table.reset_index(), {}).columns[1].heading == "Segmentor Dice (%) ↑"


def test_rows_of_a_block_stand_below_its_heading_in_all_formats(results, reported, tmp_path):
    rows = [row | {"block": HEADING} if row["run"] == "lku_net" else row for row in table_spec()["rows"]]
    rows.sort(key=lambda row: "block" in row)
    write_yaml(tmp_path / "item.yaml", table_spec(rows=rows, remarks=[REMARK]))
    made = make(load_item(tmp_path / "item.yaml"), results, reported)
    plain = make(_item(tmp_path), results, reported)
    assert list(made.frame["block"]) == ["", "", HEADING]
    assert "block" not in plain.frame
    assert REMARK in made.readable.notes
    headings = {
        to_markdown: r"\n\| \*\*More & more\*\* \|(  \|)+\n\| LKU-Net",
        to_latex: r"\n\\midrule\n\\multicolumn\{\d+\}\{l\}\{\\textit\{More \\& more\}\} \\\\\nLKU-Net",
        to_html: r'</tbody><tbody><tr class="block"><th colspan="\d+" scope="rowgroup">More &amp; more</th></tr><tr>',
    }
    for write, pattern in headings.items():
        assert len(re.findall(pattern, write(made.readable))) == 1
        assert "More" not in write(plain.readable)
    page = to_html(made.readable)
    assert re.findall(r"<tr><th scope=\"row\"[^>]*>([\w-]+)", page) == ["Initial", "textSCF", "LKU-Net"]
    write_table(made, tmp_path / "toy.csv")
    assert read_readable(tmp_path / "toy.json") == made.readable


def test_what_the_segmentation_costs_is_told(reported, tmp_path):
    item = _item(tmp_path)
    write_runs(tmp_path, table_spec())
    results = Results(tmp_path, "toy")
    assert not any("segmentation" in note for note in make(item, results, reported).readable.notes)
    folder = tmp_path / "cohorts/toy_cohort/segmentations/tiny"
    write_json(folder / "cost.json", {"parameters": 3_746_705, "seconds": {"s1": 0.5, "s2": 0.25, "s3": 9.0}})
    made = make(item, results, reported)
    assert (
        "Time per pair includes the segmentation of the fixed scan, and of the moving scan where a method compares "
        "regions, by a SwinUNETR; for a scan: textSCF 0.50 s, 3.75 M parameters."
    ) in made.readable.notes
    assert list(made.frame["segmentor_seconds"]) == [0, 0, 0.5]
    short = make(replace(item, metrics=["dice"]), results, reported)
    assert not any("segmentation" in note for note in short.readable.notes)
    write_json(folder / "cost.json", {"parameters": 1})
    with pytest.raises(InputError, match=r"cost\.json: expected parameters and seconds"):
        make(item, results, reported)


def test_a_segmentor_that_still_learned_is_told(reported, tmp_path):
    item = _item(tmp_path)
    write_runs(tmp_path, table_spec())
    results = Results(tmp_path, "toy")
    assert make(item, results, reported).frame["segmentor_rise"].isna().all()
    path = tmp_path / "cohorts/toy_cohort/segmentations/tiny/history.csv"
    for last, expected in ((0.5074, ["textSCF +0.7 points"]), (0.5029, [])):
        write_csv(path, pd.DataFrame({"step": [100, 200, 300], "validation_dice": [0.1, 0.5, last]}))
        made = make(item, Results(tmp_path, "toy"), reported)
        assert made.frame["segmentor_rise"].iloc[-1] == pytest.approx(100 * (last - 0.5))
        notes = [note for note in made.readable.notes if note.startswith("Segmentors that still learned")]
        assert [note.partition(": ")[2].rstrip(".") for note in notes] == expected


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"reported": "table9"}, "no table 'table9'"), ({"rows": "unknown method"}, "table3: 0 rows 'DeepReg'")],
)
def test_a_reference_to_what_the_paper_lacks_is_refused(results, reported, tmp_path, changes, message):
    if "rows" in changes:
        changes = {"rows": [row | {"reported": "DeepReg"} for row in table_spec()["rows"]]}
    with pytest.raises(InputError, match=rf"reported\.yaml: {message}"):
        compare(_item(tmp_path, paper_cohort=True, **changes), results, reported)


def test_seeds_with_different_numbers_of_pairs_are_refused(reported, tmp_path):
    write_runs(tmp_path, table_spec(), subjects=3)
    path = tmp_path / "toy/runs/textscf_seed2/metrics.csv"
    pd.read_csv(path).query("fixed != 's0'").to_csv(path, index=False)
    with pytest.raises(InputError, match="not the same number of pairs as for the other seeds of 'textscf'"):
        compare(_item(tmp_path), Results(tmp_path, "toy"), reported)


def _column(shown, heading, subheading=""):
    return next(c for c in shown.columns if c.heading.startswith(heading) and c.subheading == subheading)


def _bold(shown, heading, subheading=""):
    return [cell.bold for cell in _column(shown, heading, subheading).cells]


def test_the_best_value_of_each_metric_is_bold(results, reported, tmp_path):
    shown = make(_item(tmp_path, paper_cohort=True), results, reported).readable
    assert _bold(shown, "Dice", "this run") == [False, False, True]
    assert _bold(shown, "HD95", "this run") == [False, False, True]
    assert not any(_bold(shown, "Dice", "paper"))


def test_nothing_is_bold_where_the_subjects_do_not_tell_methods_apart(reported, tmp_path):
    write_runs(tmp_path, table_spec())
    results, item = Results(tmp_path, "toy"), _item(tmp_path)
    assert _bold(make(item, results, reported).readable, "Dice") == [False, False, True]
    for seed in (1, 2):
        source, target = (results.run_folder(f"{run}_seed{seed}") / "metrics.csv" for run in ("lku_net", "textscf"))
        frame = pd.read_csv(source)
        frame["dice"] = np.where(frame["fixed"] == "s0", 0.99, frame["dice"])
        write_csv(target, frame.assign(run=f"textscf_seed{seed}"))
    made = make(item, Results(tmp_path, "toy"), reported)
    dice = made.frame.set_index("run")["dice_percent"]
    assert dice["textscf"] > dice["lku_net"] + 1
    line = made.tests.query("method == 'LKU-Net' and structure == 'all'").iloc[0]
    assert line["p_over_pairs_holm"] < 0.05
    assert not line["interval_excludes_zero"]
    assert not any(_bold(made.readable, "Dice"))


def test_nothing_is_bold_with_few_subjects(reported, tmp_path):
    write_runs(tmp_path, table_spec(), subjects=4)
    shown = make(_item(tmp_path), Results(tmp_path, "toy"), reported).readable
    assert not any(cell.bold for column in shown.columns for cell in column.cells)


def test_nothing_is_bold_across_trainings_of_different_lengths(reported, tmp_path):
    write_runs(tmp_path, table_spec())
    item, results = _item(tmp_path), Results(tmp_path, "toy")
    path = results.run_folder(item.rows[1].runs[0]) / "config.yaml"
    write_yaml(path, read_yaml(path) | {"training": {"epochs": 2, "steps_per_epoch": 50}})
    shown = make(item, results, reported).readable
    assert not any(cell.bold for column in shown.columns for cell in column.cells)


def test_a_method_that_sees_the_labels_is_marked_and_never_the_best(results, reported, tmp_path):
    item = _item(tmp_path, rows=_leaky_rows("textscf"))
    made = make(item, results, reported)
    table, shown = made.frame, made.readable
    assert [cell.text for cell in shown.columns[0].cells] == ["Initial", "LKU-Net ¶", "textSCF †"]
    assert _bold(shown, "Dice") == [False, True, False]
    assert shown.notes[0].startswith(
        "† textSCF uses the fixed scan's ground-truth labels as input, on which it is scored"
    )
    assert list(table["sees_fixed_labels"]) == [False, False, True]


def test_with_one_method_to_choose_from_nothing_is_the_best(results, reported, tmp_path):
    item = _item(tmp_path, rows=_leaky_rows("textscf", "lku_net"))
    shown = make(item, results, reported).readable
    assert not any(cell.bold for column in shown.columns for cell in column.cells)


def test_numbers_are_rounded_and_what_is_undefined_is_a_dash(results, reported, tmp_path):
    item = _item(tmp_path, paper_cohort=True)
    table = compare(item, results, reported)
    table.loc[0, ["dice_percent", "dice_percent_difference"]] = [30.861, 0.001]
    table.loc[1, ["hd95_mm", "hd95_mm_sd", "hd95_mm_difference"]] = [np.inf, np.nan, np.inf]
    table.loc[2, ["nonpositive_jacobian_percent", "nonpositive_jacobian_percent_sd", "hd95_mm_difference"]] = [
        2e-4,
        1e-4,
        -7.006,
    ]
    shown = display(item, table, {})
    assert _column(shown, "Dice", "this run").cells[0].text == "30.86"
    assert re.fullmatch(r"\d\d\.\d\d ± \d\.\d\d", _column(shown, "Dice", "this run").cells[2].text)
    assert _column(shown, "Dice", "difference").cells[0].text == "0.00"
    assert [c.text for c in _column(shown, "HD95", "difference").cells][1:] == ["", "−7.01"]
    assert _column(shown, "HD95", "this run").cells[1].text == "∞"
    assert [c.text for c in _column(shown, "|J|").cells][::2] == ["-", "<0.001 ± 0.000"]
    assert [c.text for c in _column(shown, "SDlogJ", "paper").cells] == ["", "0.35", "0.87"]
    assert [c.text for c in _column(shown, "Seeds").cells] == ["-", "2", "2"]


def test_a_table_that_the_paper_lacks_has_no_columns_for_it(results, reported, tmp_path):
    item = _item(tmp_path, reported=None)
    shown = make(item, results, reported).readable
    assert {column.subheading for column in shown.columns} == {""}
    assert "\\cmidrule" not in to_latex(shown)
    assert "colspan=" not in to_html(shown)


def test_the_caption_says_study_cohort_pairs_seeds_and_convention(results, reported, tmp_path):
    item = _item(tmp_path)
    caption = make(item, results, reported).readable.caption
    for part in ("Toy abdomen", "simulated anatomy, simulated CT", "42 test pairs", "over 2 seeds", "counts as Dice 0"):
        assert part in caption
    single = [row | {"runs": row["runs"][:1]} for row in table_spec()["rows"]]
    item = _item(tmp_path, rows=single)
    caption = make(item, results, reported).readable.caption
    assert "42 test pairs; 1 seed." in caption
    assert "±" not in caption


@pytest.mark.parametrize("convention", ["paper", "learn2reg"])
def test_methods_that_lost_structures_are_marked_with_the_number_of_pairs(results, reported, tmp_path, convention):
    item = _item(tmp_path, convention=convention)
    table = compare(item, results, reported)
    assert list(table["lost"]) == [0, 2, 0]
    shown = display(item, table, {})
    assert [cell.text for cell in shown.columns[0].cells] == ["Initial", "LKU-Net ¶", "textSCF"]
    assert [note for note in shown.notes if note.endswith(": LKU-Net in 2 of 84.")]
    assert r"LKU-Net \P{}" in to_latex(shown)


def test_a_table_without_lost_structures_has_no_such_mark(results, reported, tmp_path):
    item = _item(tmp_path, rows=[row for row in table_spec()["rows"] if row["run"] != "lku_net"])
    assert "¶" not in to_markdown(make(item, results, reported).readable)


def test_markdown_has_one_line_per_method_and_escapes_bars(results, reported, tmp_path):
    item = _item(tmp_path, rows=_leaky_rows("textscf"))
    text = to_markdown(make(item, results, reported).readable)
    lines = [line for line in text.splitlines() if line.startswith("|")]
    widths = {len(re.findall(r"(?<!\\)\|", line)) for line in lines}
    assert len(lines) == 5
    assert len(widths) == 1
    assert r"\|J\| ≤ 0 (%) ↓" in lines[0]
    assert lines[3].startswith("| LKU-Net ¶ | **")


def test_latex_has_as_many_cells_as_columns_and_no_bare_special_character(results, reported, tmp_path):
    item = _item(
        tmp_path, caption="100 % of A_1 & B #2 ~ ^ {x} \\ <5 > |y|", paper_cohort=True, rows=_leaky_rows("textscf")
    )
    text = to_latex(make(item, results, reported).readable)
    body = text.split("\\midrule")[1].split("\\bottomrule")[0].strip().splitlines()
    alignment = re.search(r"\\begin\{tabular\}\{(\w+)\}", text)[1]
    assert {len(line.split(" & ")) for line in body} == {len(alignment)}
    caption = re.search(r"\\caption\{(.*)\}\n", text)[1]
    assert caption.startswith(
        r"100 \% of A\_1 \& B \#2 \textasciitilde{} \textasciicircum{} \{x\} \textbackslash{} $<$5 $>$ $|$y$|$."
    )
    assert re.search(r"textSCF \$\^\{\\dagger\}\$ &", body[2])
    assert "\\textbf{" in body[1]
    assert text.isascii()


def test_html_needs_nothing_from_elsewhere(results, reported, tmp_path):
    item = _item(tmp_path, study_title="A <b> & c")
    text = to_html(make(item, results, reported).readable)
    assert "A &lt;b&gt; &amp; c" in text
    assert not re.search(r"(src|href)=|@import|url\(", text)
    assert text.count("<tr>") == 4


def test_the_tests_are_those_of_scipy_on_seed_means(results, tmp_path):
    tests = significance(_item(tmp_path), results)
    assert list(tests["method"].unique()) == ["Initial", "LKU-Net"]
    assert set(tests["reference"]) == {"textSCF"}
    assert len(tests) == 2 * 14

    def seed_mean(run):
        frames = [_csv(results, f"{run}_seed{seed}", "metrics.csv").fillna({"dice": 0}) for seed in (1, 2)]
        return (frames[0].assign(dice=(frames[0]["dice"] + frames[1]["dice"]) / 2)).query("structure == 'liver'")[
            "dice"
        ]

    ours, theirs = seed_mean("textscf"), seed_mean("lku_net")
    line = tests.query("method == 'LKU-Net' and structure == 'liver'").iloc[0]
    expected = stats.ttest_rel(ours, theirs)
    assert line["t_over_pairs"] == pytest.approx(expected.statistic)
    assert line["p_over_pairs"] == pytest.approx(expected.pvalue)
    assert line["mean_reference"] == pytest.approx(100 * ours.mean())
    assert line["difference"] == pytest.approx(100 * (ours - theirs).mean())
    assert line["difference_ci95_low"] < line["difference"] < line["difference_ci95_high"]
    assert line["p_over_pairs_holm"] >= line["p_over_pairs"]
    means = tests[tests["structure"] == "all"].sort_values("p_over_pairs")
    smaller, larger = means["p_over_pairs"]
    assert list(means["p_over_pairs_holm"]) == pytest.approx([min(2 * smaller, 1), min(max(2 * smaller, larger), 1)])
    assert set(tests["metric"]) == {"dice_percent"}


def test_a_table_of_structures_has_means_over_pairs_and_seeds(results, reported, tmp_path):
    rows = table_spec()["rows"]
    rows[0] |= {"runs": [], "not_run": "no time"}
    made = make(_item(tmp_path, kind="structures", rows=rows), results, reported)
    frames = [_csv(results, f"textscf_seed{seed}", "metrics.csv").fillna({"dice": 0}) for seed in (1, 2)]
    expected = 100 * pd.concat(frames).groupby("structure")["dice"].mean()
    line = made.frame.set_index("run").loc["textscf"]
    assert list(made.frame["run"]) == ["lku_net", "textscf"]
    assert line["liver_percent"] == pytest.approx(expected["liver"])
    assert line["all_percent"] == pytest.approx(expected.mean())
    cells = {column.heading: [cell.text for cell in column.cells] for column in made.readable.columns}
    assert cells["liver"] == ["not run", *(f"{value:.2f}" for value in made.frame["liver_percent"])]
    assert "Not run: Initial (no time)." in made.readable.notes


def test_without_a_reference_the_file_of_tests_has_only_its_header(results, reported, tmp_path):
    write_table(make(_item(tmp_path, reference=None), results, reported), tmp_path / "table3.csv")
    tests = pd.read_csv(tmp_path / "table3_tests.csv")
    assert tests.empty
    assert {"method", "p_over_pairs_holm", "effect_size"} <= set(tests.columns)


def test_the_script_writes_what_another_process_would(root, results, reported, tmp_path):
    write_table(make(_item(tmp_path), results, reported), tmp_path / "here/table3.csv")
    out = tmp_path / "there/table3.csv"
    command = [python(), root / "src/table.py", "--config", tmp_path / "item.yaml", "--out", out]
    command += ["--results", results.folder, "--reported", reported, "--log", tmp_path / "table.log"]
    subprocess.run(command, check=True, capture_output=True)
    names = sorted(path.name for path in (tmp_path / "here").iterdir())
    assert names == ["table3.csv", "table3.html", "table3.json", "table3.md", "table3.tex", "table3_tests.csv"]
    for name in names:
        assert (tmp_path / "here" / name).read_bytes() == (tmp_path / "there" / name).read_bytes()
    table = pd.read_csv(out)
    assert list(table["method"]) == ["Initial", "LKU-Net", "textSCF"]
    assert set(table["notice"]) == {"simulated anatomy, simulated CT"}
    assert set(table["convention"]) == {"paper"}


def test_nothing_is_written_when_a_run_is_incomplete(reported, tmp_path):
    write_runs(tmp_path, table_spec(), subjects=3)
    (tmp_path / "toy/runs/textscf_seed2/pairs.csv").unlink()
    with pytest.raises(InputError, match=r"pairs\.csv"):
        write_table(make(_item(tmp_path), Results(tmp_path, "toy"), reported), tmp_path / "tables/table3.csv")
    assert not (tmp_path / "tables").exists()


def test_an_unknown_kind_is_refused(results, reported, tmp_path):
    with pytest.raises(InputError, match=f"table3: unknown table kind 'pie'; expected one of {', '.join(KINDS)}"):
        make(_item(tmp_path, kind="pie"), results, reported)
