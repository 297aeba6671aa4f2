"""The fast PReLU equals PyTorch's, forward and backward."""

import pytest
import torch

from textscf.models.activation import PReLU


@pytest.mark.parametrize("slope", [0.25, 0.0, -0.5, 1.5])
def test_equal_to_pytorchs(slope: float) -> None:
    fast, plain = PReLU().double(), torch.nn.PReLU(init=slope).double()
    fast.load_state_dict(plain.state_dict())
    x = torch.randn(2, 3, 4, 5, 6, dtype=torch.float64, requires_grad=True)
    found, expected = (
        [out, *torch.autograd.grad(out.sin().sum(), [x, module.weight])]
        for module in (fast, plain)
        for out in [module(x)]
    )
    torch.testing.assert_close(found, expected)


def test_the_slopes_gradient_is_summed_in_single_precision() -> None:
    fast, plain = PReLU(), torch.nn.PReLU()
    x = torch.full((1, 8, 32, 32, 32), -1.0, dtype=torch.bfloat16)
    fast(x).sum(dtype=torch.float32).backward()
    plain(x.float()).sum().backward()
    assert fast.weight.grad is not None
    torch.testing.assert_close(fast.weight.grad, plain.weight.grad)


def test_a_part_that_is_not_trained_has_no_gradient() -> None:
    fast = PReLU().requires_grad_(False)
    x = torch.tensor([-2.0, 2.0], requires_grad=True)
    fast(x).sum().backward()
    assert fast.weight.grad is None
    assert x.grad is not None
    assert x.grad.tolist() == [0.25, 1.0]
