"""The page of claims: each kind of rule on made-up runs with known answers, the file, and a page end to end."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests import claim_files
from tests.claim_files import PAIRS, STRUCTURES, Toy
from textscf.claims.claim_kinds import KINDS, check
from textscf.claims.claims_page import count_sentence, make
from textscf.claims.evidence import load_page
from textscf.claims.outcome import Outcome, Part, decide, signed_part
from textscf.errors import InputError
from textscf.files.io import read_json, write_csv, write_json, write_yaml
from textscf.results.items import Results, Row
from textscf.results.statistics import compare_runs, jackknife_interval, leave_one_out_means

REPRODUCED, REFUTED, UNTESTED = "reproduced", "not reproduced", "not tested"


def verdict(toy: Toy, kind: str, **claim: Any) -> Outcome:
    return check({"id": "a_claim", "kind": kind, **claim}, toy.evidence())


@pytest.fixture
def toy(tmp_path: Path) -> Toy:
    return Toy(tmp_path)


@pytest.fixture
def paper(tmp_path: Path) -> Toy:
    """A study on the paper's cohorts."""
    return Toy(tmp_path, paper_cohort=True)


def test_the_interval_is_that_of_the_paired_comparison(toy: Toy) -> None:
    a, b = toy.run("a", 0.6, noise=0.05), toy.run("b", 0.5, noise=0.05)
    table = toy.evidence().table([a, b], "dice")
    means, without_one = table.mean(), leave_one_out_means(table)
    low, high = jackknife_interval(means.iloc[0] - means.iloc[1], without_one[:, 0] - without_one[:, 1])
    tested = compare_runs(toy.evidence().structures(a), toy.evidence().structures(b)).iloc[-1]
    assert (low, high) == pytest.approx((100 * tested["ci_low"], 100 * tested["ci_high"]))


def test_a_sign_that_is_claimed_needs_an_interval_on_its_side() -> None:
    without_one = np.linspace(0.9, 1.1, 7)
    assert signed_part("", 1.0, without_one, 1, "").state == "holds"
    assert signed_part("", 1.0, without_one, -1, "").state == "opposite"
    assert signed_part("", -1.0, -without_one, -1, "").state == "holds"
    assert signed_part("", 0.1, without_one - 0.9, 1, "").state == "undecided"
    assert signed_part("", 0.1, without_one - 0.9, -1, "").state == "undecided"
    assert signed_part("", 1.0, without_one[:4], 1, "").state == "no interval"


def test_a_part_that_fails_outweighs_one_that_is_missing() -> None:
    holds, fails = (Part(state, 1.0, 0.5, 1.5, state) for state in ("holds", "undecided"))  # type: ignore[arg-type]
    assert decide("", [holds]).verdict == REPRODUCED
    assert decide("", [holds, fails], {"x": "why"}).verdict == REFUTED
    assert decide("", [holds], {"x": "why"}).verdict == UNTESTED
    assert decide("", [holds], {"x": "why"}, every=False).verdict == REPRODUCED
    assert decide("", [], {"x": "why"}).reason == "missing: x (why)"


def test_compare(toy: Toy) -> None:
    toy.run("good", 0.6, seeds=2)
    toy.run("bad", 0.5)
    toy.run("equal", 0.6)
    toy.left_out("absent")
    claim = {"run": "good", "metric": "dice", "is": "higher"}
    outcome = verdict(toy, "compare", against=["bad"], **claim)
    assert outcome.verdict == REPRODUCED
    assert outcome.parts[0].value == pytest.approx(10)
    assert outcome.parts[0].low < 10 < outcome.parts[0].high
    assert outcome.shown.startswith("BAD: +10.00 points (")
    assert verdict(toy, "compare", against=["bad", "equal"], **claim).verdict == REFUTED
    assert verdict(toy, "compare", against=["bad"], **{**claim, "is": "lower"}).reason == "the opposite: BAD"
    assert verdict(toy, "compare", against=["bad"], **{**claim, "metric": "hd95", "is": "lower"}).verdict == REPRODUCED
    partly = verdict(toy, "compare", against=["bad", "absent"], **claim)
    assert (partly.verdict, partly.reason) == (UNTESTED, "holds for BAD; missing: ABSENT (not run: too long)")
    unknown = verdict(toy, "compare", against=["bad"], **{**claim, "run": "nobody"})
    assert (unknown.verdict, unknown.reason) == (UNTESTED, "missing: nobody (not defined in this study)")


