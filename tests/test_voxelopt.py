"""VoxelOpt: costs and messages against plain loops, known translations, equal scans, its time and its settings."""

import itertools
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.typing import NDArray
from scipy import ndimage

from tests.cohorts import make_cohort
from textscf.data.cohort import Cohort
from textscf.errors import InputError
from textscf.files.io import read_json, read_yaml, write_json, write_nifti
from textscf.metrics.jacobian import jacobian_determinants
from textscf.metrics.warping import warp_labels
from textscf.registration.evaluation import evaluate_run, registrar_of
from textscf.registration.methods.voxelopt import VoxelOptRegistrar, cost_volume, entropy, pass_messages
from textscf.segmentation import load_segmentation
from textscf.segmentation.segment_cohort import segment_cohort
from textscf.study import load_study
from textscf.workflow import StudyFiles

Array = NDArray[np.float64]


def registrar(cohort: Any = None, **options: Any) -> VoxelOptRegistrar:
    return VoxelOptRegistrar(cohort, **options)


def plain_costs(fixed: Array, moving: Array, radius: int) -> Array:
    """Squared differences of features (C, H, W, D) at each displacement, (K, H, W, D), by a loop over voxels."""
    window = list(itertools.product(range(-radius, radius + 1), repeat=3))
    last = np.array(fixed.shape[1:]) - 1
    costs = np.empty((len(window), *fixed.shape[1:]))
    for voxel in np.ndindex(*fixed.shape[1:]):
        for number, offset in enumerate(window):
            place = np.clip(np.add(voxel, offset), 0, last)
            costs[(number, *voxel)] = ((fixed[(slice(None), *voxel)] - moving[(slice(None), *place)]) ** 2).sum()
    return costs


def plain_messages(costs: Array, radius: int, iterations: int, coupling: float) -> Array:
    """Displacements (3, H, W, D) from costs (K, H, W, D), by a loop over voxels."""
    window = np.array(list(itertools.product(range(-radius, radius + 1), repeat=3)), float)
    shape = costs.shape[1:]

    def expected(voxel: tuple[int, ...], extra: Array) -> tuple[Array, float]:
        weights = np.exp(-(costs[(slice(None), *voxel)] + extra))
        weights /= weights.sum()
        return weights @ window, -(weights * np.log(weights)).sum() / math.log(len(window))

    field, uncertain = np.zeros((3, *shape)), np.empty(shape)
    for voxel in np.ndindex(*shape):
        uncertain[voxel] = expected(voxel, np.zeros(len(window)))[1]
    for iteration in range(1, iterations + 1):
        own, mixed = np.empty_like(field), np.empty_like(field)
        for voxel in np.ndindex(*shape):
            distance = ((window - field[(slice(None), *voxel)]) ** 2).sum(1)
            own[(slice(None), *voxel)] = expected(voxel, coupling * iteration / iterations * distance)[0]
        for voxel in np.ndindex(*shape):
            near = tuple(slice(max(0, i - 1), i + 2) for i in voxel)
            known = 1 - uncertain[near]
            message = (known * own[(slice(None), *near)]).sum((1, 2, 3)) / known.sum()
            weight = uncertain[voxel]
            mixed[(slice(None), *voxel)] = (1 - weight) * own[(slice(None), *voxel)] + weight * message
        field = mixed
    return field


@pytest.mark.parametrize("radius", [1, 2])
def test_costs_and_messages_equal_plain_loops_in_double_precision(radius: int) -> None:
    generator = np.random.default_rng(radius)
    fixed, moving = generator.random((2, 3, 4, 5, 3))
    costs = cost_volume(torch.from_numpy(fixed)[None], torch.from_numpy(moving)[None], radius)
    np.testing.assert_allclose(costs[0].numpy(), plain_costs(fixed, moving, radius), rtol=1e-12)
    found = pass_messages(4 * costs, radius, 3, 0.7)
    expected = plain_messages(4 * costs[0].numpy(), radius, 3, 0.7)
    assert np.abs(expected).max() > 0.05
    np.testing.assert_allclose(found[0].numpy(), expected, rtol=1e-9, atol=1e-12)


def test_entropy_is_0_for_one_displacement_and_1_for_all_alike() -> None:
    certain = torch.zeros(1, 27, 1, 1, 2)
    certain[0, 4, 0, 0, 0] = 1
    certain[0, :, 0, 0, 1] = 1 / 27
    assert entropy(certain).flatten().tolist() == pytest.approx([0, 1])


def test_a_voxel_that_knows_nothing_takes_the_displacement_of_its_neighbours() -> None:
    costs = torch.full((1, 27, 5, 5, 5), 40.0)
    costs[:, 22] = 0  # displacement (1, 0, 0)
    costs[:, :, 2, 2, 2] = 0
    field = pass_messages(costs, 1, 1, 0.0)
    assert field[0, :, 2, 2, 2].tolist() == pytest.approx([1, 0, 0], abs=1e-4)


def regions(shape: tuple[int, ...], seed: int, n_regions: int = 6) -> NDArray[np.float32]:
    """Probabilities (N, H, W, D) of random regions some voxels wide."""
    noise = np.random.default_rng(seed).normal(size=(n_regions, *shape))
    smooth = ndimage.gaussian_filter(noise, (0, 2, 2, 2))
    return (smooth == smooth.max(0)).astype(np.float32)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_translation_is_recovered_in_sign_order_and_size(axis: int) -> None:
    shape = (36, 32, 40)
    whole = regions(tuple(n + 3 for n in shape), 0)
    fixed = whole[(slice(None), *(slice(3, None) if k == axis else slice(n) for k, n in enumerate(shape)))]
    moving = whole[(slice(None), *map(slice, shape))]
    field = registrar(SimpleNamespace()).register(fixed, moving)
    assert field.shape == (*shape, 3)
    interior = field[(slice(8, -8),) * 3]
    np.testing.assert_allclose(interior.mean((0, 1, 2)), 3.0 * np.eye(3)[axis], atol=0.3)
    assert np.median(np.linalg.norm(interior - 3.0 * np.eye(3)[axis], axis=-1)) < 0.6
    warped, wanted = warp_labels(moving.argmax(0).astype(np.uint8), field), fixed.argmax(0)
    assert (warped == wanted)[(slice(4, -4),) * 3].mean() > 0.97


