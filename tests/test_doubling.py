"""The transposed convolution as a matrix product equals PyTorch's, forward and backward."""

import pytest
import torch

from textscf.models.doubling import Doubling


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("samples", [1, 2])
def test_equal_to_double_precision(samples: int, bias: bool) -> None:
    torch.manual_seed(0)
    module, x = Doubling(3, 4, bias), torch.randn(samples, 3, 3, 4, 5)
    plain = torch.nn.ConvTranspose3d(3, 4, 2, 2, bias=bias).double()
    plain.load_state_dict(module.state_dict())
    results = []
    for layer, features in ((module, x), (plain, x.double())):
        out = layer(features.requires_grad_())
        gradients = torch.autograd.grad(out.sin().sum(), [features, *layer.parameters()])
        results.append([part.double() for part in (out, *gradients)])
    torch.testing.assert_close(*results, rtol=1e-5, atol=1e-5)


def test_other_precisions_are_left_to_pytorch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.nn.ConvTranspose3d, "forward", lambda self, x: "PyTorch's")
    module = Doubling(1, 1).double()
    assert module(torch.zeros(1, 1, 2, 2, 2, dtype=torch.float64)) == "PyTorch's"
