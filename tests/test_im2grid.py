"""im2grid: published counts, attention by its definition, start and training, boundary, heads, gradients."""

import itertools
import math

import pytest
import torch
from torch.nn import functional

from tests.fields import constant_head, shifted_pair
from textscf.errors import InputError
from textscf.models import RegistrationNetwork, build_network
from textscf.models.backbone import voxels
from textscf.models.backbones.im2grid import (
    CoordinateTranslator,
    Im2Grid,
    _kept_inside,
    _upsampled,
    mean_offset,
    similarities,
)
from textscf.models.complexity import multi_adds, parameters
from textscf.models.network import build_backbone
from textscf.spatial import identity_grid, warp

HEADS = {
    "plain": None,
    "scf": {"kind": "scf", "hidden_channels": 8, "blend": "convex", "parametrisation": "scaled"},
    "scp": {"kind": "scp", "hidden_channels": 8, "coordinate_stride": 8, "parametrisation": "scaled"},
}
OFFSETS = list(itertools.product((-1, 0, 1), repeat=3))


def network_of(head: str = "plain", **arguments: int) -> RegistrationNetwork:
    backbone = {"name": "im2grid", "start_channels": 2, **arguments}
    return build_network({"backbone": backbone, "head": HEADS[head], "integration_steps": 0}, torch.randn(5, 6))


