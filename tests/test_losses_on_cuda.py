"""The kernels of the Dice loss, in Triton's interpreter where there is no GPU."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="Triton is for Linux alone")

SCRIPT = """
import itertools
import torch
from tests.test_losses import blocky_labels
from tests.test_spatial import smooth_field
from textscf.losses import SoftDice
from textscf.losses.dice_kernels import soft_dice

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
cases = itertools.product([((9, 11, 14), 4), ((16, 8, 5), 13)], (0.4, 3.0, 40.0))
for ((shape, n), size), dtype in zip(cases, itertools.cycle((torch.uint8, torch.int16))):
    fixed, moving = (blocky_labels(shape, n, seed).to(DEVICE) for seed in (0, 1))
    field = (smooth_field(shape, size) + 0.013).float().to(DEVICE).requires_grad_()
    found = soft_dice(fixed.to(dtype), moving.to(dtype), field, n)
    expected = SoftDice(n)(fixed.cpu(), moving.cpu(), field.double().cpu())
    torch.testing.assert_close(found.double().cpu(), expected, rtol=1e-6, atol=1e-7)
    gradients = [torch.autograd.grad(loss * 3, field)[0].cpu() for loss in (found, expected)]
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-6 * gradients[1].abs().max().item())
field = torch.zeros(1, 3, 16, 8, 5, device=DEVICE)
field[..., 2, 3, 1] = float("nan")
assert soft_dice(fixed, moving, field, 13).isnan()
print("equal")
"""


def test_value_and_gradient_are_those_of_the_loss_on_the_cpu(root: Path) -> None:
    environment = {**os.environ, "TRITON_INTERPRET": "1", "PYTHONPATH": f"{root / 'src'}{os.pathsep}{root}"}
    done = subprocess.run([sys.executable, "-c", SCRIPT], cwd=root, env=environment, capture_output=True, text=True)
    assert done.stdout.strip() == "equal", done.stderr
