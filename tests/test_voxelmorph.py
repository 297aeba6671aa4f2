"""VoxelMorph-2: published count, conversion at its boundary, any size."""

import pytest
import torch
from torch.nn import functional

from tests.fields import constant_head, shifted_pair
from textscf.models import build_network
from textscf.models.backbones.voxelmorph import VoxelMorph
from textscf.models.complexity import multi_adds
from textscf.spatial import warp

SMALL = {"name": "voxelmorph", "encoder": [4, 6, 6, 6], "decoder": [6, 6, 6, 6, 6, 4]}


def test_counts_of_the_published_network() -> None:
    """301,411 parameters and 56.97 G multi-adds at 96x80x128, of the authors' strided network with its last layer."""
    network = build_network({"backbone": {"name": "voxelmorph"}, "head": None, "integration_steps": 0})
    assert sum(p.numel() for p in network.parameters()) == 301_411
    assert round(multi_adds(network, (96, 80, 128)) / 1e9, 2) == 56.97


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_shift_is_recovered(axis: int) -> None:
    fixed, moving, inside = shifted_pair((17, 22, 27), axis, 3)
    value = [2 * 3 / (n - 1) * (a == axis) for a, n in enumerate(fixed.shape[2:])]
    backbone = VoxelMorph(SMALL["encoder"], SMALL["decoder"])
    field = backbone(moving, fixed, [constant_head(value)])
    assert field.shape == (1, 3, 17, 22, 27)
    torch.testing.assert_close(warp(moving, field)[inside], fixed[inside], atol=1e-4, rtol=0)


def test_features_at_full_size_see_both_images() -> None:
    backbone = VoxelMorph(SMALL["encoder"], SMALL["decoder"])
    a, b = torch.rand(2, 1, 1, 16, 16, 16)
    seen = []
    for moving, fixed in ((a, b), (b, b), (a, a)):
        backbone(moving, fixed, [lambda features: seen.append(features) or features[:, :3]])
    assert seen[0].shape == (1, 4, 16, 16, 16)
    assert all(functional.mse_loss(seen[0], other) > 1e-8 for other in seen[1:])
