"""Splits, pairs, and the prepared cohort on disk."""

import random
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textscf.data.cohort import Cohort, expand_pairs, expand_subjects
from textscf.errors import InputError
from textscf.files.io import read_json, sha256_of, write_json, write_nifti
from textscf.study.catalogue import Catalogue

NUMBERS = st.lists(st.integers(0, 999), min_size=2, max_size=12, unique=True)


def cohort_config(**changes: Any) -> dict[str, Any]:
    """The parts of a resolved cohort config that splits and pairs come from."""
    config: dict[str, Any] = {"name": "c", "subject": "s{:03d}", "splits": {"test": [5, "7-9", 2]}, "pairs": {}}
    return config | changes


def pairs_of(rule: Any, numbers: list[Any]) -> list[tuple[str, str]]:
    """Pairs that `rule` makes of `numbers`."""
    return expand_pairs(cohort_config(splits={"test": numbers}, pairs={"test": rule}))["test"]


@pytest.fixture
def prepared(tmp_path: Path) -> Path:
    """A prepared cohort of two subjects on a (2, 3, 4) grid."""
    files = {}
    for subject in ("a", "b"):
        for kind, data in (("images", np.full((2, 3, 4), 0.5, np.float32)), ("labels", np.ones((2, 3, 4), np.uint8))):
            name = f"{kind}/{subject}.nii.gz"
            write_nifti(tmp_path / name, data, np.eye(4))
            files[name] = sha256_of(tmp_path / name)
    structures = [{"label": 1, "name": "front"}, {"label": 2, "name": "back"}]
    content = {
        **{"name": "c", "title": "C", "notice": None, "licence": "CC0", "citation": "", "modality": "MRI"},
        **{"anatomy": {"title": "A", "body_part": "head", "structures": structures}},
        **{"shape": [2, 3, 4], "spacing": [1.0, 1.0, 2.0], "affine": np.diag([1.0, 1.0, 2.0, 1.0]).tolist()},
        **{"splits": {"train": ["a"], "test": ["b"]}, "pairs": {"test": [["b", "a"]]}, "files": files},
    }
    write_json(tmp_path / "cohort.json", content)
    return tmp_path


def test_subjects_keep_the_order_of_numbers_and_ranges() -> None:
    assert expand_subjects(cohort_config()) == {"test": ["s005", "s007", "s008", "s009", "s002"]}


@pytest.mark.parametrize(
    ("splits", "reason"),
    [
        ({"train": [1], "test": ["1-2"]}, "splits.test: subject 1 is already in splits.train"),
        ({"train": [1, 1]}, "splits.train: subject 1 is already"),
        ({"train": ["3-1"]}, "range '3-1' is empty"),
        ({"train": ["0-99999999999"]}, "is empty or too long"),
        ({"train": ["on/e"]}, "'on/e' is no number"),
        ({"train": [-1]}, "'-1' is no number"),
        ({"train": [True]}, "'True' is no number"),
        ({"train": [1.5]}, "'1.5' is no number"),
    ],
)
def test_bad_splits_are_named(splits: dict[str, Any], reason: str) -> None:
    with pytest.raises(InputError, match=f"^cohort c: .*{re.escape(reason)}"):
        expand_subjects(cohort_config(splits=splits))


@pytest.mark.parametrize("template", ["../s{}", "s {}", ".{}", "s{1}", "s{.real.x}", "s{:q}", "{key}", "$(id){}"])
def test_unsafe_subject_names_are_refused(template: str) -> None:
    with pytest.raises(InputError, match=r"^cohort c: subject: "):
        expand_subjects(cohort_config(subject=template))


@pytest.mark.parametrize(
    ("template", "splits", "reason"),
    [
        ("s{}", {"train": ["1-4"], "test": [7, "1"]}, "test: subject 1 is 's1' by the key subject, as is 1 of splits."),
        ("scan", {"train": [1, 2]}, "splits.train: subject 2 is 'scan' by the key subject, as is 1 of splits.train"),
        ("s{:.2}", {"train": ["anna", "anton"]}, "subject anton is 'san' by the key subject, as is anna of"),
    ],
)
def test_one_name_for_two_subjects_is_refused(template: str, splits: dict[str, Any], reason: str) -> None:
    with pytest.raises(InputError, match=f"^cohort c: .*{re.escape(reason)}"):
        expand_subjects(cohort_config(subject=template, splits=splits))


@given(NUMBERS)
def test_all_gives_every_ordered_pair_once(numbers: list[int]) -> None:
    pairs = pairs_of("all", numbers)
    assert len(pairs) == len(set(pairs)) == len(numbers) * (len(numbers) - 1)
    assert all(fixed != moving for fixed, moving in pairs)


@given(NUMBERS, st.data())
def test_next_uses_every_subject_equally_often(numbers: list[int], data: st.DataObject) -> None:
    following = data.draw(st.integers(1, len(numbers) - 1))
    pairs = pairs_of({"next": following}, numbers)
    assert len(set(pairs)) == len(pairs) == following * len(numbers)
    for role in (0, 1):
        counts = {subject: sum(pair[role] == subject for pair in pairs) for pair in pairs for subject in pair}
        assert set(counts.values()) == {following}


def test_next_follows_the_split_cyclically() -> None:
    assert pairs_of({"next": 2}, [5, 1, 3]) == [
        *[("s005", "s001"), ("s005", "s003"), ("s001", "s003")],
        *[("s001", "s005"), ("s003", "s005"), ("s003", "s001")],
    ]