def smooth_image(*shape: int) -> torch.Tensor:
    """Random blobs about four voxels wide, in [0, 1]."""
    image = functional.interpolate(torch.rand(1, 1, *(n // 4 for n in shape)), size=shape, mode="trilinear")
    return (image - image.min()) / (image.max() - image.min())


@pytest.mark.parametrize(("start_channels", "published"), [(8, 552_813), (16, 764_525)])
def test_parameters_of_the_published_network(start_channels: int, published: int) -> None:
    """Counted on the first author's code with 8 matching channels and at most 64 others.

    Less its eight biases before a normalisation.
    """
    widths = [min(start_channels * 2**k, 64) for k in range(1, 5)]
    assert parameters(network_of(start_channels=start_channels)) == published - 2 * sum(widths)


def test_multi_adds_by_hand() -> None:
    """Both images pass the encoder and the projections; attention has no weights."""
    shape, c, m = (32, 48, 64), 2, 6
    per_voxel = {1: 27 * (c + 2 * c * c + 4 * c * c)}
    per_voxel |= {stride: 27 * (2 + 4) * (stride * c) ** 2 for stride in (2, 4, 8)}
    per_voxel[16] = 27 * (16 * c) ** 2
    expected = 0
    for stride, count in per_voxel.items():
        width = min(2 * stride, 16) * c
        expected += 2 * (count + width * m) * math.prod(n // stride for n in shape)
    assert multi_adds(network_of(matching_channels=m), shape) == expected


@pytest.mark.parametrize("index", range(27))
def test_an_offset_is_the_mean_of_itself(index: int) -> None:
    weights = torch.zeros(1, 27, 2, 3, 4)
    weights[:, index] = 1
    expected = torch.tensor(OFFSETS[index]).float().view(1, 3, 1, 1, 1).expand(1, 3, 2, 3, 4)
    assert torch.equal(mean_offset(weights), expected)


def test_attention_equals_its_definition() -> None:
    """Softmax of dot products of projected features with their positions, neighbour by neighbour."""
    torch.manual_seed(0)
    shape = (3, 4, 6)
    translator = CoordinateTranslator(5, 8)
    for parameter in translator.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    moving, fixed = torch.randn(2, 1, 5, *shape)

    def token(features: torch.Tensor, place: list[int]) -> torch.Tensor:
        inside = all(0 <= x < n for x, n in zip(place, shape, strict=True))
        feature = features[0, :, *place] if inside else torch.zeros(5)
        x = torch.tensor(place) / (max(shape) - 1) * 2 - 1
        position = torch.cat(((x * math.pi / 2).cos(), (x * math.pi / 2).sin(), torch.zeros(2)))
        projected = translator.projection.weight[:, :, 0, 0, 0] @ feature + translator.bias
        return projected + translator.position_scale * position

    weights = translator(moving, fixed, torch.zeros(1, 3, *shape))
    for place in itertools.product(*map(range, shape)):
        query = token(fixed, list(place))
        keys = [token(moving, [x + o for x, o in zip(place, offset, strict=True)]) for offset in OFFSETS]
        expected = (torch.stack(keys) @ query).softmax(0)
        torch.testing.assert_close(weights[0, :, *place], expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_attention_finds_a_shifted_feature(axis: int, sign: int) -> None:
    torch.manual_seed(0)
    translator = CoordinateTranslator(16, 16)
    translator.projection.weight.data[:, :, 0, 0, 0] = 20 * torch.eye(16)
    moving = functional.normalize(torch.randn(1, 16, 6, 7, 9), dim=1)
    field = mean_offset(translator(moving, moving.roll(-sign, dims=2 + axis), torch.zeros(1, 3, 6, 7, 9)))
    expected = torch.zeros(1, 3, 4, 5, 7)
    expected[:, axis] = sign
    torch.testing.assert_close(field[..., 1:-1, 1:-1, 1:-1], expected, atol=0.01, rtol=0)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_attention_looks_around_the_place_that_the_field_leads_to(axis: int) -> None:
    torch.manual_seed(0)
    translator = CoordinateTranslator(5, 8)
    for parameter in translator.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    moving, fixed = torch.randn(2, 1, 5, 7, 8, 9)
    field = torch.zeros(1, 3, 7, 8, 9)
    field[:, axis] = 2
    along, shifted = translator(moving, fixed, field), translator(moving.roll(-2, dims=2 + axis), fixed, 0 * field)
    centre = (slice(None), slice(None), *(slice(1, -1 - 2 * (a == axis)) for a in range(3)))
    torch.testing.assert_close(along[centre], shifted[centre], atol=1e-4, rtol=1e-3)
    assert (along - translator(moving, fixed, 0 * field)).abs().max() > 0.1


def test_features_go_on_beyond_the_border() -> None:
    translator = CoordinateTranslator(5, 8)
    for parameter in translator.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    uniform, fixed = torch.ones(1, 5, 4, 5, 6), torch.randn(1, 5, 4, 5, 6)
    weights = [translator(uniform, fixed, torch.full((1, 3, 4, 5, 6), shift)) for shift in (0.0, 2.5)]
    torch.testing.assert_close(*weights)


def test_gradient_of_similarities() -> None:
    query = torch.randn(2, 2, 1, 2, 3, dtype=torch.float64, requires_grad=True)
    key = torch.randn(2, 2, 3, 4, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(similarities, (query, key))


@pytest.mark.parametrize("head", HEADS)
def test_the_field_starts_at_zero_up_to_the_borders(head: str) -> None:
    inputs = torch.rand(2, 1, 1, 33, 37, 48)
    regions = torch.randint(0, 5, inputs.shape[1:])
    field = network_of(head)(*inputs, regions, torch.rand(inputs.shape[1:]))
    assert field.abs().max() < (1e-4 if head == "plain" else 1e-2)


def test_training_registers_a_shifted_image() -> None:
    torch.manual_seed(0)
    moving = smooth_image(20, 24, 28)
    fixed = moving.roll(-3, dims=3)
    network = network_of()
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
    for _ in range(30):
        optimizer.zero_grad()
        field = network(moving, fixed)
        (warp(moving, field) - fixed).square().mean().backward()
        optimizer.step()
    inside = (slice(None), slice(None), *(slice(6, -6),) * 3)
    before, after = ((image - fixed)[inside].square().mean() for image in (moving, warp(moving, field)))
    assert after < 0.1 * before
    torch.testing.assert_close(field[inside].mean((0, 2, 3, 4)), torch.tensor([0.0, 3, 0]), atol=0.4, rtol=0)


@pytest.mark.parametrize("level", range(5))
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_shift_by_any_level_is_recovered(axis: int, level: int) -> None:
    shape = (35, 38, 49)
    fixed, moving, _ = shifted_pair(shape, axis, 3)
    backbone = Im2Grid(2)
    stride = backbone.levels[level].stride
    heads = [constant_head([0, 0, 0])] * 5
    heads[level] = constant_head([2 * 3 / (n - 1) * (a == axis) for a, n in enumerate(shape)])
    field = backbone(moving, fixed, heads)
    assert field.shape == (1, 3, *shape)
    reached = [slice(None)] * 5
    reached[2 + axis] = slice(0, shape[axis] - 2 * stride - 2)
    torch.testing.assert_close(warp(moving, field)[tuple(reached)], fixed[tuple(reached)], atol=1e-3, rtol=0)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_level_compares_the_fixed_image_with_the_moving_one_as_warped_so_far(axis: int) -> None:
    torch.manual_seed(0)
    shape = (35, 38, 49)
    fixed, moving, _ = shifted_pair(shape, axis, 3)
    backbone = Im2Grid(2)
    torch.nn.init.normal_(backbone.translators[-1].projection.weight)
    shift = [3 * (a == axis) for a in range(3)]
    heads = [constant_head([0, 0, 0])] * 5
    still = backbone(fixed, fixed, heads)
    heads[3] = constant_head([2 * s / (n - 1) for s, n in zip(shift, shape, strict=True)])
    found = backbone(moving, fixed, heads) - torch.tensor(shift).view(1, 3, 1, 1, 1)
    inside = (..., *(slice(6, -6),) * 3)
    assert still[inside].abs().mean() > 0.2
    assert (found - still)[inside].abs().mean() < 0.02


def test_a_finer_level_is_applied_to_what_the_coarser_ones_have_warped() -> None:
    torch.manual_seed(0)
    images = torch.rand(2, 1, 1, 32, 36, 40)
    coarse, fine = 0.1 * torch.randn(1, 3, 16, 18, 20), 0.1 * torch.randn(1, 3, 32, 36, 40)
    zero = constant_head([0, 0, 0])
    field = Im2Grid(2)(*images, [zero, zero, zero, lambda _: coarse, lambda _: fine])
    outer, inner = _upsampled(_kept_inside(voxels(coarse)), (32, 36, 40)), _kept_inside(voxels(fine))
    torch.testing.assert_close(field, inner + warp(outer, inner, padding_mode="border"), atol=1e-3, rtol=0)


def test_places_stop_at_the_border() -> None:
    """Voxels are moved to the border at most, as by sampling with border padding, however far a level points."""
    field = torch.randn(1, 3, 4, 5, 6) * 4
    places = identity_grid((4, 5, 6)) + _kept_inside(field)
    far = identity_grid((4, 5, 6)) + field
    for axis, n in enumerate((4, 5, 6)):
        assert places[:, axis].aminmax() == (0, n - 1)
        inside = (far[:, axis] >= 0) & (far[:, axis] <= n - 1)
        torch.testing.assert_close(places[:, axis][inside], far[:, axis][inside])
    images = torch.rand(2, 1, 1, 32, 36, 40)
    whole = Im2Grid(2)(*images, [lambda weights: torch.randn_like(weights[:, :3])] * 5)
    reached = identity_grid((32, 36, 40)) + whole
    for axis, n in enumerate((32, 36, 40)):
        assert reached[:, axis].min() > -1e-3
        assert reached[:, axis].max() < n - 1 + 1e-3


@pytest.mark.parametrize("shape", [(9, 12, 13), (10, 11, 14)])
def test_upsampling_keeps_places_as_shares_of_the_edges(shape: tuple[int, ...]) -> None:
    """A place at a share of an edge leads to the same share afterwards: corners coincide, a linear map stays itself."""
    coarse = 0.5 * (identity_grid((5, 6, 7)) - identity_grid((5, 6, 7)).flip(2, 3, 4))
    fine = 0.5 * (identity_grid(shape) - identity_grid(shape).flip(2, 3, 4))
    torch.testing.assert_close(_upsampled(coarse, shape), fine, atol=1e-5, rtol=0)
    assert torch.equal(_upsampled(torch.zeros(1, 3, 1, 2, 1), (2, 4, 1)), torch.zeros(1, 3, 2, 4, 1))


def test_every_level_shows_its_heads_27_weights_on_its_grid() -> None:
    seen = []
    image = torch.rand(1, 1, 17, 22, 35)
    backbone = Im2Grid(2)
    backbone(image, image, [lambda weights: seen.append(weights) or weights[:, :3]] * 5)
    assert [level.stride for level in backbone.levels] == [16, 8, 4, 2, 1]
    for weights, (channels, stride) in zip(seen, backbone.levels, strict=True):
        assert weights.shape == (1, channels, *(-(-n // stride) for n in (17, 22, 35)))
        torch.testing.assert_close(weights.sum(1), torch.ones_like(weights[:, 0]))


def test_a_plain_network_has_no_heads() -> None:
    assert len(network_of().heads) == 0
    assert len(network_of("scf").heads) == 5


@pytest.mark.parametrize("head", HEADS)
def test_gradients_reach_every_parameter(head: str) -> None:
    torch.manual_seed(0)
    network = network_of(head)
    for parameter in [*network.heads.parameters(), *network.backbone.translators.parameters()]:
        torch.nn.init.normal_(parameter, std=0.2)
    shape = (2, 1, 32, 33, 36)
    inputs = (torch.rand(shape), torch.rand(shape), torch.randint(0, 5, shape), torch.rand(shape))
    field = network(*inputs)
    assert field.shape == (2, 3, *shape[2:])
    field.square().sum().backward()
    without = [name for name, p in network.named_parameters() if p.grad is None or p.grad.abs().sum() == 0]
    assert without == []


def test_too_few_matching_channels_for_the_position_are_refused() -> None:
    with pytest.raises(InputError, match="matching_channels is 5; expected at least 6"):
        build_backbone({"name": "im2grid", "start_channels": 2, "matching_channels": 5})


def test_the_field_lies_on_the_images_grid_in_training_too() -> None:
    """The trainer says which stage it trains, the first of one, which is not the first level."""
    network = network_of()
    network.train_stage(0, alone=False)
    assert network.backbone.field_stride == 1
    image = torch.rand(2, 1, 1, 18, 20, 24)
    torch.testing.assert_close(network(*image), network.native(*image))
