"""Validation Dice, by which the best checkpoint is chosen."""

from collections.abc import Sequence

import numpy as np
import torch

from textscf.metrics.overlap import confusion_counts, dice_scores
from textscf.metrics.warping import warp_labels
from textscf.models import RegistrationNetwork
from textscf.training.pairs import Pair
from textscf.training.volumes import Scan, VolumeStore


def predict(network: RegistrationNetwork, fixed: Scan, moving: Scan) -> np.ndarray:
    """Displacement field ``(H, W, D, 3)`` in voxels, float32, of a network in evaluation mode."""
    with torch.inference_mode():
        displacement = network(moving.image, fixed.image, fixed.regions, fixed.confidence)
    return displacement[0].movedim(0, -1).cpu().numpy()


def mean_dice(network: RegistrationNetwork, scans: VolumeStore, pairs: Sequence[Pair], n_regions: int) -> float:
    """Mean over pairs of the mean Dice over the structures that both scans have."""
    training = network.training
    network.eval()
    scores = []
    for fixed_id, moving_id in pairs:
        displacement = predict(network, scans[fixed_id], scans[moving_id])
        fixed, moving = (scans[subject].labels[0, 0].cpu().numpy() for subject in (fixed_id, moving_id))
        dice = dice_scores(confusion_counts(fixed, warp_labels(moving, displacement), n_regions))
        present = np.bincount(moving.ravel(), minlength=n_regions) * np.bincount(fixed.ravel(), minlength=n_regions)
        scores.append(dice[1:][present[1:] > 0].mean())
    network.train(training)
    return float(np.mean(scores))
