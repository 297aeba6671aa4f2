"""Every bad input of the corpus is refused as it must be; the checks of a refusal themselves can fail."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from tests.robustness.case import Case, Outcome
from tests.robustness.corpus import corpus, sample
from tests.robustness.page import make_page
from tests.robustness.runner import run_cases
from tests.robustness.workspace import COHORT, SCANS, scan
from textscf.errors import InputError
from textscf.files.io import read_image, write_nifti

PREPROCESS = ("preprocess.py", "--config", f"{COHORT}/config.yaml", "--raw", SCANS, "--out", "new/cohort.json")


def test_every_bad_input_is_refused() -> None:
    """Of the cases of `make robustness`, every second of a script and every fifth of Snakemake, which takes longer."""
    by_entry = [[case for case in corpus() if (case.entry == "snakemake") == slow] for slow in (False, True)]
    cases = [*by_entry[0][::2], *by_entry[1][::5]]
    assert len(cases) >= 200
    outcomes = list(run_cases(cases))
    print(f"counted: {len(outcomes)} bad inputs refused, slowest {max(found.seconds for found in outcomes):.1f} s")
    wrong = [
        f"{found.case.kind}: {found.case.name}: {'; '.join(found.problems)}" for found in outcomes if found.problems
    ]
    assert wrong == []


def test_new_interpreters_refuse_alike() -> None:
    cases = [case for case in sample(corpus()) if case.kind in ("Stored image", "YAML keys and values", "Checkpoint")]
    assert [found.problems for found in run_cases(cases, fresh=True)] == [()] * len(cases)


def outcome_of(**changes: object) -> Outcome:
    settings = {
        "kind": "Stored image",
        "name": "empty",
        "command": PREPROCESS,
        "damage": lambda place: (place / scan(4)).write_bytes(b""),
        "file": scan(4),
        "reason": "cannot be read",
        "allowed": ("new/rejected.csv",),
    }
    return next(iter(run_cases([Case(**{**settings, **changes})])))  # type: ignore[arg-type]


def damage_of_code(place: Path) -> None:
    (place / "src").unlink()
    (place / "src").mkdir()
    (place / "src/preprocess.py").write_text("raise KeyError('x')")


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"damage": lambda place: None}, "exit code 0"),
        ({"reason": "some other reason"}, "no line names"),
        ({"file": "another_file"}, "no line names"),
        ({"allowed": ()}, "left or changed new/rejected.csv"),
        ({"damage": damage_of_code}, "traceback: KeyError"),
    ],
)
def test_what_is_no_proper_refusal_is_seen(changes: dict[str, object], problem: str) -> None:
    assert any(found.startswith(problem) for found in outcome_of(**changes).problems)


def test_the_page_counts_what_was_refused() -> None:
    good = outcome_of()
    assert good.problems == ()
    assert good.code == 2
    bad = Outcome(good.case, 0, 1.0, 100.0, "", ("exit code 0",))
    page = make_page([good, bad], [good], "- 30 kills")
    assert "**1 of 2 were refused**" in page
    assert "| Stored image    |       2 |         1 |" in page
    assert "- 30 kills" in page


def test_a_flipped_bit_in_a_stream_cannot_pass_for_a_voxel(tmp_path: Path) -> None:
    path = tmp_path / "scan.nii.gz"
    write_nifti(path, np.arange(24, dtype=np.float32).reshape(2, 3, 4), np.eye(4))
    content = bytearray(gzip.decompress(path.read_bytes()))
    whole = path.read_bytes()
    content[-1] ^= 1
    changed = gzip.compress(bytes(content), 1, mtime=0)
    path.write_bytes(changed[:-8] + whole[-8:])
    with pytest.raises(InputError, match="CRC"):
        read_image(path)
