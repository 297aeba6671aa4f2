"""The slab-wise convolution equals PyTorch's in value and gradient."""

import pytest
import torch

from textscf.models.convolution import Conv3d, hasten


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


@pytest.mark.parametrize(("channels", "last"), [(2, True), (32, True), (33, False)])
def test_few_channels_lie_together_in_memory(channels: int, last: bool) -> None:
    out = Conv3d(channels, channels, 3, padding=1)(torch.zeros(2, channels, 8, 8, 8))
    assert out.is_contiguous(memory_format=torch.channels_last_3d) is last


def test_bfloat16_is_not_cut() -> None:
    convolution = Conv3d(2, 2, 3, padding=1)
    x = torch.randn(1, 2, 8, 8, 8)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(convolution(x), torch.nn.Conv3d.forward(convolution, x))


def test_another_networks_convolutions_are_hastened_where_they_are_plain() -> None:
    plain = torch.nn.Conv3d(2, 3, 3, padding=1)
    others = [
        torch.nn.Conv3d(2, 2, (1, 3, 3)),
        torch.nn.Conv3d(2, 2, 3, dilation=2),
        torch.nn.Conv3d(2, 2, 3, groups=2),
        torch.nn.Conv3d(2, 2, 3, padding=1, padding_mode="reflect"),
        torch.nn.Conv3d(2, 2, 3, padding="same"),
    ]
    network = torch.nn.Sequential(plain, *others)
    parameters, x = dict(network.named_parameters()), torch.randn(1, 2, 8, 8, 8)
    before = plain(x)
    assert hasten(network) is network
    assert type(plain) is Conv3d
    assert all(type(other) is torch.nn.Conv3d for other in others)
    assert dict(network.named_parameters()) == parameters
    torch.testing.assert_close(plain(x), before)
