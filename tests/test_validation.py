"""Validation Dice against the evaluation of the same pairs."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.cohorts import make_cohort
from textscf.data.cohort import Cohort
from textscf.metrics import evaluate_pair
from textscf.registration.volumes import VolumeStore
from textscf.training.validation_dice import mean_dice


class Shift(nn.Module):
    """Two voxels and a half along the second axis, whatever the scans."""

    def forward(self, moving: Tensor, fixed: Tensor, regions: Tensor | None, confidence: Tensor | None) -> Tensor:
        assert not self.training
        field = torch.zeros(1, 3, *fixed.shape[2:])
        field[:, 1] = 2.5
        return field


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    return make_cohort(tmp_path_factory.mktemp("cohort"))


def test_it_is_the_mean_of_the_evaluation(cohort: Cohort) -> None:
    network, scans, pairs = Shift(), VolumeStore(cohort, None, torch.device("cpu")), cohort.pairs["validation"]
    found = mean_dice(network, scans, pairs, cohort.n_regions)
    field = np.zeros((*cohort.shape, 3), np.float32)
    field[..., 1] = 2.5
    labels = [[cohort.load_labels(subject) for subject in pair] for pair in pairs]
    expected = [evaluate_pair(*pair, field, cohort.label_values).dice.mean() for pair in labels]
    assert found == pytest.approx(np.mean(expected), rel=1e-12)
    assert network.training


def test_a_structure_that_a_scan_lacks_is_left_out(cohort: Cohort) -> None:
    scans, pairs = VolumeStore(cohort, None, torch.device("cpu")), [("s4", "s5")]
    scans["s5"].labels[scans["s5"].labels == 2] = 0
    field = np.zeros((*cohort.shape, 3), np.float32)
    field[..., 1] = 2.5
    fixed, moving = (scans[subject].labels[0, 0].numpy() for subject in pairs[0])
    expected = evaluate_pair(fixed, moving, field, cohort.label_values).dice
    assert np.isnan(expected[1])
    assert mean_dice(Shift(), scans, pairs, cohort.n_regions) == pytest.approx(expected[0], rel=1e-12)
