"""TransMorph: published counts, windows that keep their size, masks, boundary conversion, shapes, gradients."""

from typing import Any

import pytest
import torch
from torch import Tensor

from tests.fields import constant_head, shifted_pair
from textscf.errors import InputError
from textscf.models import RegistrationNetwork, build_network
from textscf.models.backbones.transmorph import SwinBlock, SwinEncoder, SwinStage
from textscf.models.complexity import complexity
from textscf.spatial import warp

VARIANTS: dict[str, tuple[dict[str, Any], int]] = {
    "large": ({"embed_channels": 128, "depths": [2, 2, 12, 2], "attention_heads": [4, 4, 8, 16]}, 108_343_907),
    "base": ({"embed_channels": 96, "depths": [2, 2, 4, 2], "attention_heads": [4, 4, 8, 8]}, 46_771_251),
    "small": ({"embed_channels": 48, "depths": [2, 2, 4, 2], "attention_heads": [4, 4, 4, 4]}, 11_757_195),
    "tiny": ({"embed_channels": 6, "depths": [2, 2, 4, 2], "attention_heads": [2, 2, 4, 4]}, 244_527),
}
SMALL = {
    "name": "transmorph",
    "embed_channels": 8,
    "depths": [2, 2, 1, 1],
    "attention_heads": [2, 2, 4, 4],
    "window": [3, 2, 4],
    "drop_path": 0.0,
    "head_channels": 4,
}
HEAD = {"kind": "scf", "hidden_channels": 8, "blend": "convex"}


def small_network(head: dict | None = None, **options: object) -> RegistrationNetwork:
    settings = {"backbone": {**SMALL, **options}, "head": head, "integration_steps": 0}
    return build_network(settings, torch.randn(5, 6))


@pytest.mark.parametrize("variant", VARIANTS)
def test_parameter_counts_of_the_published_variants(variant: str) -> None:
    """The counts of the four configurations in the authors' repository, instantiated with their code."""
    settings, count = VARIANTS[variant]
    with torch.device("meta"):
        network = build_network({"backbone": {"name": "transmorph", **settings}, "head": None, "integration_steps": 0})
    assert sum(p.numel() for p in network.parameters()) == count


def test_multi_adds_of_the_published_large_network() -> None:
    """207.809937408 G with weights at 96x96x128, counted on the authors' code; padding to whole windows included."""
    backbone = {"name": "transmorph", **VARIANTS["large"][0]}
    with torch.device("meta"):
        network = build_network({"backbone": backbone, "head": None, "integration_steps": 0})
    count = complexity(network, (96, 96, 128))
    assert (count.multi_adds, count.attention_multi_adds) == (207_809_937_408, 5_419_008_000)


def test_a_map_smaller_than_its_window_is_padded_and_keeps_the_bias_of_each_offset() -> None:
    """Attention of one window written out voxel by voxel in float64."""
    torch.manual_seed(0)
    window, shape = (3, 2, 4), (2, 2, 3)
    block = SwinBlock(4, 1, window, (0, 0, 0), qkv_bias=False).double()
    for parameter in block.parameters():
        torch.nn.init.normal_(parameter)
    x = torch.randn(1, *shape, 4, dtype=torch.float64)
    padded = torch.zeros(1, *window, 4, dtype=torch.float64)
    padded[:, :2, :2, :3] = block.norm1(x)
    query, key, value = block.attn.qkv(padded).reshape(-1, 3, 4).unbind(1)
    places = torch.cartesian_prod(*(torch.arange(n) for n in window))
    table = block.attn.relative_position_bias_table.view(5, 3, 7)
    h, w, d = (places[:, None] - places[None] + torch.tensor(window) - 1).unbind(-1)
    attention = (query @ key.T / 2 + table[h, w, d]).softmax(-1)
    expected = block.attn.proj(attention @ value).view(1, *window, 4)[:, :2, :2, :3]
    torch.testing.assert_close(block.forward_part1(x, torch.empty(0)), expected)


def test_shifted_windows_join_neighbours_and_not_opposite_sides() -> None:
    torch.manual_seed(0)
    stage = SwinStage(4, 1, (4, 4, 4), [0.0, 0.0]).double()
    for parameter in stage.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    x = torch.randn(1, 8, 8, 8, 4, dtype=torch.float64, requires_grad=True)
    reach = torch.autograd.grad(stage(x)[0, 0, 0, 0].sum(), x)[0].abs().sum((0, -1))
    assert reach[:4, :4, :4].min() > 1e-8
    reach[:4, :4, :4] = 0
    assert reach.max() < 1e-20
    inner = torch.autograd.grad(stage(x)[0, 3, 3, 3].sum(), x)[0].abs().sum((0, -1))
    assert inner.min() > 1e-8


