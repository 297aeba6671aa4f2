"""Parameters and multi-adds of a network.

Convention: a multi-add is one multiplication with a weight of a convolution, transposed convolution or linear layer;
activations, biases, resizing and warping count nothing. A transposed convolution with kernel = stride reads each input
voxel once per weight, so its count is input voxels times weights. Large-kernel blocks count as published, branch by
branch, although one convolution computes them.
"""

import copy
from collections.abc import Sequence

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from textscf.models import RegistrationNetwork
from textscf.models.backbones.lku_net import LargeKernelBlock


def parameters(network: nn.Module) -> int:
    """Number of trained values; frozen filters count, as they are stored."""
    stored = getattr(getattr(network, "head", None), "stored", None)
    return sum(p.numel() for p in network.parameters()) + (0 if stored is None else stored.numel())


def multi_adds(network: RegistrationNetwork, shape: Sequence[int]) -> int:
    """Multi-adds of one forward pass for a pair of volumes of this shape, counted on meta tensors."""
    network = copy.deepcopy(network).to("meta").eval()
    for module in network.modules():
        if isinstance(module, LargeKernelBlock):
            module.forward = module.branches  # type: ignore[method-assign]
    image = torch.zeros(1, 1, *shape, device="meta")
    regions = torch.zeros(1, 1, *shape, device="meta", dtype=torch.uint8)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(image, image, regions, image)
    return counter.get_total_flops() // 2