def test_an_undecided_comparison_says_so(toy: Toy) -> None:
    toy.run("a", 0.502, noise=0.1)
    toy.run("b", 0.5, noise=0.1)
    outcome = verdict(toy, "compare", run="a", against=["b"], metric="dice", **{"is": "higher"})
    assert (outcome.verdict, outcome.reason) == (REFUTED, "undecided, as the interval includes 0: B")


@pytest.mark.parametrize(("paper_cohort", "expected"), [(True, REFUTED), (False, REPRODUCED)])
def test_a_number_counts_on_the_papers_cohorts_alone(tmp_path: Path, paper_cohort: bool, expected: str) -> None:
    toy = Toy(tmp_path, paper_cohort)
    toy.run("good", 0.6)
    toy.run("bad", 0.5)
    claim = {"run": "good", "against": ["bad"], "metric": "dice", "is": "higher", "relative": True, "tolerance": 2}
    near = verdict(toy, "compare", paper=21.5, **claim)
    assert near.verdict == REPRODUCED
    assert near.parts[0].value == pytest.approx(20)
    far = verdict(toy, "compare", paper=22.5, **claim)
    assert far.verdict == expected
    assert far.compared == ("number" if paper_cohort else "ordering")


def test_the_best_of_the_others_counts_where_a_claim_says_so(toy: Toy) -> None:
    toy.run("good", 0.6)
    toy.run("second", 0.5)
    toy.run("third", 0.4)
    claim = {"run": "good", "metric": "dice", "is": "higher", "relative": True, "best_of_others": True}
    outcome = verdict(toy, "compare", against=["third", "second"], **claim)
    assert [part.label for part in outcome.parts] == ["SECOND"]
    assert outcome.parts[0].value == pytest.approx(20)
    toy.left_out("absent")
    assert verdict(toy, "compare", against=["third", "absent"], **claim).verdict == UNTESTED


def test_a_run_that_is_left_out_is_replaced_by_the_value_that_the_paper_quotes(paper: Toy) -> None:
    paper.run("a", 0.6)
    paper.left_out("b")
    claim = {"run": "a", "against": ["b"], "metric": "dice", "is": "higher"}
    assert verdict(paper, "compare", **claim).verdict == UNTESTED
    paper.page.quoted["b"] = {"dice": 55.0}
    outcome = verdict(paper, "compare", **claim)
    assert outcome.verdict == REPRODUCED
    assert outcome.shown.startswith("B (quoted by the paper): +5.00 points (")
    paper.page.quoted["b"] = {"dice": 65.0}
    assert verdict(paper, "compare", **claim).verdict == REFUTED


