"""Each reader refuses damaged files by an InputError; `python -m tests.fuzzing` tries more of them for longer."""

import importlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzzing.target import Target, attempt

EXAMPLES = {"archives": 40, "checkpoints": 15, "nifti": 40, "settings": 15, "tables": 40}


def damaged(seed: bytes, edits: list[tuple[int, int, bytes]]) -> bytes:
    """Replace parts of a good input, but not its first byte, which chooses the form."""
    content = bytearray(seed)
    for place, length, new in edits:
        start = 1 + place % max(len(content) - 1, 1)
        content[start : start + length] = new
    return bytes(content)


@pytest.mark.parametrize("name", EXAMPLES)
def test_damaged_files_are_refused_in_one_line(name: str) -> None:
    target: Target = importlib.import_module(f"tests.fuzzing.{name}").TARGET
    assert attempt(target, target.seeds[0]) is None or name == "tables"
    edits = st.lists(st.tuples(st.integers(0, 2**15), st.integers(0, 8), st.binary(max_size=8)), min_size=1, max_size=4)

    @settings(max_examples=EXAMPLES[name], deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(st.sampled_from(target.seeds), edits)
    def try_one(seed: bytes, edits: list[tuple[int, int, bytes]]) -> None:
        attempt(target, damaged(seed, edits))

    try_one()


def test_an_attempt_tells_a_fault_from_a_refusal() -> None:
    def broken(path: object) -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        attempt(Target("x", broken, ()), b"\0")
