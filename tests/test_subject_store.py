"""The store of finished subjects: what is kept, what is made again, and what does not count as a change."""

from pathlib import Path

import pytest

from textscf.data.subject_store import StoredSubject, digest


@pytest.fixture
def subject(tmp_path: Path) -> StoredSubject:
    made = StoredSubject(tmp_path, "s1")
    for path in (made.image, made.labels):
        path.parent.mkdir(exist_ok=True)
        path.write_text(path.parent.name)
    made.complete("digest")
    return made


def test_a_subject_is_complete_for_the_inputs_that_it_was_made_from(subject: StoredSubject) -> None:
    assert subject.is_complete("digest")
    assert not subject.is_complete("another")
    assert list(subject.files()) == ["images/s1.nii.gz", "labels/s1.nii.gz"]


@pytest.mark.parametrize("damage", ["image changed", "labels gone", "record damaged", "begun again"])
def test_a_subject_that_was_touched_is_not_complete(subject: StoredSubject, damage: str) -> None:
    match damage:
        case "image changed":
            subject.image.write_text("else")
        case "labels gone":
            subject.labels.unlink()
        case "record damaged":
            subject.record.write_text("{")
        case "begun again":
            subject.begin()
    assert not subject.is_complete("digest")


def test_code_counts_and_its_prose_does_not(tmp_path: Path) -> None:
    def of(name: str, code: str) -> str:
        (tmp_path / name).write_text(code)
        return digest(["settings"], [], [tmp_path / name])

    first = of("a.py", 'def f():\n    """Prose."""\n    return 1\n')
    assert of("b.py", 'def f():\n    """Other prose."""\n    # and more\n    return 1\n') == first
    assert of("c.py", "def f():\n    return 2\n") != first


def test_settings_and_files_count(tmp_path: Path) -> None:
    file = tmp_path / "scan"
    file.write_text("a")
    first = digest(["settings"], [file], [])
    assert digest(["others"], [file], []) != first
    file.write_text("b")
    assert digest(["settings"], [file], []) != first