def test_few_subjects_decide_nothing(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    few = [pair for pair in claim_files.PAIRS if not {"s4", "s5"} & set(pair)]
    monkeypatch.setattr(claim_files, "PAIRS", few)
    toy.run("good", 0.6, noise=0.001)
    toy.run("bad", 0.5, noise=0.001)
    claim = {"run": "good", "metric": "dice"}
    compared = verdict(toy, "compare", against=["bad"], **{"is": "higher"}, **claim)
    not_worse = verdict(toy, "not_worse", against="bad", tolerance=1, **claim)
    for outcome in (compared, not_worse):
        assert [part.state for part in outcome.parts] == ["no interval"]
        assert outcome.verdict == UNTESTED
        assert "fewer than 5 subjects" in outcome.reason


def test_not_worse(toy: Toy) -> None:
    toy.run("small", 0.495, noise=0.001)
    toy.run("large", 0.5, noise=0.001)
    toy.run("larger", 0.51, noise=0.001)
    claim = {"run": "small", "metric": "dice", "tolerance": 1}
    assert verdict(toy, "not_worse", against="large", **claim).verdict == REPRODUCED
    assert verdict(toy, "not_worse", against="larger", **claim).verdict == REFUTED
    assert verdict(toy, "not_worse", against="nobody", **claim).verdict == UNTESTED


@pytest.mark.parametrize(
    ("paper_cohort", "dice", "expected"),
    [
        (True, {1024: 0.5, 2048: 0.6, 4096: 0.55}, REPRODUCED),
        (True, {1024: 0.6, 2048: 0.5, 4096: 0.4}, REFUTED),
        (True, {1: 0.5, 2: 0.6, 3: 0.55}, UNTESTED),
        (True, {1024: 0.5, 1536: 0.7, 2048: 0.6, 4096: 0.55}, REFUTED),
        (False, {1: 0.5, 2: 0.6, 3: 0.55}, REPRODUCED),
        (False, {1: 0.5, 2: 0.55, 3: 0.6}, REFUTED),
        (False, {1: 0.5, 2: 0.55}, UNTESTED),
    ],
)
def test_peak(tmp_path: Path, paper_cohort: bool, dice: dict[int, float], expected: str) -> None:
    toy = Toy(tmp_path, paper_cohort)
    toy.sweep("hidden", "head.hidden_channels", dice)
    assert verdict(toy, "peak", sweep="hidden", paper=2048).verdict == expected


def test_trend(toy: Toy) -> None:
    toy.sweep("grows", "backbone_options.start_channels", {8: 0.4, 32: 0.5, 64: 0.3})
    toy.sweep("shrinks", "backbone_options.start_channels", {8: 0.5, 32: 0.4})
    toy.sweep("single", "backbone_options.start_channels", {8: 0.5})
    assert verdict(toy, "trend", sweeps=["grows"], up_to=32).verdict == REPRODUCED
    assert verdict(toy, "trend", sweeps=["grows"], up_to=64).verdict == REFUTED
    assert verdict(toy, "trend", sweeps=["grows", "shrinks"], up_to=32).verdict == REFUTED
    assert verdict(toy, "trend", sweeps=["grows", "single"], up_to=32).verdict == UNTESTED


def test_frontier(toy: Toy) -> None:
    own = toy.sweep("own", "loss.smoothness", {0.1: 0.6, 1.0: 0.55}, sdlogj={0.1: 0.9, 1.0: 0.3})
    rough = toy.run("rough", 0.58, sdlogj=1.2)
    smooth = toy.run("smooth", 0.5, sdlogj=0.4)
    smoother = toy.run("smoother", 0.7, sdlogj=0.1)
    better = toy.run("better", 0.57, sdlogj=0.4)
    claim = {"figure": "figure4b", "run": "own", "cost": "sdlogj"}
    assert verdict(toy, "frontier", **claim).verdict == UNTESTED
    toy.figure("figure4b", [own, rough, smooth, smoother])
    outcome = verdict(toy, "frontier", **claim)
    assert outcome.verdict == REPRODUCED
    assert [part.label for part in outcome.parts] == ["ROUGH", "SMOOTH"]
    toy.figure("figure4b", [own, rough, better])
    assert verdict(toy, "frontier", **claim).verdict == REFUTED
    toy.figure("figure4b", [own, smoother])
    assert verdict(toy, "frontier", **claim).verdict == UNTESTED
    before = toy.run("before", 0.65)
    write_yaml(toy.folder / "toy/runs/before/config.yaml", {"run": "before", "method": "initial", "cohort": "toys"})
    toy.figure("figure4b", [before, own, rough, smooth])
    assert verdict(toy, "frontier", **claim).verdict == REPRODUCED


def test_frontier_of_counts(toy: Toy) -> None:
    own = toy.sweep("own", "backbone_options.start_channels", {8: 0.5, 32: 0.6}, parameters={8: 100, 32: 1000})
    toy.figure("figure5b", [own, toy.run("other", 0.55, parameters=500)])
    claim = {"figure": "figure5b", "run": "own", "cost": "multi_adds"}
    assert verdict(toy, "frontier", **claim).verdict == REFUTED
    toy.figure("figure5b", [own, toy.run("other", 0.55, parameters=1000)])
    assert verdict(toy, "frontier", **claim).verdict == REPRODUCED


def test_same_complexity(toy: Toy) -> None:
    toy.sweep("same", "head.hidden_channels", {1: 0.5, 2: 0.5}, parameters={1: 10, 2: 10})
    toy.sweep("other", "head.hidden_channels", {1: 0.5, 2: 0.5}, parameters={1: 10, 2: 11})
    assert verdict(toy, "same_complexity", sweep="same").verdict == REPRODUCED
    assert verdict(toy, "same_complexity", sweep="other").verdict == REFUTED
    assert verdict(toy, "same_complexity", sweep="nobody").verdict == UNTESTED


def test_significance(toy: Toy) -> None:
    better = {"liver": 0.6, "spleen": 0.6, "gall bladder": 0.401}
    toy.run("a", better, noise=0.05)
    toy.run("b", dict.fromkeys(STRUCTURES, 0.4), noise=0.05)
    claim = {"run": "a", "against": ["b"]}
    for structures, significant, expected in [
        (["liver"], True, REPRODUCED),
        ("mean", True, REPRODUCED),
        ("all", True, REFUTED),
        (["gall bladder"], False, REPRODUCED),
        (["liver"], False, REFUTED),
        (["pancreas"], False, UNTESTED),
    ]:
        outcome = verdict(toy, "significance", structures=structures, significant=significant, **claim)
        assert outcome.verdict == expected, structures
    assert "gall bladder" in verdict(toy, "significance", structures="all", significant=True, **claim).shown


def test_significantly_worse_is_not_significantly_better(toy: Toy) -> None:
    toy.run("a", 0.4)
    toy.run("b", 0.6)
    assert verdict(toy, "significance", run="a", against=["b"], structures="mean", significant=True).verdict == REFUTED


def test_every_structure(toy: Toy) -> None:
    toy.run("a", {"liver": 0.6, "spleen": 0.6, "gall bladder": 0.4})
    toy.run("b", {"liver": 0.5, "spleen": 0.5, "gall bladder": 0.39})
    toy.run("c", {"liver": 0.5, "spleen": 0.5, "gall bladder": 0.41})
    assert verdict(toy, "every_structure", run="a", against=["b"]).verdict == REPRODUCED
    outcome = verdict(toy, "every_structure", run="a", against=["b", "c"])
    assert (outcome.verdict, outcome.reason) == (REFUTED, "does not hold: C")
    assert "2 of 3 higher" in outcome.shown


def test_hardest(toy: Toy) -> None:
    toy.run("a", {"liver": 0.6, "spleen": 0.6, "gall bladder": 0.4})
    toy.run("b", {"liver": 0.5, "spleen": 0.5, "gall bladder": 0.6})
    assert verdict(toy, "hardest", runs=["a"], structures=["gall bladder"]).verdict == REPRODUCED
    assert verdict(toy, "hardest", runs=["a", "b"], structures=["gall bladder"]).verdict == REFUTED
    assert verdict(toy, "hardest", runs=["a"], structures=["pancreas"]).verdict == UNTESTED


def _gains(toy: Toy, dice: dict[str, tuple[float, float]]) -> None:
    rows = []
    for name, (without, with_head) in dice.items():
        plain, scf = toy.run(name, without), toy.run(f"{name}_scf", with_head)
        rows.append(Row(plain.run, plain.label, plain.runs, with_head=scf))
    toy.figure("figure7", rows)


def test_gains(toy: Toy) -> None:
    assert verdict(toy, "gains", figure="figure7", **{"is": "positive"}).verdict == UNTESTED
    _gains(toy, {"a": (0.4, 0.6), "b": (0.5, 0.6), "c": (0.5, 0.55)})
    positive = verdict(toy, "gains", figure="figure7", **{"is": "positive"})
    assert positive.verdict == REPRODUCED
    assert [part.value for part in positive.parts] == pytest.approx([50, 20, 10])
    for run, which, expected in [
        ("a", "largest", REPRODUCED),
        ("b", "largest", REFUTED),
        ("c", "smallest", REPRODUCED),
        ("b", "smallest", REFUTED),
        ("d", "smallest", UNTESTED),
    ]:
        assert verdict(toy, "gains", figure="figure7", run=run, **{"is": which}).verdict == expected
    _gains(toy, {"a": (0.4, 0.6), "b": (0.5, 0.4)})
    assert verdict(toy, "gains", figure="figure7", **{"is": "positive"}).verdict == REFUTED


def _accuracy(toy: Toy, segmentor: str, dice: float) -> None:
    path = toy.folder / f"cohorts/toys/segmentations/{segmentor}/accuracy_by_split.csv"
    write_csv(path, pd.DataFrame({"split": ["test", "all"], "dice": [0.0, dice]}))


def test_follows_segmentation(toy: Toy) -> None:
    for name, dice, accuracy in (("base", 0.5, 0.8), ("small", 0.6, 0.9), ("tiny", 0.4, 0.7)):
        toy.run(name, dice, segmentor=name)
        _accuracy(toy, name, accuracy)
    claim = {"metric": "dice", "is": "higher"}
    outcome = verdict(toy, "follows_segmentation", runs=["base", "small", "tiny"], **claim)
    assert outcome.verdict == REPRODUCED
    assert [part.label for part in outcome.parts] == [
        "SMALL (90.0 %) less BASE (80.0 %)",
        "BASE (80.0 %) less TINY (70.0 %)",
    ]
    _accuracy(toy, "small", 0.6)
    assert verdict(toy, "follows_segmentation", runs=["base", "small", "tiny"], **claim).verdict == REFUTED
    assert verdict(toy, "follows_segmentation", runs=["base", "nobody"], **claim).verdict == UNTESTED
    assert verdict(toy, "follows_segmentation", runs=["base", "tiny", "nobody"], **claim).verdict == REPRODUCED


def _models(toy: Toy, pairs: list[tuple[float, float]]) -> None:
    rows = [
        toy.run(f"m{n}", 0.5, sdlogj=sdlogj, nonpositive_jacobian_fraction=folding)
        for n, (sdlogj, folding) in enumerate(pairs)
    ]
    toy.figure("figure8", [*rows, rows[0]])


def test_correlation(toy: Toy) -> None:
    points = [(0.1, 0.001), (0.5, 0.02), (0.9, 0.03)]
    _models(toy, points)
    claim = {"figure": "figure8", "paper": 0.93, "tolerance": 0.05}
    outcome = verdict(toy, "correlation", of="r", **claim)
    assert outcome.verdict == REPRODUCED
    assert outcome.parts[0].value == pytest.approx(np.corrcoef(*zip(*points, strict=True))[0, 1], abs=1e-3)
    squared = verdict(toy, "correlation", of="r_squared", **claim)
    assert (squared.verdict, squared.parts[0].value) == (UNTESTED, pytest.approx(outcome.parts[0].value ** 2))
    _models(toy, [(0.1, 0.03), (0.5, 0.02), (0.9, 0.001)])
    assert verdict(toy, "correlation", of="r", **claim).verdict == REFUTED
    _models(toy, points[:2])
    assert verdict(toy, "correlation", of="r", **claim).verdict == UNTESTED


def test_numbers_over_models_on_the_papers_cohorts(paper: Toy) -> None:
    _models(paper, [(0.1, 0.001), (0.5, 0.02), (0.9, 0.03)])
    correlation = {"figure": "figure8", "of": "r", "tolerance": 0.05}
    assert verdict(paper, "correlation", paper=0.96, **correlation).verdict == REPRODUCED
    assert verdict(paper, "correlation", paper=0.8, **correlation).verdict == REFUTED
    span = {"figure": "figure8", "metric": "sdlogj", "tolerance": 1.5}
    assert verdict(paper, "range", paper=[0.12, 0.8], **span).verdict == REPRODUCED
    outcome = verdict(paper, "range", paper=[0.2, 0.8], **span)
    assert (outcome.verdict, outcome.reason) == (REFUTED, "too far from the paper's value: lowest")


def test_a_range_of_other_cohorts_is_shown_and_not_tested(toy: Toy) -> None:
    _models(toy, [(0.1, 0.001), (0.9, 0.03)])
    outcome = verdict(toy, "range", figure="figure8", metric="sdlogj", paper=[0.1, 0.9], tolerance=1.5)
    assert outcome.verdict == UNTESTED
    assert [part.value for part in outcome.parts] == pytest.approx([0.1, 0.9])


def test_value(paper: Toy) -> None:
    paper.run("masks", 0.74, segmentor="tiny")
    _accuracy(paper, "tiny", 0.63)
    for metric, stated, expected in [
        ("dice", 74.73, REPRODUCED),
        ("dice", 70, REFUTED),
        ("segmentor_dice", 63.35, REPRODUCED),
        ("segmentor_dice", 60, REFUTED),
    ]:
        assert verdict(paper, "value", run="masks", metric=metric, paper=stated, tolerance=2).verdict == expected
    other = Toy(paper.folder)
    other.run("masks", 0.74)
    assert verdict(other, "value", run="masks", metric="dice", paper=74.73, tolerance=2).verdict == UNTESTED


def test_complexity(toy: Toy) -> None:
    networks = {
        "network": ["reference", "a", "b"],
        "parameter_reduction_percent": [np.nan, 89.131, 80.0],
        "multi_add_reduction_percent": [np.nan, 90.0, 98.342],
    }
    write_csv(toy.folder / "complexity/claim.csv", pd.DataFrame(networks))
    assert verdict(toy, "complexity", counts=["parameters"], paper=[89.13]).verdict == REPRODUCED
    assert verdict(toy, "complexity", counts=["multi_adds"], paper=[98.34]).shown == "98.34 % (b)"
    both = verdict(toy, "complexity", counts=["parameters", "multi_adds"], paper=[89.13, 98.34])
    assert (both.verdict, both.shown) == (REFUTED, "closest: 89.13 % and 90.00 % (a)")


def test_border_ratio_needs_an_evaluation_with_jumps(toy: Toy) -> None:
    toy.run("a", 0.5, jump_across_borders=0.6, jump_inside=0.2)
    toy.run("b", 0.5, jump_across_borders=0.3, jump_inside=0.2)
    toy.run("old", 0.5)
    claim = {"run": "a", "metric": "border_ratio", "is": "higher"}
    outcome = verdict(toy, "compare", against=["b"], **claim)
    assert (outcome.verdict, outcome.parts[0].value) == (REPRODUCED, pytest.approx(1.5, abs=0.01))
    assert verdict(toy, "compare", against=["old"], **claim).verdict == UNTESTED


def test_what_nothing_can_test_has_its_reason(toy: Toy) -> None:
    assert verdict(toy, "untestable", reason="no data").reason == "no data"
    with pytest.raises(InputError, match="unknown kind 'guess'"):
        verdict(toy, "guess")


CLAIMS: list[dict[str, Any]] = [
    {"id": "x", "place": "Table 3", "statement": "A gains 50 %.", "kind": "compare", "run": "a", "against": ["b"],
     "metric": "dice", "is": "higher", "relative": True, "paper": 50, "tolerance": 1},
    {"id": "y", "place": "Table 3", "statement": "B is best.", "kind": "compare", "run": "b", "against": ["a"],
     "metric": "dice", "is": "higher", "printed": "60 against 50", "stand_ins": {"c": "b"}},
    {"id": "z", "place": "Section 5", "statement": "Elsewhere too.", "kind": "untestable", "reason": "no data"},
]  # fmt: skip


def test_the_page_counts_and_says_what_differs(toy: Toy) -> None:
    toy.run("a", 0.6, segmentor="ground_truth", seeds=2)
    toy.run("b", 0.5)
    toy.page.claims.extend(CLAIMS)
    toy.page.steps.update({"a": 1000, "b": 200})
    content = make(toy.page, Results(toy.folder, "toy"))
    frame = content.frame.set_index("id")
    assert list(frame["verdict"]) == [REPRODUCED, REFUTED, UNTESTED]
    assert list(frame["compared"]) == ["direction", "ordering", "ordering"]
    assert frame.loc["x", ["value", "unit", "paper", "seeds"]].tolist() == [
        pytest.approx(20),
        "%",
        "50",
        "1 to 2 seeds",
    ]
    assert "Trained for different numbers of steps: A 1,000; B 200." in frame.loc["x", "remarks"]
    assert "† A: the fixed scan's ground-truth labels are input." in frame.loc["x", "remarks"]
    assert "In place of c: b." in frame.loc["y", "remarks"]
    assert frame.loc["z", "remarks"] == ""
    assert content.readable.caption.startswith(
        "1 of 2 testable claims reproduced (1 of them in direction alone); 1 not tested in this study."
    )
    cells = {column.heading: [cell.text for cell in column.cells] for column in content.readable.columns}
    assert cells["Verdict"] == ["reproduced (direction)", REFUTED, UNTESTED]
    assert cells["Rule"][0].endswith("its 95 % interval over subjects lies above 0")


def test_equal_budgets_need_no_remark(toy: Toy) -> None:
    toy.run("a", 0.6)
    toy.run("b", 0.5)
    toy.page.claims.append(CLAIMS[0])
    toy.page.steps.update({"a": 1000, "b": 1000})
    assert make(toy.page, Results(toy.folder, "toy")).frame["remarks"].tolist() == [""]


def test_runs_that_still_learn_are_named(toy: Toy) -> None:
    toy.run("a", 0.6, seeds=2)
    toy.run("b", 0.5)
    toy.page.claims.append(CLAIMS[0])
    toy.page.steps.update({"a": 1000, "b": 1000})
    path = toy.folder / "toy/runs/a_seed1/timing.json"
    write_json(path, {**read_json(path), "converged": False})
    content = make(toy.page, Results(toy.folder, "toy"))
    assert content.frame["remarks"].tolist() == ["§ Not converged: A."]
    assert any(note.startswith("§ A run counts as converged") for note in content.readable.notes)


def test_a_claim_about_hd95_says_in_how_many_pairs_a_structure_was_lost(toy: Toy) -> None:
    toy.run("a", 0.6)
    toy.run("b", 0.5)
    toy.page.claims.extend({**CLAIMS[0], "metric": metric} for metric in ("hd95", "dice"))
    path = toy.folder / "toy/runs/a/metrics.csv"
    metrics = pd.read_csv(path)
    metrics.loc[:1, ["dice", "hd95", "hd95_initial"]] = [0.0, np.inf, 5.0]
    write_csv(path, metrics)
    about_hd95, about_dice = make(toy.page, Results(toy.folder, "toy")).frame["remarks"]
    assert about_hd95 == "¶ Pairs in which the warp lost a structure: A 2."
    assert about_dice == ""


def test_a_count_without_directions() -> None:
    frame = pd.DataFrame({"verdict": [REPRODUCED, UNTESTED], "compared": ["number", "ordering"]})
    assert count_sentence(frame) == "1 of 1 testable claims reproduced; 1 not tested in this study."


def test_a_page_is_read_back_as_it_was_resolved(toy: Toy, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    settings = {**vars(toy.page), "rows": {"a": {"run": "a", "label": "A", "runs": ["a"]}}}
    write_yaml(path, json.loads(json.dumps(settings)))
    assert load_page(path).rows["a"] == Row("a", "A", ["a"])
    write_yaml(path, {"study": "toy"})
    with pytest.raises(InputError, match=r"config\.yaml: key 'title' is missing"):
        load_page(path)


def test_every_kind_has_a_test_above() -> None:
    source = Path(__file__).read_text()
    assert [kind for kind in KINDS if f'"{kind}"' not in source] == []
    assert len(PAIRS) == 30
