"""Registration without training by the regions of the two scans: a discrete optimisation, voxel by voxel.

Written from the description of H. Zhang, Y. Zhang, J. Wang, X. Chen, R. Hu, X. Tian, G. Li, M. Liu, "VoxelOpt:
voxel-adaptive message passing for discrete optimization in deformable abdominal CT registration", MICCAI 2025
(arXiv:2506.19975). As there, features come from a segmentor, and a pyramid from coarse to fine compares each voxel with
the moving scan at few displacements, 27 by default. The entropy of their costs says how much a voxel knows of its own
displacement: the less it knows, the more it takes from its neighbours. Each level's displacement is integrated by
scaling and squaring.

It departs from the publication in its features, which are probabilities of regions instead of a foundation model's
features before the softmax, and in the message, which is a mean over neighbours weighted by what they know. The
defaults of `sharpness` and `coupling` were chosen on validation pairs, the others are the publication's.
"""

import itertools
import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from textscf.registration.image_registrar import RegionRegistrar
from textscf.spatial import compose, halve, integrate, upsample_displacement, warp

_FEWEST = 4
"""Voxels of the shortest axis of the coarsest level."""

_INTEGRATION_STEPS = 7


@dataclass(frozen=True)
class VoxelOptRegistrar(RegionRegistrar):
    """Registers pairs of a prepared cohort by their regions, at all displacements of a window at each level.

    Attributes:
        radius: largest displacement of a level along an axis, in voxels of that level.
        levels: resolutions of the pyramid, each half the next; those with too few voxels are left out.
        iterations: messages between neighbours at each level.
        sharpness: factor of the costs, the squared differences of probabilities, in the softmax over displacements.
        coupling: weight of the squared distance to the field so far, in voxels, in the last iteration; it grows evenly.
    """

    radius: int = 1
    levels: int = 5
    iterations: int = 6
    sharpness: float = 100.0
    coupling: float = 10.0
    title: ClassVar[str] = "VoxelOpt"

    def register(self, fixed: NDArray[np.float32], moving: NDArray[np.float32]) -> NDArray[np.float32]:
        """Displacement field ``(H, W, D, 3)`` in voxels, from probabilities of regions ``(N, H, W, D)``."""
        torch.set_num_threads(1)
        with torch.inference_mode():
            pyramids = [self._pyramid(torch.from_numpy(scan)[None]) for scan in (fixed, moving)]
            displacement = torch.zeros(1, 3, *pyramids[0][-1].shape[2:])
            for level, (of_fixed, of_moving) in enumerate(zip(*map(reversed, pyramids), strict=True)):
                if level:
                    displacement = upsample_displacement(displacement, 2, of_fixed.shape[2:], "aligned")
                warped = warp(of_moving, displacement, "border")
                displacement = compose(displacement, self._of_level(of_fixed, warped))
        field: NDArray[np.float32] = displacement[0].movedim(0, -1).numpy()
        return field

    def _pyramid(self, features: Tensor) -> list[Tensor]:
        """Features at each level, from fine to coarse."""
        found = [features]
        while len(found) < self.levels and min(found[-1].shape[2:]) >= 2 * _FEWEST:
            found.append(halve(found[-1]))
        return found

    def _of_level(self, fixed: Tensor, warped: Tensor) -> Tensor:
        """Displacement that remains between the fixed and the warped features of a level."""
        cost = self.sharpness * cost_volume(fixed, warped, self.radius)
        return integrate(pass_messages(cost, self.radius, self.iterations, self.coupling), _INTEGRATION_STEPS)


def displacements(radius: int) -> Tensor:
    """All displacements of a window, ``(K, 3)`` with ``K = (2 radius + 1)^3``, in voxels."""
    steps = range(-radius, radius + 1)
    return torch.tensor(list(itertools.product(steps, repeat=3)), dtype=torch.float32)


def cost_volume(fixed: Tensor, moving: Tensor, radius: int) -> Tensor:
    """Squared difference of features at each displacement of a window, summed over channels.

    Args:
        fixed: features ``(1, C, H, W, D)``.
        moving: features ``(1, C, H, W, D)``; beyond the volume they are those of the nearest voxel.
        radius: largest displacement along an axis, in voxels.

    Returns:
        ``(1, K, H, W, D)``, where K counts `displacements`.
    """
    h, w, d = fixed.shape[2:]
    padded = functional.pad(moving, (radius,) * 6, mode="replicate")
    corners = itertools.product(range(2 * radius + 1), repeat=3)
    costs = [
        (fixed - padded[:, :, i : i + h, j : j + w, k : k + d]).square().sum(1, keepdim=True) for i, j, k in corners
    ]
    return torch.cat(costs, dim=1)


def entropy(probabilities: Tensor) -> Tensor:
    """Entropy over displacements, ``(1, K, H, W, D)`` to ``(1, 1, H, W, D)``; 0 for one of them, 1 if all are alike."""
    return torch.special.entr(probabilities).sum(1, keepdim=True) / math.log(probabilities.shape[1])


def pass_messages(cost: Tensor, radius: int, iterations: int, coupling: float) -> Tensor:
    """Displacement field of a cost volume, by messages between neighbours.

    A voxel's own displacement is the mean over the window, weighted by the softmax of the negative costs, to which the
    squared distance to the field so far is added, at first to zero, with a weight that grows to `coupling`. The message
    to a voxel is the mean of its neighbours' displacements, weighted by one minus their entropy, which is that of the
    costs alone. The voxel's new displacement is a mixture, with its entropy as the weight of the message.

    Args:
        cost: ``(1, K, H, W, D)`` from `cost_volume`, without unit.
        radius: that of the cost volume.
        iterations: number of messages.
        coupling: weight of the squared distance, per squared voxel.

    Returns:
        ``(1, 3, H, W, D)`` in voxels.
    """
    window = displacements(radius).to(cost)
    uncertain = entropy(torch.softmax(-cost, dim=1))
    known = (1 - uncertain).clamp_min(torch.finfo(cost.dtype).eps)
    field = cost.new_zeros(1, 3, *cost.shape[2:])
    for iteration in range(1, iterations + 1):
        distance = _squared_distance(field, window)
        own = _expected(torch.softmax(-cost - coupling * iteration / iterations * distance, dim=1), window)
        message = _neighbourhood(known * own) / _neighbourhood(known)
        field = (1 - uncertain) * own + uncertain * message
    return field


def _expected(probabilities: Tensor, window: Tensor) -> Tensor:
    return torch.einsum("bkhwd,kc->bchwd", probabilities, window)


def _squared_distance(field: Tensor, window: Tensor) -> Tensor:
    """Squared distance of a field to each displacement, ``(1, K, H, W, D)``, but for what all have in common."""
    return window.square().sum(1).view(1, -1, 1, 1, 1) - 2 * torch.einsum("bchwd,kc->bkhwd", field, window)


def _neighbourhood(volume: Tensor) -> Tensor:
    """Mean of 3x3x3 voxels, without those beyond the volume."""
    return functional.avg_pool3d(volume, 3, stride=1, padding=1, count_include_pad=False)


registrar = VoxelOptRegistrar
