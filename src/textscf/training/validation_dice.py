"""Validation Dice, which selects the best checkpoint where there are labels."""

import math
from collections.abc import Sequence

import numpy as np
import torch

from textscf.metrics.overlap import dice_scores
from textscf.models import RegistrationNetwork
from textscf.registration.inference import predict
from textscf.registration.volumes import VolumeStore
from textscf.spatial import warp_labels
from textscf.training.pairs import Pair


def mean_dice(network: RegistrationNetwork, scans: VolumeStore, pairs: Sequence[Pair], n_regions: int) -> float:
    """Mean over pairs of the mean Dice over the structures in both scans; voxels are counted on the device.

    NaN without pairs. Every scan of the pairs has labels.
    """
    if not pairs:
        return math.nan
    training = network.training
    network.eval()
    counts = []
    for fixed, moving in ((scans[fixed], scans[moving]) for fixed, moving in pairs):
        warped = warp_labels(moving.labels, predict(network, fixed, moving))
        pair = fixed.labels.long() * n_regions + warped
        in_moving = torch.bincount(moving.labels.reshape(-1).long(), minlength=n_regions)
        counts.append((torch.bincount(pair.reshape(-1), minlength=n_regions**2), in_moving))
    network.train(training)
    return float(np.mean([_present_mean(both.cpu().numpy(), moving.cpu().numpy()) for both, moving in counts]))


def _present_mean(pairs: np.ndarray, moving: np.ndarray) -> float:
    """Mean Dice of the structures in both scans, from the voxel counts of label pairs and of moving labels."""
    confusion = pairs.reshape(len(moving), len(moving))
    present = (confusion.sum(1) > 0) & (moving > 0)
    return float(dice_scores(confusion)[1:][present[1:]].mean())
