"""ANTs SyN: sign, order and unit of its field, repetition, failures, and its evaluation in worker processes."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import ndimage

from tests.cohorts import make_cohort
from textscf.data.cohort import Cohort
from textscf.data.preprocess import preprocess_cohort
from textscf.errors import InputError
from textscf.files.io import write_nifti
from textscf.metrics import evaluate_pair
from textscf.registration.evaluation import evaluate_run, registrar_of
from textscf.registration.methods.syn import SynRegistrar
from textscf.spatial import warp
from textscf.study.catalogue import Catalogue

SHAPE = (48, 42, 53)
SPACING = (2.0, 1.5, 1.0)
MARGIN = 14


def smooth_image(shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Random image float32 in [0, 1], smooth over 3 voxels."""
    image = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=shape), 3)
    return ((image - image.min()) / np.ptp(image)).astype(np.float32)


def shifted_pair(axis: int) -> tuple[np.ndarray, np.ndarray]:
    """Two views of one image, fixed(x) = moving(x + 3) along `axis`."""
    image = smooth_image(tuple(n + 3 for n in SHAPE), 0)
    fixed = tuple(slice(3, None) if k == axis else slice(n) for k, n in enumerate(SHAPE))
    return image[fixed], image[tuple(map(slice, SHAPE))]


def register_syn(fixed: np.ndarray, moving: np.ndarray, **options: Any) -> np.ndarray:
    cohort: Any = SimpleNamespace(spacing=SPACING)
    return SynRegistrar(cohort, **options).register(fixed, moving)


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder in which temporary files are made, empty again at the end of the test."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    assert list(folder.iterdir()) == []


@pytest.mark.usefixtures("temporary")
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_shift_is_recovered_in_sign_order_and_size(axis: int) -> None:
    displacement = register_syn(*shifted_pair(axis))
    assert displacement.shape == (*SHAPE, 3)
    interior = displacement[(slice(MARGIN, -MARGIN),) * 3]
    np.testing.assert_allclose(interior, np.broadcast_to(3.0 * np.eye(3)[axis], interior.shape), atol=0.3)


def test_warping_with_the_field_equals_ants_own_warp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import ants

    shape = (30, 26, 34)
    fixed = smooth_image(shape, 1)
    moving = (fixed + smooth_image(shape, 2)) / 2
    found: list[np.ndarray] = []
    original = ants.apply_transforms

    def apply(first: Any, second: Any, transforms: list[str], **settings: Any) -> Any:
        found.append(original(first, second, transforms).numpy())
        return original(first, second, transforms, **settings)

    monkeypatch.setattr(ants, "apply_transforms", apply)
    displacement = register_syn(fixed, moving)
    field = torch.from_numpy(np.moveaxis(displacement, -1, 0).astype(np.float32))[None]
    ours = warp(torch.from_numpy(moving)[None, None], field)[0, 0].numpy()
    position = np.moveaxis(displacement, -1, 0) + np.indices(shape)
    inside = np.all([(place >= 0) & (place <= n - 1) for place, n in zip(position, shape, strict=True)], axis=0)
    assert np.abs(displacement).max() > 1
    assert inside.mean() > 0.5
    np.testing.assert_allclose(ours[inside], found[0][inside], atol=1e-4)


def test_the_same_images_give_the_same_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    images = smooth_image((20, 24, 18), 1), smooth_image((20, 24, 18), 2)
    first, second = (register_syn(*images).tobytes() for _ in range(2))
    assert first == second
    monkeypatch.setattr("textscf.data.ants_package._SEED", 2)
    assert register_syn(*images).tobytes() != first


@pytest.fixture
def cohort(tmp_path: Path) -> Cohort:
    return make_cohort(tmp_path / "blobs")


