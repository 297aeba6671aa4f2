"""The CPU's convolution equals PyTorch's in double precision, forward and backward."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from textscf.models.cpu_convolution import convolve, is_faster

SINGLE = {"rtol": 1e-4, "atol": 1e-4}


def value_and_gradients(out: Tensor, sources: list[Tensor]) -> list[Tensor]:
    return [out, *torch.autograd.grad(out.sin().sum(), sources)]


@pytest.mark.parametrize("samples", [1, 2])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize(("kernel", "padding"), [(3, 1), (3, 0), (1, 0), (2, 1), (5, 2)])
@pytest.mark.parametrize("shape", [(7, 8, 9), (8, 5, 6), (4, 4, 4), (3, 5, 4), (1, 4, 4), (40, 6, 5)])
def test_equal_to_double_precision(
    shape: tuple[int, ...], kernel: int, padding: int, stride: int, samples: int
) -> None:
    if shape[0] + 2 * padding < kernel:
        pytest.skip("the map is smaller than the kernel")
    torch.manual_seed(0)
    x, bias = torch.randn(samples, 3, *shape), torch.randn(4)
    weight = torch.randn(4, 3, kernel, kernel, kernel) / kernel**1.5
    sources = [part.requires_grad_() for part in (x, weight, bias)]
    doubles = [source.detach().double().requires_grad_() for source in sources]
    found = value_and_gradients(convolve(*sources, stride, padding), sources)
    expected = value_and_gradients(functional.conv3d(*doubles, stride, padding), doubles)
    torch.testing.assert_close([part.double() for part in found], expected, **SINGLE)


def test_gradients_that_nobody_needs_are_left_out() -> None:
    x, weight = torch.randn(1, 2, 8, 8, 8), torch.randn(2, 2, 3, 3, 3, requires_grad=True)
    convolve(x, weight, None, 1, 1).sum().backward()
    assert weight.grad is not None
    assert x.grad is None


def test_it_is_for_single_precision_without_autocast_unless_wide_and_large() -> None:
    x, narrow, wide = torch.zeros(1, 1, 4, 4, 4), torch.zeros(1, 32, 5, 5, 5), torch.zeros(1, 33, 5, 5, 5)
    assert is_faster(x, narrow)
    assert is_faster(x, wide[..., :3])
    assert not is_faster(x, wide)
    assert not is_faster(x.double(), narrow.double())
    assert not is_faster(x.to("meta"), narrow.to("meta"))
    with torch.autocast("cpu", torch.bfloat16):
        assert not is_faster(x, narrow)
