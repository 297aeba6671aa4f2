"""The slab-wise convolution equals PyTorch's in value and gradient."""

import pytest
import torch

from textscf.models.convolution import Conv3d


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize(("kernel", "padding"), [(3, 1), (3, 0), (1, 0), (2, 1)])
@pytest.mark.parametrize("shape", [(7, 8, 9), (8, 5, 6), (4, 4, 4), (3, 5, 4)])
def test_equal_to_the_plain_convolution(shape: tuple[int, ...], kernel: int, padding: int, stride: int) -> None:
    convolution = Conv3d(3, 4, kernel, stride, padding).double()
    x = torch.randn(1, 3, *shape, dtype=torch.float64, requires_grad=True)
    slabs = convolution(x)
    plain = torch.nn.Conv3d.forward(convolution, x)
    torch.testing.assert_close(slabs, plain)
    sources = (x, convolution.weight, convolution.bias)
    torch.testing.assert_close(*(torch.autograd.grad(out.sin().sum(), sources) for out in (slabs, plain)))


def test_small_maps_are_cut_in_two_and_large_ones_or_batches_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    batches = []
    conv3d = torch.nn.functional.conv3d
    monkeypatch.setattr(torch.nn.functional, "conv3d", lambda x, *rest: batches.append(len(x)) or conv3d(x, *rest))
    convolution = Conv3d(2, 2, 3, padding=1)
    for shape in ((1, 2, 8, 8, 8), (1, 2, 110, 110, 2), (2, 2, 8, 8, 8)):
        assert convolution(torch.zeros(shape)).shape == shape
    assert batches == [2, 1, 2]


@pytest.mark.parametrize(("channels", "last"), [(2, True), (16, True), (17, False)])
def test_few_channels_lie_together_in_memory(channels: int, last: bool) -> None:
    out = Conv3d(channels, channels, 3, padding=1)(torch.zeros(2, channels, 8, 8, 8))
    assert out.is_contiguous(memory_format=torch.channels_last_3d) is last


def test_bfloat16_is_not_cut() -> None:
    convolution = Conv3d(2, 2, 3, padding=1)
    x = torch.randn(1, 2, 8, 8, 8)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(convolution(x), torch.nn.Conv3d.forward(convolution, x))
