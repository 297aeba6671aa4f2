"""Parameters and multi-adds of a network.

Convention: a multi-add is one multiplication with a weight of a convolution, transposed convolution or linear layer, or
with a filter of a spatially covariant head. Activations, biases, normalisation, resizing, warping and Fourier
transforms are not counted. Products of activations with each other in attention are counted separately. A transposed
convolution reads each input voxel once per weight, so its count is input voxels times weights.

Networks are counted as published, not as computed here. Large-kernel blocks are counted branch by branch, although one
convolution computes them. A spatially covariant head is counted with one filter per voxel, that of the voxel's region
(paper, eq. (3)), although it may be faster to project on the filters of all regions and select one value.
"""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from textscf.models import RegistrationNetwork, build_network
from textscf.models.backbones.im2grid import CoordinateTranslator
from textscf.models.backbones.lku_net import LargeKernelBlock
from textscf.models.heads import FrozenSCFHead, SCFHead, SCPHead

_WITH_WEIGHTS = (torch.ops.aten.convolution, torch.ops.aten.mm, torch.ops.aten.addmm)


@dataclass(frozen=True)
class Complexity:
    """Size and work of a network.

    Attributes:
        parameters: number of trained values; stored filters of a frozen head are included.
        multi_adds: multi-adds with weights in one forward pass for a pair of volumes.
        attention_multi_adds: multi-adds of activations with each other in attention.
    """

    parameters: int
    multi_adds: int
    attention_multi_adds: int


def complexity_of_run(
    settings: Mapping[str, Any], shape: Sequence[int], embedding_shape: tuple[int, int] | None
) -> dict[str, Complexity]:
    """Complexity in `training` and in `inference`, where stored filters replace the MLP of a text-driven head.

    Args:
        settings: settings of the run's network, see `build_network`.
        shape: shape (H, W, D) of the volumes.
        embedding_shape: number N of regions and length C1 of their vectors, for a text-driven head.
    """
    network = build_network(settings, torch.ones(embedding_shape) if embedding_shape else None)
    training = complexity(network, shape)
    return {"training": training, "inference": complexity(network.frozen(), shape) if embedding_shape else training}


def complexity(network: RegistrationNetwork, shape: Sequence[int]) -> Complexity:
    """Count parameters, and multi-adds of one forward pass for a pair of volumes of this shape, on meta tensors.

    Raises InputError if the network cannot take volumes of this shape.
    """
    network.backbone.check_shape(shape)
    size = parameters(network)
    network = copy.deepcopy(network).to("meta").eval()
    products: list[int] = []
    similarities: list[int] = []
    for module in network.modules():
        if isinstance(module, LargeKernelBlock):
            module.forward = module.branches  # type: ignore[method-assign]
        elif isinstance(module, (SCFHead, FrozenSCFHead, SCPHead)):
            module.register_forward_hook(lambda _, inputs, field: products.append(field.numel() * inputs[0].shape[1]))
        elif isinstance(module, CoordinateTranslator):
            module.register_forward_hook(lambda module, _, out: similarities.append(out.numel() * len(module.bias)))
    image = torch.zeros(1, 1, *shape, device="meta")
    regions = torch.zeros(1, 1, *shape, device="meta", dtype=torch.uint8)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(image, image, regions, image)
    weights, others = _split(counter, "Global")
    in_heads = sum(_split(counter, f"RegistrationNetwork.heads.{k}")[1] for k in range(len(network.heads)))
    return Complexity(size, weights + sum(products), others - in_heads + sum(similarities))


def multi_adds(network: RegistrationNetwork, shape: Sequence[int]) -> int:
    """See `Complexity`."""
    return complexity(network, shape).multi_adds


def parameters(network: nn.Module) -> int:
    """See `Complexity`."""
    stored = [module.stored for module in network.modules() if isinstance(module, FrozenSCFHead)]
    return sum(p.numel() for p in [*network.parameters(), *stored])


def _split(counter: FlopCounterMode, module: str) -> tuple[int, int]:
    """Multi-adds inside a module: those with weights of layers, and all others."""
    counts = counter.get_flop_counts().get(module, {})
    weights = sum(count for operation, count in counts.items() if operation in _WITH_WEIGHTS)
    return weights // 2, (sum(counts.values()) - weights) // 2
