"""Every bad input of the corpus is refused as it must be."""

import gzip
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.robustness.case import Case
from tests.robustness.corpus import corpus, sample
from tests.robustness.runner import run_cases
from tests.robustness.settings import STUDY
from textscf.errors import InputError
from textscf.files.io import read_image, read_yaml, write_nifti
from textscf.study import load_study

pytestmark = pytest.mark.no_cover  # most of the work is done in other processes
KINDS = ("YAML text", "YAML keys and values", "Names that reach a path or a shell")
CASES = corpus()
SETTINGS = [case for case in CASES if case.entry == "snakemake" and case.kind in KINDS]
SAMPLE = sample(CASES)


def test_every_bad_input_is_refused(workspace: Path) -> None:
    """All cases of `make robustness`, except most of those that the next test has too."""
    cases = [case for case in CASES if case not in SETTINGS or case in SAMPLE]
    assert len(cases) >= 190
    outcomes = list(run_cases(cases, workspace))
    print(f"counted: {len(outcomes)} bad inputs refused, slowest {max(found.seconds for found in outcomes):.1f} s")
    wrong = [
        f"{found.case.kind}: {found.case.name}: {'; '.join(found.problems)}" for found in outcomes if found.problems
    ]
    assert wrong == []


@pytest.mark.parametrize("case", SETTINGS, ids=lambda case: case.name)
def test_bad_settings_are_refused_where_snakemake_loads_them(case: Case, workspace: Path, tmp_path: Path) -> None:
    shutil.copytree(workspace / "config", tmp_path / "config")
    case.damage(tmp_path)
    study = tmp_path / STUDY
    with pytest.raises(InputError, match=case.reason) as refusal:
        load_study(read_yaml(study), tmp_path / "config", [study])
    assert case.file in str(refusal.value)


def test_new_interpreters_refuse_alike(workspace: Path) -> None:
    cases = [case for case in SAMPLE if case.kind in ("Stored image", "YAML keys and values")]
    assert [found.problems for found in run_cases(cases, workspace, fresh=True)] == [()] * 2


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
