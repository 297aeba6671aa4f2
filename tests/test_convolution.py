"""Convolutions take the layout that is fastest, and those of other networks are replaced."""

import pytest
import torch

from textscf.models.convolution import Conv3d, hasten


@pytest.mark.parametrize(("channels", "last"), [(2, True), (32, True), (33, False)])
def test_few_channels_lie_together_in_memory(channels: int, last: bool) -> None:
    out = Conv3d(channels, channels, 5, padding=2)(torch.zeros(2, channels, 8, 8, 8))
    assert out.is_contiguous(memory_format=torch.channels_last_3d) is last


def test_bfloat16_is_left_to_pytorch() -> None:
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
