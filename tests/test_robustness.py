"""Every bad input of the corpus is refused as it must be."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from tests.robustness.corpus import corpus, sample
from tests.robustness.runner import run_cases
from textscf.errors import InputError
from textscf.files.io import read_image, write_nifti

pytestmark = pytest.mark.no_cover  # the work is done in other processes


def test_every_bad_input_is_refused(workspace: Path) -> None:
    """Of the cases of `make robustness`, all of a script and every fifth of Snakemake, which takes longer."""
    by_entry = [[case for case in corpus() if (case.entry == "snakemake") == slow] for slow in (False, True)]
    cases = [*by_entry[0], *by_entry[1][::5]]
    assert len(cases) >= 200
    outcomes = list(run_cases(cases, workspace))
    print(f"counted: {len(outcomes)} bad inputs refused, slowest {max(found.seconds for found in outcomes):.1f} s")
    wrong = [
        f"{found.case.kind}: {found.case.name}: {'; '.join(found.problems)}" for found in outcomes if found.problems
    ]
    assert wrong == []


def test_new_interpreters_refuse_alike(workspace: Path) -> None:
    cases = [case for case in sample(corpus()) if case.kind in ("Stored image", "YAML keys and values")]
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
