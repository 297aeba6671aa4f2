"""The CPU's own versions are used on the CPU alone, and not in compiled code."""

import torch

from textscf.models.eager import in_single_precision, on_cpu


def test_cpu_in_single_precision() -> None:
    x = torch.zeros(1)
    assert on_cpu(x)
    assert in_single_precision(x)
    assert on_cpu(x.double())
    assert not in_single_precision(x.double())
    with torch.autocast("cpu", torch.bfloat16):
        assert on_cpu(x)
        assert not in_single_precision(x)


def test_not_elsewhere_and_not_while_compiling() -> None:
    assert not on_cpu(torch.zeros(1, device="meta"))
    traced = torch.compile(lambda x: x + on_cpu(x), backend="eager", fullgraph=True)
    assert traced(torch.zeros(1)).item() == 0
