"""Backbones and heads: published parameter counts, exact fast paths, eq. (4), shapes, gradients."""

import itertools

import numpy as np
import pytest
import torch

from textscf.errors import InputError
from textscf.models import build_network
from textscf.models.backbones.lku_net import LargeKernelBlock
from textscf.models.heads import SCFHead, SCPHead
from textscf.models.network import build_backbone, build_frozen_network

LKU_NET = {"name": "lku_net", "start_channels": 4}
HEAD = {"kind": "scf", "hidden_channels": 8, "blend": "convex"}


def network_settings(head: dict | None = None, steps: int = 0, **backbone: object) -> dict:
    return {"backbone": {**LKU_NET, **backbone}, "head": head, "integration_steps": steps}


def randomise(module: torch.nn.Module, std: float = 0.2) -> None:
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=std)


def parameters(module: torch.nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_parameter_counts_of_the_published_lku_net() -> None:
    """2,086,342 for N_s = 8 as released by its authors; 2,066,963 of them are reachable at half resolution."""
    full = build_network(network_settings(start_channels=8, full_resolution=True))
    half = build_network(network_settings(start_channels=8))
    assert (parameters(full), parameters(half)) == (2_086_342, 2_066_963)


def test_parameter_count_of_the_released_text_driven_network() -> None:
    """32,168,535 for N_s = 8, C_Phi = 2048, 14 regions of 768, less its unused last upsampling (2,065)."""
    head = {"kind": "scf", "hidden_channels": 2048, "blend": "additive"}
    network = build_network(network_settings(head, start_channels=8), torch.zeros(14, 768))
    assert parameters(network) == 32_168_535 - 2_065


@pytest.mark.parametrize("kernel_size", [3, 5, 7])
def test_a_large_kernel_block_is_one_convolution(kernel_size: int) -> None:
    block = LargeKernelBlock(3, kernel_size).double()
    randomise(block)
    x = torch.randn(2, 3, 7, 8, 9, dtype=torch.float64, requires_grad=True)
    torch.testing.assert_close(block(x), block.branches(x), rtol=1e-12, atol=1e-12)
    for weight in block.parameters():
        merged, plain = (torch.autograd.grad(f(x).sin().sum(), weight)[0] for f in (block, block.branches))
        torch.testing.assert_close(merged, plain, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("head", [None, HEAD])
def test_a_field_is_in_single_precision_where_the_backbone_computes_in_bfloat16(head: dict | None) -> None:
    torch.manual_seed(0)
    network = build_network(network_settings(head), torch.randn(3, 6))
    randomise(network, 0.05)
    shape = (1, 1, 16, 16, 32)
    images, regions = torch.rand(2, *shape), torch.randint(0, 3, shape)
    exact = network.native(*images, regions, torch.rand(shape))
    with torch.autocast("cpu", torch.bfloat16):
        seen: list[torch.Tensor] = []
        network.heads[0].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
        field = network.native(*images, regions, torch.rand(shape))
    assert field.dtype == exact.dtype == torch.float32
    torch.testing.assert_close(seen[0], seen[0].bfloat16().float(), rtol=0, atol=0)
    assert (field != field.bfloat16()).float().mean() > 0.9


@pytest.mark.parametrize("blend", ["convex", "additive"])
def test_the_head_equals_the_per_voxel_definition(blend: str) -> None:
    """Eq. (4), or the released sum, written out voxel by voxel in float64."""
    torch.manual_seed(0)
    head = SCFHead(5, torch.randn(4, 6), hidden_channels=7, blend=blend).double()
    randomise(head)
    features = torch.randn(2, 5, 3, 4, 5, dtype=torch.float64)
    regions, confidence = torch.randint(0, 4, (2, 1, 3, 4, 5)), torch.rand(2, 1, 3, 4, 5, dtype=torch.float64)
    uniform = head.uniform(features)
    filters = torch.cat([mlp(head.embedding) for mlp in head.filters], dim=1).reshape(4, 3, 5)
    expected = torch.empty(2, 3, 3, 4, 5, dtype=torch.float64)
    for b, h, w, d in torch.cartesian_prod(*(torch.arange(n) for n in (2, 3, 4, 5))).tolist():
        own = filters[regions[b, 0, h, w, d]] @ features[b, :, h, w, d]
        p = confidence[b, 0, h, w, d]
        rest = uniform[b, :, h, w, d]
        expected[b, :, h, w, d] = p * own + (1 - p) * rest if blend == "convex" else own + rest
    torch.testing.assert_close(head(features, regions, confidence), expected)


def test_the_coordinate_head_equals_eq_2_at_the_coordinates_where_phi_is_evaluated() -> None:
    """Evaluated on every voxel, W(x) = Phi(x) with x from -1 to 1 per axis, u = W^T F."""
    torch.manual_seed(0)
    head = SCPHead(4, hidden_channels=5, coordinate_stride=1)
    randomise(head)
    features = torch.randn(2, 4, 3, 5, 6)
    axes = [torch.linspace(-1, 1, n) for n in (3, 5, 6)]
    for h, w, d in torch.cartesian_prod(*(torch.arange(n) for n in (3, 5, 6))).tolist():
        x = torch.stack([axes[0][h], axes[1][w], axes[2][d]])
        filters = head.filters(x[None]).reshape(3, 4)
        torch.testing.assert_close(head(features, None, None)[:, :, h, w, d], features[:, :, h, w, d] @ filters.T)


def test_the_coordinate_head_interpolates_between() -> None:
    torch.manual_seed(0)
    head = SCPHead(1, hidden_channels=5, coordinate_stride=8)
    randomise(head)
    field = head(torch.ones(1, 1, 16, 9, 8), None, None)
    torch.testing.assert_close(field.diff(dim=2).diff(dim=2), torch.zeros(1, 3, 14, 9, 8), atol=1e-5, rtol=0)
    assert field.diff(dim=2).abs().max() > 1e-3


def test_an_unknown_option_is_refused() -> None:
    with pytest.raises(ValueError, match="expected convex or additive"):
        SCFHead(4, torch.zeros(2, 3), 4, blend="mixed")
    with pytest.raises(ValueError, match="expected plain or scaled"):
        SCFHead(4, torch.zeros(2, 3), 4, parametrisation="he")


class _OneValuePerRegion(torch.nn.Module):
    """A head whose field is a constant in each region."""

    def forward(self, features: torch.Tensor, regions: torch.Tensor, confidence: torch.Tensor) -> torch.Tensor:
        return torch.cat([regions.float() * factor for factor in (1.0, -2.0, 0.5)], dim=1)


@pytest.mark.parametrize(("placement", "late"), [("aligned", 0.0), ("released", 0.5)])
def test_a_half_resolution_field_has_its_borders_where_the_mask_has_them(placement: str, late: float) -> None:
    """A field that is constant in each region, with borders at even and odd voxels of each axis.

    Halfway between two voxels of the half grid the field has half of its jump. Regions are looked up at even voxels, so
    that the jump of a border before voxel b lies at b - 1 for even b, and at b for odd b: on average where the mask has
    it, at b - 1/2. The released placement puts it half a voxel further.
    """
    network = build_network(network_settings())
    network.placement = placement
    network.backbone.forward = lambda moving, fixed, heads: heads[0](fixed[..., ::2, ::2, ::2])
    network.heads = torch.nn.ModuleList([_OneValuePerRegion()])
    image = torch.zeros(1, 1, 16, 18, 21)
    for axis, border in itertools.product(range(3), (6, 7)):
        regions = torch.zeros_like(image, dtype=torch.uint8)
        regions.narrow(2 + axis, border, image.shape[2 + axis] - border).fill_(1)
        field = network(image, image, regions, image)
        profile = field[0, 0].movedim(axis, 0)[:, 4, 4] / field[0, 0].max()
        crossing = np.interp(0.5, profile.numpy(), np.arange(len(profile)))
        assert crossing == pytest.approx(2 * -(-border // 2) - 1 + late)
        assert field[0].amax((1, 2, 3)).tolist() == pytest.approx([2.0, 0.0, 1.0])


@pytest.mark.parametrize("full_resolution", [False, True])
@pytest.mark.parametrize("shape", [(16, 16, 16), (17, 21, 30), (33, 16, 19)])
def test_any_volume_size_works(shape: tuple[int, ...], full_resolution: bool) -> None:
    network = build_network(network_settings(start_channels=2, full_resolution=full_resolution))
    image = torch.rand(1, 1, *shape)
    assert network(image, image).shape == (1, 3, *shape)


def test_training_starts_from_a_near_zero_field() -> None:
    image, regions = torch.rand(1, 1, 16, 20, 24), torch.randint(0, 5, (1, 1, 16, 20, 24))
    scaled = {**HEAD, "parametrisation": "scaled"}
    for head in (None, scaled, {**scaled, "blend": "additive"}):
        network = build_network(network_settings(head), torch.randn(5, 6))
        assert network(image, image, regions, torch.rand_like(image)).abs().max() < 1e-2


def test_plain_filters_are_those_of_three_linear_layers_as_pytorch_makes_them() -> None:
    embedding = 3 * torch.randn(4, 6)
    torch.manual_seed(7)
    head = SCFHead(5, embedding, hidden_channels=8)
    torch.manual_seed(7)
    layers = [torch.nn.Linear(a, b) for a, b in ((6, 8), (8, 16), (16, 15))]
    hidden = layers[1](layers[0](embedding).relu()).relu()
    torch.testing.assert_close(head.region_filters(), layers[2](hidden).reshape(4, 3, 5))


def test_the_first_step_of_scaled_filters_does_not_depend_on_encoder_and_width() -> None:
    """The first step of plain filters does depend on them, as in the paper's ablations of width and encoder."""

    def step(scale: float, hidden: int, parametrisation: str) -> float:
        torch.manual_seed(0)
        head = SCFHead(5, scale * torch.randn(4, 6), hidden, parametrisation=parametrisation)
        before = head.region_filters()
        optimizer = torch.optim.Adam(head.parameters(), lr=1e-4)
        (before * torch.randn_like(before)).sum().backward()
        optimizer.step()
        return float((head.region_filters() - before).detach().abs().mean())

    sizes = [(1.0, 16), (1.0, 1024), (10.0, 16)]
    plain, scaled = ([step(*size, kind) for size in sizes] for kind in ("plain", "scaled"))
    assert max(scaled) / min(scaled) < 2
    assert plain[1] / plain[0] > 10
    assert plain[2] / plain[0] > 3


@pytest.mark.parametrize("head", [None, HEAD, {**HEAD, "blend": "additive"}])
def test_gradients_reach_every_parameter(head: dict | None) -> None:
    torch.manual_seed(0)
    network = build_network(network_settings(head, steps=2, full_resolution=True), torch.randn(5, 6))
    randomise(network.heads)
    image, other = torch.rand(1, 1, 32, 32, 32), torch.rand(1, 1, 32, 32, 32)
    regions = torch.randint(0, 5, image.shape)
    network(image, other, regions, torch.rand_like(image)).square().sum().backward()
    without = [name for name, p in network.named_parameters() if p.grad is None or p.grad.abs().sum() == 0]
    assert without == []


@pytest.mark.parametrize("head", [None, HEAD, {**HEAD, "blend": "additive"}])
def test_frozen_filters_give_the_same_field_without_the_mlp(head: dict | None) -> None:
    settings = network_settings(head, steps=1)
    network = build_network(settings, torch.randn(5, 6)).eval()
    randomise(network.heads)
    frozen = build_frozen_network(settings, n_regions=5).eval()
    frozen.load_state_dict(network.frozen().state_dict())
    image, regions = torch.rand(1, 1, 16, 18, 20), torch.randint(0, 5, (1, 1, 16, 18, 20))
    inputs = (image, image.flip(2), regions, torch.rand_like(image))
    torch.testing.assert_close(frozen(*inputs), network(*inputs))
    assert frozen.uses_regions == (head is not None)
    assert not any("filters" in name for name, _ in frozen.named_parameters())


def test_a_head_needs_an_embedding() -> None:
    with pytest.raises(ValueError, match="embeddings"):
        build_network(network_settings(HEAD))


def test_bad_backbone_settings_are_one_clear_error() -> None:
    with pytest.raises(InputError, match=r"unknown backbone 'lku'; did you mean 'lku_net'"):
        build_backbone({"name": "lku"})
    with pytest.raises(InputError, match=r"backbone lku_net: .*'widht'"):
        build_backbone({**LKU_NET, "widht": 3})
    with pytest.raises(InputError, match="kernel_size is 4; expected an odd number"):
        build_backbone({**LKU_NET, "kernel_size": 4})


def test_a_shape_that_the_backbone_cannot_take_is_refused() -> None:
    with pytest.raises(InputError, match="LKUNet cannot take volumes of 64x8x64 voxels; expected edges of at least 16"):
        build_backbone(LKU_NET).check_shape((64, 8, 64))