def test_equal_scans_give_a_zero_field() -> None:
    scan = regions((24, 20, 22), 1)
    np.testing.assert_allclose(registrar(SimpleNamespace()).register(scan, scan), 0, atol=0.02)


def test_uniform_scans_give_no_displacement_at_all() -> None:
    scan = np.ones((2, 16, 12, 20), np.float32)
    np.testing.assert_allclose(registrar(SimpleNamespace()).register(scan, scan), 0, atol=1e-6)


def test_a_large_deformation_does_not_fold() -> None:
    centre = np.indices((32, 32, 32)).T - np.array([16, 16, 15])
    inside = [(centre / radii) ** 2 @ np.ones(3) < 1 for radii in ([12, 6, 8], [6, 12, 8])]
    fixed, moving = (np.stack([~each, each]).astype(np.float32) for each in inside)
    field = registrar(SimpleNamespace()).register(fixed, moving)
    assert np.abs(field).max() > 3
    assert all((slab > 0).all() for slab in jacobian_determinants(field))


@pytest.fixture
def cohort(tmp_path: Path) -> Cohort:
    """A cohort with a segmentation `truth`, its labels, that took 2 s for each scan."""
    cohort = make_cohort(tmp_path / "blobs")
    folder = cohort.folder / "segmentations/truth"
    segment_cohort(cohort, {"source": "ground_truth"}, None, folder, torch.device("cpu"))
    cost = read_json(folder / "cost.json")
    write_json(folder / "cost.json", {**cost, "seconds": dict.fromkeys(cost["seconds"], 2.0)})
    return cohort


def test_evaluation_uses_the_regions_and_counts_the_time_of_both_segmentations(cohort: Cohort, tmp_path: Path) -> None:
    settings = {"run": "v", "method": "voxelopt", "method_options": {"segmentor": "truth"}}
    evaluate_run("v", cohort, registrar_of(settings, cohort, None, None), tmp_path, workers=2)
    evaluate_run("none", cohort, None, tmp_path / "none")
    pairs, before = (pd.read_csv(folder / "pairs.csv") for folder in (tmp_path, tmp_path / "none"))
    assert pairs["dice"].mean() > before["dice"].mean() + 0.2
    assert (pairs["nonpositive_jacobian_fraction"] == 0).all()
    assert (pairs["seconds"] > 4).all()


def test_a_missing_segmentation_is_named(cohort: Cohort, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"segmentations/tiny/segmentation\.json"):
        evaluate_run("v", cohort, registrar(cohort, segmentor="tiny"), tmp_path)


def test_probabilities_are_the_stored_confidence_and_an_even_rest(cohort: Cohort) -> None:
    folder = cohort.folder / "segmentations/soft"
    confidence = np.full(cohort.shape, 204, np.uint8)
    for kind, volume in (("labels", cohort.load_labels("s6")), ("confidence", confidence)):
        write_nifti(folder / f"{kind}/s6.nii.gz", volume, cohort.affine)
    places = {kind: f"segmentations/soft/{kind}" for kind in ("labels", "confidence")}
    write_json(folder / "segmentation.json", {"cohort": cohort.name, **places})
    found = load_segmentation(folder / "segmentation.json", cohort).probabilities("s6", cohort.n_regions)
    expected = np.where(np.arange(3)[:, None, None, None] == cohort.load_labels("s6"), 0.8, 0.1)
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize(("own", "expected"), [(None, "small"), ("ground_truth", "ground_truth")])
def test_a_study_resolves_the_segmentor_and_makes_its_segmentation_first(
    root: Path, own: str | None, expected: str
) -> None:
    config = read_yaml(root / "config/hippocampus.yaml")
    config["experiments"] = [*config["experiments"], "beyond"]
    config["runs"]["voxelopt"] = {"method_options": {"segmentor": own}}
    study = load_study(config, root / "config")
    run = study.runs["voxelopt"]
    assert run["segmentor"] == run["method_options"]["segmentor"] == expected
    files = StudyFiles(study)
    folder = f"results/cohorts/hippocampus_mr/segmentations/{expected}"
    assert files.segmentation(["voxelopt"]) == [f"{folder}/segmentation.json"]
    assert files.segmentation_costs(["voxelopt"]) == [f"{folder}/cost.json"]
    assert files.segmentor_histories(["voxelopt"]) == ([f"{folder}/history.csv"] if expected == "small" else [])
    assert files.head("voxelopt") == {}
    row = next(row for row in study.tables["beyond"]["rows"] if row["run"] == "voxelopt")
    assert row["segmentor"] == expected


def test_an_unknown_segmentor_is_refused(root: Path) -> None:
    config = read_yaml(root / "config/hippocampus.yaml")
    config["experiments"] = [*config["experiments"], "beyond"]
    config["runs"]["voxelopt"] = {"method_options": {"segmentor": "tinny"}}
    with pytest.raises(InputError, match=r"hippocampus_mr\.yaml: segmentors: 'tinny' .* did you mean 'tiny'"):
        load_study(config, root / "config")
