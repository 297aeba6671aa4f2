"""The composite loss: what each setting changes, and where a coarse level samples images and labels."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from textscf.losses import smoothness
from textscf.models import RegistrationNetwork
from textscf.models.backbone import Backbone, Level
from textscf.registration.volumes import Scan
from textscf.spatial import integrate
from textscf.training.objective import Objective

LOSS = {"similarity": "mse", "dice": 1.0, "smoothness": 0.1, "regularise": "displacement", "padding": "zeros"}
SHAPE = (29, 34, 40)


class _Constant(Backbone):
    """Predicts a shift, in voxels of the grid of the stage in use."""

    levels = (Level(1, 4), Level(1, 2), Level(1, 1))
    strides = (4, 2, 1)

    def __init__(self, shift: tuple[float, float, float], stage: int = -1) -> None:
        super().__init__()
        self.shift, self.stage = shift, stage

    def forward(self, moving: Tensor, fixed: Tensor, heads: Any) -> Tensor:
        coarse = [-(-n // self.strides[self.stage]) for n in fixed.shape[2:]]
        return torch.tensor(self.shift).view(1, 3, 1, 1, 1).expand(1, 3, *coarse)


def scan(image: Tensor, labels: Tensor) -> Scan:
    return Scan(image, labels, None, None)


def terms(network: nn.Module, fixed: Scan, moving: Scan, n_labels: int = 3, **changes: Any) -> dict[str, float]:
    values = Objective({**LOSS, **changes}, n_labels)(network, fixed, moving)
    return dict(zip(("loss", "similarity", "dice", "smoothness"), values.tolist(), strict=True))


def blocks(edge: int, offset: int) -> Tensor:
    """Label 1 and 2 in blocks whose borders lie between voxels that are multiples of `edge`."""
    axes = torch.meshgrid(*(torch.arange(n) + offset for n in SHAPE), indexing="ij")
    return (1 + sum((axis + edge // 2) // edge for axis in axes) % 2)[None, None].to(torch.uint8)


@pytest.mark.parametrize(("stage", "stride"), [(0, 4), (1, 2), (2, 1)])
def test_a_shift_that_a_level_can_express_makes_all_its_terms_vanish(stage: int, stride: int) -> None:
    """Fixed and moving scan differ by a shift of `stride` voxels along every axis, which is one voxel of the level.

    Images are linear, so that averaging around a voxel changes nothing away from the border.
    """
    ramp = sum(torch.meshgrid(*(torch.linspace(0, 1, n) for n in SHAPE), indexing="ij"))[None, None] / 3
    step = sum(stride / (n - 1) for n in SHAPE) / 3
    fixed, moving = scan(ramp, blocks(stride, 0)), scan(ramp - step, blocks(stride, -stride))
    right = terms(RegistrationNetwork(_Constant((1.0, 1.0, 1.0), stage), []), fixed, moving, padding="border")
    still = terms(RegistrationNetwork(_Constant((0.0, 0.0, 0.0), stage), []), fixed, moving, padding="border")
    assert right["dice"] < 0.6 < 0.9 < still["dice"]
    assert right["similarity"] < 0.2 * still["similarity"]


@pytest.mark.parametrize("stage", [0, 1])
def test_image_and_labels_of_a_coarse_level_are_sampled_at_the_same_places(stage: int) -> None:
    """The moving image is the label map itself, so that both terms see the same values at every voxel of the level."""
    torch.manual_seed(0)
    labels = torch.randint(0, 2, (1, 1, *SHAPE), dtype=torch.uint8)
    stride = _Constant.strides[stage]
    seen: dict[str, Tensor] = {}

    def spy(fixed: Tensor, warped: Tensor, stride: int) -> Tensor:
        seen["warped"] = warped
        return warped.sum() * 0

    objective = Objective(LOSS, 2)
    objective._similarity = spy
    objective(RegistrationNetwork(_Constant((0.0, 0.0, 0.0), stage), []), *[scan(labels.float(), labels)] * 2)
    torch.testing.assert_close(seen["warped"], labels[..., ::stride, ::stride, ::stride].float())


def test_padding_says_what_lies_outside_the_moving_image() -> None:
    ones = scan(torch.ones(1, 1, *SHAPE), torch.ones(1, 1, *SHAPE, dtype=torch.uint8))
    away = RegistrationNetwork(_Constant((100.0, 0.0, 0.0)), [])
    assert terms(away, ones, ones)["similarity"] == pytest.approx(1)
    assert terms(away, ones, ones, padding="border")["similarity"] == pytest.approx(0, abs=1e-6)


def test_the_velocity_or_the_displacement_is_regularised() -> None:
    torch.manual_seed(0)
    velocity = 3 * torch.rand(1, 3, *SHAPE)
    backbone = _Constant((0.0, 0.0, 0.0))
    backbone.forward = lambda moving, fixed, heads: velocity
    network = RegistrationNetwork(backbone, [], integration_steps=4)
    labels = torch.zeros(1, 1, *SHAPE, dtype=torch.uint8)
    pair = [scan(torch.rand(1, 1, *SHAPE), labels)] * 2
    expected = {"velocity": velocity, "displacement": integrate(velocity, 4)}
    for name, field in expected.items():
        assert terms(network, *pair, regularise=name)["smoothness"] == pytest.approx(float(smoothness(field)))


def test_weights_of_the_terms() -> None:
    torch.manual_seed(0)
    labels = torch.randint(0, 3, (1, 1, *SHAPE), dtype=torch.uint8)
    fixed = scan(torch.rand(1, 1, *SHAPE), labels)
    moving = replace(fixed, image=torch.rand(1, 1, *SHAPE), labels=labels.flip(2))
    found = terms(RegistrationNetwork(_Constant((0.5, 0.0, -0.5)), []), fixed, moving, dice=2.0, smoothness=0.3)
    assert found["loss"] == pytest.approx(found["similarity"] + 2 * found["dice"] + 0.3 * found["smoothness"])
