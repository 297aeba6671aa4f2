"""The parallel map: order, errors of the function, and the death of a process."""

import os

import pytest

from textscf.data.workers import parallel_map
from textscf.errors import InputError


def square(number: int) -> int:
    """Work for a process; 13 is bad luck and 99 is fatal."""
    if number == 13:
        raise InputError("thirteen: not a number of ours")
    if number == 99:
        os._exit(1)
    return number**2


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_results_keep_the_order_of_the_items(workers: int) -> None:
    with parallel_map(workers) as mapping:
        assert mapping(square, [3, 1, 2], "squaring") == [9, 1, 4]
        assert mapping(square, [], "squaring") == []


@pytest.mark.parametrize("workers", [1, 2])
def test_errors_of_the_function_come_through(workers: int) -> None:
    with parallel_map(workers) as mapping, pytest.raises(InputError, match="^thirteen"):
        mapping(square, [1, 13, 2], "squaring")


def test_death_of_a_process_is_one_clear_error() -> None:
    with pytest.raises(InputError, match="one of 2 worker processes died"), parallel_map(2) as mapping:
        mapping(square, [1, 99, 2], "squaring")