def test_a_stage_is_normalised_for_the_decoder_and_merged_as_it_is() -> None:
    encoder = SwinEncoder(4, (1, 1, 1, 1), (1, 1, 2, 2), (2, 2, 2), 0.0)
    torch.nn.init.constant_(encoder.norm[0].weight, 3.0)
    after_stage, before_merging = [], []
    encoder.stages[0].register_forward_hook(lambda _, inputs, output: after_stage.append(output))
    encoder.merge[0].register_forward_pre_hook(lambda _, inputs: before_merging.append(inputs[0]))
    outputs = encoder(torch.rand(1, 2, 20, 24, 28))
    torch.testing.assert_close(before_merging[0], after_stage[0])
    torch.testing.assert_close(outputs[0], encoder.norm[0](after_stage[0]).movedim(-1, 1))
    assert [tuple(x.shape[1:]) for x in outputs] == [(4, 5, 6, 7), (8, 3, 3, 4), (16, 2, 2, 2), (32, 1, 1, 1)]


def test_stochastic_depth_grows_with_depth() -> None:
    encoder = SwinEncoder(4, (2, 1, 1, 1), (1, 1, 2, 2), (5, 6, 7), 0.4)
    rates = [getattr(block.drop_path, "drop_prob", 0.0) for stage in encoder.stages for block in stage.blocks]
    assert rates == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])


def test_training_is_random_and_seeded_where_blocks_are_dropped() -> None:
    network = small_network(drop_path=0.9)
    torch.nn.init.normal_(network.heads[0].projection.weight)
    image = torch.rand(1, 1, 32, 32, 32)

    def field(seed: int) -> Tensor:
        torch.manual_seed(seed)
        return network(image, image).detach()

    torch.testing.assert_close(field(1), field(1))
    assert any((field(1) - field(seed)).abs().max() > 1e-3 for seed in (2, 3, 4))
    network.eval()
    torch.testing.assert_close(field(1), field(2))


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_shift_of_three_voxels_is_recovered(axis: int) -> None:
    fixed, moving, inside = shifted_pair((33, 37, 42), axis, 3)
    value = [2 * 3 / (n - 1) * (a == axis) for a, n in enumerate(fixed.shape[2:])]
    backbone = small_network().backbone
    field = backbone(moving, fixed, [constant_head(value)])
    expected = torch.tensor([3.0 * (a == axis) for a in range(3)]).view(1, 3, 1, 1, 1)
    torch.testing.assert_close(field, expected.expand_as(field))
    torch.testing.assert_close(warp(moving, field)[inside], fixed[inside], atol=1e-4, rtol=0)


def test_features_see_the_moving_image_first() -> None:
    network = small_network()
    seen: list[Tensor] = []
    network.backbone.full_skip.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    moving, fixed = torch.rand(2, 1, 1, 20, 20, 20)
    network(moving, fixed)
    torch.testing.assert_close(seen[0], torch.cat((moving, fixed), dim=1))


@pytest.mark.parametrize("shape", [(17, 17, 17), (33, 37, 42), (18, 50, 31)])
def test_any_volume_size_works_and_starts_from_a_near_zero_field(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    image = torch.rand(1, 1, *shape)
    field = small_network()(image, torch.rand_like(image))
    assert field.shape == (1, 3, *shape)
    assert 0 < field.abs().max() < 0.05


@pytest.mark.parametrize("head", [None, HEAD])
def test_gradients_reach_every_parameter(head: dict | None) -> None:
    torch.manual_seed(0)
    network = small_network(head)
    for parameter in network.heads.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    image, other = torch.rand(2, 1, 1, 42, 39, 51)
    network(image, other, torch.randint(0, 5, image.shape), torch.rand_like(image)).square().sum().backward()
    assert [name for name, p in network.named_parameters() if p.grad is None or p.grad.abs().sum() == 0] == []


def test_settings_that_do_not_fit_together_are_refused() -> None:
    with pytest.raises(InputError, match=r"depths \[2, 2\], attention_heads \[2, 2, 4, 4\]; expected 4 of each"):
        small_network(depths=[2, 2])
    with pytest.raises(InputError, match=r"embed_channels is 10, attention_heads \[4, 4, 4, 4\]; expected"):
        small_network(embed_channels=10, attention_heads=[4, 4, 4, 4])
