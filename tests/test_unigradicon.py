"""uniGradICON with weights made here: sign, order and unit of its field, its weights, and what is missing.

The package is optional; tests of its field are skipped where it is not installed. They make its network small.
"""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from tests.cohorts import make_cohort
from textscf.data.cohort import Cohort
from textscf.errors import InputError
from textscf.files.io import read_yaml
from textscf.registration.evaluation import evaluate_run, registrar_of
from textscf.registration.methods.unigradicon import UniGradIconRegistrar

GRID = (24, 20, 28)
LAST = "netPsi.net.lastConv.bias"
UNIT = 10
"""The package's network gives its last layer divided by this."""


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The package with a small network on a small grid."""
    unigradicon = pytest.importorskip("unigradicon")
    networks = unigradicon.networks
    monkeypatch.setattr(networks, "tallUNet2", lambda dimension: networks.UNet2(2, [[2, 4, 8], [4, 8]], dimension))
    monkeypatch.setattr(unigradicon, "input_shape", [1, 1, *GRID])
    return unigradicon


@pytest.fixture
def weights(package: Any) -> dict[str, torch.Tensor]:
    """Weights by which nothing moves."""
    network = package.make_network(package.input_shape, include_last_step=True)
    return {name: torch.zeros_like(each) for name, each in network.regis_net.state_dict().items()}


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_known_field_has_its_sign_order_and_size(weights: dict[str, torch.Tensor], axis: int, tmp_path: Path) -> None:
    shape, part = (30, 26, 34), 0.1
    weights[LAST][2 - axis] = UNIT * part  # the network's axes are those of ITK's arrays, the last first
    torch.save(weights, tmp_path / "weights.trch")
    cohort: Any = SimpleNamespace(spacing=(2.0, 1.5, 1.0))
    registrar = UniGradIconRegistrar(cohort, str(tmp_path / "weights.trch"))
    images = np.random.default_rng(0).random((2, *shape)).astype(np.float32)
    field = registrar.register(*images)
    points = GRID[2 - axis]
    expected = part * shape[axis] * (points - 1) / points * np.eye(3)[axis]
    np.testing.assert_allclose(field, np.broadcast_to(expected, (*shape, 3)), atol=1e-4)


@pytest.fixture
def cohort(tmp_path: Path) -> Cohort:
    return make_cohort(tmp_path / "blobs")


def test_it_is_evaluated_like_any_method_and_improves_by_its_steps(
    weights: dict[str, torch.Tensor], cohort: Cohort, tmp_path: Path
) -> None:
    torch.save(weights, tmp_path / "weights.trch")
    options = {"weights": str(tmp_path / "weights.trch"), "steps": 0}
    settings = {"run": "mine", "method": "unigradicon", "method_options": options}
    evaluate_run("mine", cohort, registrar_of(settings, cohort, None, None), tmp_path, workers=1)
    evaluate_run("none", cohort, None, tmp_path / "none")
    found, before = (pd.read_csv(folder / "pairs.csv") for folder in (tmp_path, tmp_path / "none"))
    np.testing.assert_allclose(found["dice"], before["dice"])
    refined = UniGradIconRegistrar(cohort, options["weights"], steps=2)
    assert np.abs(refined.displacement("s6", "s7")[0]).max() > 1e-3


def test_weights_that_are_missing_or_do_not_fit_are_named(
    weights: dict[str, torch.Tensor], cohort: Cohort, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=r"unigradicon: weights: 'gone\.trch': no such file"):
        UniGradIconRegistrar(cohort, "gone.trch").displacement("s6", "s7")
    weights.pop(LAST)
    torch.save(weights, tmp_path / "other.trch")
    (tmp_path / "text.trch").write_text("weights")
    for name in ("other", "text"):
        with pytest.raises(InputError, match=rf"{name}\.trch: not weights of uniGradICON") as caught:
            UniGradIconRegistrar(cohort, str(tmp_path / f"{name}.trch")).displacement("s6", "s7")
        assert "\n" not in str(caught.value)


def test_without_a_network_the_download_of_the_weights_is_told_to_have_failed(
    package: Any, cohort: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise OSError("no route to host")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("urllib.request.urlretrieve", refuse)
    with pytest.raises(InputError, match=r"cannot be downloaded \(no route to host\); give their file as the option"):
        UniGradIconRegistrar(cohort).displacement("s6", "s7")


def test_without_its_package_the_method_names_what_to_install(cohort: Cohort, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "unigradicon", None)
    with pytest.raises(InputError, match=r"method unigradicon: found no package unigradicon; .* extra 'unigradicon'"):
        UniGradIconRegistrar(cohort).displacement("s6", "s7")


def test_the_options_of_the_configuration_are_those_of_the_method(root: Path) -> None:
    cohort: Any = None
    defaults = read_yaml(root / "config/methods/unigradicon.yaml")["defaults"]
    assert vars(UniGradIconRegistrar(cohort)) == {"cohort": None, **defaults}
