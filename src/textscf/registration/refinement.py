"""Refinement of a predicted field for one pair of scans (instance optimisation)."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from textscf.files.registry import SIMILARITIES, entry
from textscf.losses import SoftDice, smoothness
from textscf.registration.volumes import Scan
from textscf.spatial import upsample_displacement, warp

_LEARNING_RATE = 0.1  # voxels of the field's grid
_STRIDE = 2


def refine(
    displacement: Tensor,
    fixed: Scan,
    moving: Scan,
    loss: Mapping[str, Any],
    n_labels: int,
    steps: int,
    done: Callable[[int], object] = lambda _: None,
) -> Tensor:
    """Improve a displacement field by `steps` of Adam on the loss that the network was trained with.

    A correction of the field is optimised on a grid of half the resolution, which keeps it smooth. The Dice term
    compares the regions of the two scans, so that it needs no manual labels.

    Args:
        displacement: field ``(1, 3, H, W, D)`` in voxels, to start from.
        fixed: fixed scan; its `labels` are its regions.
        moving: moving scan; its `labels` are its regions. If they are empty, the loss has no Dice term.
        loss: `loss` of the run, ``{similarity, dice, smoothness}``.
        n_labels: number of regions, including the background.
        steps: number of steps.
        done: is called with 1 after each step.

    Returns:
        field ``(1, 3, H, W, D)`` with the lowest loss of all steps, the start included.
    """
    similarity = entry(SIMILARITIES, loss["similarity"], "loss.similarity").dissimilarity
    dice = SoftDice(n_labels) if moving.has_labels else None
    shape = displacement.shape[2:]
    correction = torch.zeros((1, 3, *(-(-n // _STRIDE) for n in shape)), device=displacement.device, requires_grad=True)
    optimiser = torch.optim.Adam([correction], _LEARNING_RATE)
    best, lowest = displacement, float("inf")
    for step in range(steps + 1):
        field = displacement + upsample_displacement(correction, _STRIDE, shape, "aligned")
        value = similarity(fixed.image, warp(moving.image, field), 1) + loss["smoothness"] * smoothness(field)
        if dice:
            value = value + loss["dice"] * dice(fixed.labels, moving.labels, field)
        if value.item() < lowest:
            best, lowest = field.detach(), value.item()
        if step < steps:
            optimiser.zero_grad()
            value.backward()
            optimiser.step()
            done(1)
    return best
