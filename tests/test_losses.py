"""Losses against their one-hot and NumPy definitions in float64."""

import numpy as np
import pytest
import torch
from benchmarks.plain import one_hot_dice
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.test_spatial import smooth_field
from textscf.losses import SoftDice, smoothness
from textscf.losses.box_mean import box_mean
from textscf.losses.similarities import mse, multi_window_ncc
from textscf.spatial import halve


def blocky_labels(shape: tuple[int, ...], n: int, seed: int) -> torch.Tensor:
    """Labels with regions of several voxels, so that cells with one and with many labels occur."""
    coarse = torch.randint(
        0, n, (1, 1, *(max(1, s // 3) for s in shape)), generator=torch.Generator().manual_seed(seed)
    )
    return torch.nn.functional.interpolate(coarse.float(), size=shape).to(torch.uint8)


@settings(max_examples=25, deadline=None)
@given(
    shape=st.tuples(*[st.integers(3, 9)] * 3), n=st.integers(2, 6), seed=st.integers(0, 1000), size=st.floats(0.1, 12)
)
def test_soft_dice_equals_the_one_hot_form_in_value_and_gradient(
    shape: tuple[int, ...], n: int, seed: int, size: float
) -> None:
    fixed, moving = blocky_labels(shape, n, seed), blocky_labels(shape, n, seed + 1)
    displacement = torch.randn(1, 3, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)) * size
    displacement.requires_grad_()
    fast, plain = SoftDice(n)(fixed, moving, displacement), one_hot_dice(fixed, moving, displacement, n)
    torch.testing.assert_close(fast, plain, rtol=1e-12, atol=1e-12)
    gradients = [torch.autograd.grad(loss, displacement)[0] for loss in (fast, plain)]
    torch.testing.assert_close(*gradients, rtol=1e-9, atol=1e-12)


def test_soft_dice_in_float32_is_as_exact_as_float32() -> None:
    shape, n = (24, 20, 28), 14
    fixed, moving = blocky_labels(shape, n, 3), blocky_labels(shape, n, 4)
    displacement = smooth_field(shape, 4.0)
    single = SoftDice(n)(fixed, moving, displacement.float())
    assert single.item() == pytest.approx(one_hot_dice(fixed, moving, displacement, n).item(), rel=1e-6)


def test_soft_dice_gradcheck() -> None:
    fixed, moving = blocky_labels((5, 6, 4), 3, 0), blocky_labels((5, 6, 4), 3, 1)
    displacement = (smooth_field((5, 6, 4), 1.3) + 0.07).requires_grad_()
    assert torch.autograd.gradcheck(lambda u: SoftDice(3)(fixed, moving, u), (displacement,))


def test_soft_dice_of_identical_labels_is_zero_only_where_all_labels_occur() -> None:
    labels = blocky_labels((12, 12, 12), 4, 0)
    still = torch.zeros(1, 3, 12, 12, 12)
    assert SoftDice(4)(labels, labels, still).item() == pytest.approx(0, abs=1e-6)
    assert SoftDice(5)(labels, labels, still).item() == pytest.approx(1 / 5, abs=1e-6)


def test_soft_dice_takes_more_labels_than_a_byte_holds() -> None:
    labels = torch.arange(5 * 8 * 8).reshape(1, 1, 5, 8, 8)
    displacement = torch.full((1, 3, 5, 8, 8), 0.25, dtype=torch.float64)
    expected = one_hot_dice(labels, labels, displacement, 320)
    torch.testing.assert_close(SoftDice(320)(labels, labels, displacement), expected)


def test_smoothness_is_the_mean_squared_forward_difference() -> None:
    field = torch.randn(1, 3, 4, 5, 6, dtype=torch.float64)
    expected = np.mean([np.mean(np.diff(field.numpy(), axis=axis) ** 2) for axis in (2, 3, 4)])
    assert smoothness(field).item() == pytest.approx(expected, rel=1e-12)
    assert smoothness(torch.ones(1, 3, 4, 4, 4)) == 0


def test_mse() -> None:
    fixed, warped = torch.tensor([[[[[1.0, 2.0]]]]]), torch.tensor([[[[[1.5, 4.0]]]]])
    assert mse.dissimilarity(fixed, warped, 1).item() == pytest.approx((0.25 + 4) / 2)


@pytest.mark.parametrize("window", [1, 3, 5, 7, 9])
@pytest.mark.parametrize("shape", [(9, 8, 11), (1, 2, 3)])
def test_box_mean_equals_a_convolution_in_value_and_gradient(window: int, shape: tuple[int, ...]) -> None:
    x = torch.randn(2, 1, *shape, dtype=torch.float64, requires_grad=True)
    box = torch.full((1, 1, *[window] * 3), window**-3, dtype=torch.float64)
    expected = torch.nn.functional.conv3d(x, box, padding=window // 2)
    torch.testing.assert_close(box_mean(x, window), expected, rtol=1e-12, atol=1e-12)
    weights = torch.randn_like(x)
    gradients = [torch.autograd.grad((mean * weights).sum(), x)[0] for mean in (box_mean(x, window), expected)]
    torch.testing.assert_close(*gradients, rtol=1e-12, atol=1e-12)


def ncc_in_float64(fixed: np.ndarray, warped: np.ndarray, window: int) -> float:
    """Squared correlation of LapIRN's training: zero-padded windows, sums, epsilon 1e-5."""
    padded = [np.pad(x, window // 2) for x in (fixed, warped)]
    a, b = (np.lib.stride_tricks.sliding_window_view(p, (window,) * 3).reshape(*fixed.shape, -1) for p in padded)
    a, b = (x - x.mean(-1, keepdims=True) for x in (a, b))
    return float(((a * b).sum(-1) ** 2 / ((a**2).sum(-1) * (b**2).sum(-1) + 1e-5)).mean())


def test_multi_window_ncc_equals_its_definition() -> None:
    generator = torch.Generator().manual_seed(0)
    fixed, warped = torch.rand(2, 1, 1, 13, 12, 17, dtype=torch.float64, generator=generator)
    halves, quarters = [halve(x) for x in (fixed, warped)], [halve(halve(x)) for x in (fixed, warped)]
    terms = [
        ncc_in_float64(*(x[0, 0].numpy() for x in pair), window)
        for pair, window in (((fixed, warped), 7), (halves, 5), (quarters, 3))
    ]
    expected = -(terms[0] + terms[1] / 2 + terms[2] / 4)
    assert multi_window_ncc.dissimilarity(fixed, warped, 1).item() == pytest.approx(expected, rel=1e-9)
    last = -ncc_in_float64(*(x[0, 0].numpy() for x in (fixed, warped)), 3)
    assert multi_window_ncc.dissimilarity(fixed, warped, 4).item() == pytest.approx(last, rel=1e-9)


def test_multi_window_ncc_is_finite_where_images_are_constant() -> None:
    fixed = torch.full((1, 1, 16, 16, 16), 0.7)
    warped = torch.full_like(fixed, 0.3).requires_grad_()
    loss = multi_window_ncc.dissimilarity(fixed, warped, 1)
    loss.backward()
    assert loss.isfinite()
    assert warped.grad is not None
    assert warped.grad.isfinite().all()