@pytest.mark.usefixtures("temporary")
def test_evaluation_registers_in_workers_as_here(cohort: Cohort, tmp_path: Path) -> None:
    registrar = registrar_of({"run": "syn", "method": "syn"}, cohort, None, None)
    assert isinstance(registrar, SynRegistrar)
    evaluate_run("syn", cohort, registrar, tmp_path, workers=2)
    pairs = pd.read_csv(tmp_path / "pairs.csv")
    assert list(zip(pairs["fixed"], pairs["moving"], strict=True)) == cohort.pairs["test"]
    assert (pairs["seconds"] > 0).all()
    fixed, moving = cohort.pairs["test"][3]
    labels = cohort.load_labels(fixed), cohort.load_labels(moving)
    expected = evaluate_pair(*labels, registrar.displacement(fixed, moving)[0], [1, 2], cohort.spacing)
    assert pairs.loc[3, "dice"] == pytest.approx(expected.dice.mean(), rel=1e-12)
    assert pairs.loc[3, "sdlogj"] == pytest.approx(expected.sdlogj, rel=1e-12)


class _Here:
    """Does nothing, and tells by its seconds in which process."""

    in_workers: ClassVar[bool] = False

    def displacement(self, fixed: str, moving: str) -> tuple[np.ndarray, float]:
        return np.zeros((20, 24, 16, 3), np.float32), float(os.getpid())


class _InWorkers(_Here):
    in_workers: ClassVar[bool] = True


class _Fatal(_InWorkers):
    def displacement(self, fixed: str, moving: str) -> tuple[np.ndarray, float]:
        os._exit(1)


@pytest.mark.parametrize("registrar", [_Here(), _InWorkers()])
def test_who_registers(cohort: Cohort, tmp_path: Path, registrar: _Here) -> None:
    evaluate_run("fake", cohort, registrar, tmp_path, workers=2)
    here = pd.read_csv(tmp_path / "pairs.csv")["seconds"] == os.getpid()
    assert here.all() if not registrar.in_workers else not here.any()


def test_the_death_of_a_worker_is_one_clear_error(cohort: Cohort, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^run 'fake': a worker process died .* fixed s6 and moving s7"):
        evaluate_run("fake", cohort, _Fatal(), tmp_path, workers=2)


@pytest.mark.usefixtures("temporary")
def test_a_pair_that_cannot_be_registered_is_named_in_one_line(cohort: Cohort, tmp_path: Path) -> None:
    write_nifti(cohort.image_path("s7"), np.zeros(cohort.shape, np.float32), cohort.affine)
    with pytest.raises(InputError, match=r"fixed s6 and moving s7: ANTs SyN failed") as caught:
        evaluate_run("syn", cohort, SynRegistrar(cohort), tmp_path / "out", workers=2)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("method", "message"), [("learned", "needs a checkpoint"), ("sin", "unknown method 'sin'; did you mean 'syn'?")]
)
def test_a_method_that_cannot_be_used_is_refused(cohort: Cohort, method: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        registrar_of({"run": "odd", "method": method}, cohort, None, None)


def test_without_registration_there_is_no_registrar(cohort: Cohort) -> None:
    assert registrar_of({"run": "initial", "method": "initial"}, cohort, None, None) is None


def test_real_hippocampi_overlap_clearly_better(shared: Path, root: Path, tmp_path: Path) -> None:
    config = Catalogue(root / "config").cohort("hippocampus_mr")
    config |= {"splits": {"test": [14, 15]}, "pairs": {"test": [[14, 15]]}}
    preprocess_cohort(config, shared / "data" / "Task04_Hippocampus", tmp_path, 1)
    cohort = Cohort.load(tmp_path)
    for name, registrar in (("initial", None), ("syn", SynRegistrar(cohort))):
        evaluate_run(name, cohort, registrar, tmp_path / name)
    dice = {name: pd.read_csv(tmp_path / name / "pairs.csv")["dice"][0] for name in ("initial", "syn")}
    assert dice["syn"] > dice["initial"] + 0.1