def test_explicit_pairs_are_taken_as_they_are() -> None:
    assert pairs_of([[3, 1], [1, 3]], ["1-3"]) == [("s003", "s001"), ("s001", "s003")]


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ({"next": 3}, "next is 3; expected 1 to 2 for 3 subjects"),
        ({"next": 0}, "next is 0"),
        ([[1, 1]], "[1, 1]; expected two different subjects"),
        ([[1, 2], [2, 1], [1, 2]], "[1, 2] is there more than once; expected each pair once"),
        ([[1, 9]], "[1, 9]; expected two different subjects of this split"),
    ],
)
def test_bad_pairs_are_named(rule: Any, reason: str) -> None:
    with pytest.raises(InputError, match=f"^cohort c: pairs.test: {re.escape(reason)}"):
        pairs_of(rule, [1, 2, 3])


def test_pairs_of_an_unknown_split_are_refused() -> None:
    with pytest.raises(InputError, match=r"pairs\.tset: there is no split .* expected one of test"):
        expand_pairs(cohort_config(pairs={"tset": "all"}))


def test_hippocampus_splits_follow_the_documented_rule(root: Path, shared: Path) -> None:
    config = Catalogue(root / "config").cohort("hippocampus_mr")
    scans = sorted((shared / "data" / "Task04_Hippocampus" / "labelsTr").glob("*.nii.gz"))
    subjects = [path.name.removesuffix(".nii.gz") for path in scans]
    random.Random(42).shuffle(subjects)
    expected = {"train": subjects[:180], "validation": subjects[180:190], "test": subjects[190:]}
    assert expand_subjects(config) == {split: sorted(names) for split, names in expected.items()}
    pairs = expand_pairs(config)
    assert {split: len(pairs[split]) for split in pairs} == {"validation": 20, "test": 60}


def test_prepared_cohort_gives_its_contents(prepared: Path) -> None:
    cohort = Cohort.load(prepared)
    assert cohort.label_values == [1, 2]
    assert cohort.structure_names == ["front", "back"]
    assert cohort.n_regions == 3
    assert cohort.subjects() == ["a", "b"]
    assert cohort.subjects("test") == ["b"]
    assert cohort.pairs == {"test": [("b", "a")]}
    assert (cohort.shape, cohort.spacing) == ((2, 3, 4), (1.0, 1.0, 2.0))
    assert cohort.affine.shape == (4, 4)
    assert cohort.load_image("a").dtype == np.float32
    assert cohort.load_labels("b").dtype == np.uint8
    assert cohort.load_labels("b").shape == (2, 3, 4)
    assert cohort.image_path("a") == prepared / "images" / "a.nii.gz"


def changed_fingerprint(prepared: Path, **changes: Any) -> str:
    content = read_json(prepared / "cohort.json")
    return Cohort.described(prepared, content | changes).fingerprint()


@pytest.mark.parametrize(
    "changes",
    [
        {"shape": [2, 3, 5]},
        {"spacing": [1.0, 1.0, 1.0]},
        {"affine": np.eye(4).tolist()},
        {"splits": {"train": ["a"], "validation": ["b"]}},
        {"pairs": {"validation": [["a", "b"]]}},
        {"anatomy": {"title": "A", "body_part": "head", "structures": [{"label": 1, "name": "front"}]}},
        {"files": {"images/a.nii.gz": "0" * 64}},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_the_fingerprint_changes_with_what_a_training_uses(prepared: Path, changes: dict[str, Any]) -> None:
    before = Cohort.load(prepared).fingerprint()
    assert before == Cohort.load(prepared).fingerprint()
    assert changed_fingerprint(prepared, **changes) != before


def test_the_fingerprint_stays_without_a_change_for_the_training(prepared: Path) -> None:
    content = read_json(prepared / "cohort.json")
    structures = [{**each, "name": "x", "colour": "#000000"} for each in content["anatomy"]["structures"]]
    texts = dict.fromkeys(("title", "notice", "licence", "citation", "modality"), "other")
    anatomy = {"title": "B", "body_part": "neck", "structures": structures}
    files = {name: digest for name, digest in content["files"].items() if "b.nii" not in name}
    test = {"splits": {"train": ["a"], "test": ["c"]}, "pairs": {"test": [["c", "d"]]}}
    before = Cohort.load(prepared).fingerprint()
    assert changed_fingerprint(prepared, **texts, anatomy=anatomy, files=files, **test) == before


def test_unknown_split_and_subject_are_refused(prepared: Path) -> None:
    cohort = Cohort.load(prepared)
    with pytest.raises(InputError, match="no split 'valid'; expected one of train, test"):
        cohort.subjects("valid")
    with pytest.raises(InputError, match="no subject 'z'"):
        cohort.image_path("z")


def test_missing_and_incomplete_descriptions_are_refused(prepared: Path) -> None:
    with pytest.raises(InputError, match=r"elsewhere/cohort\.json: no such file; expected a prepared cohort"):
        Cohort.load(prepared / "elsewhere")
    content = read_json(prepared / "cohort.json")
    for broken in (
        {k: v for k, v in content.items() if k != "splits"},
        content | {"affine": [1, 2]},
        content | {"x": 1},
    ):
        write_json(prepared / "cohort.json", broken)
        with pytest.raises(InputError, match=r"cohort\.json: not a prepared cohort"):
            Cohort.load(prepared)


def test_missing_and_foreign_files_are_refused(prepared: Path) -> None:
    write_nifti(prepared / "labels" / "a.nii.gz", np.ones((4, 3, 2), np.uint8), np.eye(4))
    with pytest.raises(InputError, match=r"a\.nii\.gz: shape \(4, 3, 2\); expected \(2, 3, 4\)"):
        Cohort.load(prepared).load_labels("a")
    (prepared / "images" / "b.nii.gz").unlink()
    with pytest.raises(InputError, match=r"images/b\.nii\.gz: no such file \(1 of cohort\.json are missing"):
        Cohort.load(prepared)
