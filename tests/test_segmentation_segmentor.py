"""A pretrained segmentor from a file in the published form to segmentations of a cohort, and files that it refuses."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from textscf.data.cohort import Cohort
from textscf.data.preprocess import preprocess_cohort
from textscf.data.recipe import Recipe
from textscf.errors import InputError
from textscf.files.io import read_json, write_nifti, write_yaml
from textscf.files.state import save_state
from textscf.segmentation import load_segmentation
from textscf.segmentation.segment_cohort import segment_cohort
from textscf.segmentation.segmentor import Segmentor
from textscf.segmentation.stored import StoredImage, stored_probabilities
from textscf.segmentation.swin_unetr import build_segmentor, read_weights
from textscf.study.catalogue import Catalogue

CPU = torch.device("cpu")
TURNED = np.array([[0, 0, -4.0, 51], [-3.0, 0, 0, 12], [0, 5.0, 0, -70], [0, 0, 0, 1]])
SMALL = {"depths": [1, 1, 1, 1], "attention_window": 4, "window": [64, 32, 32]}


@pytest.fixture(scope="module")
def settings(root: Path) -> dict[str, Any]:
    """The smallest published network's, with fewer blocks and smaller windows."""
    return Catalogue(root / "config").segmentor("abdomen_ct", "tiny") | SMALL


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory, settings: dict[str, Any]) -> Path:
    """Random weights in a file as the published ones are, with the epoch and the accuracy as a NumPy number."""
    torch.manual_seed(3)
    network = build_segmentor(settings, 14)
    path = tmp_path_factory.mktemp("weights") / settings["weights"]["file"]
    accuracy = np.mean(np.array([0.7, 0.8]))
    torch.save({"epoch": 4999, "best_acc": accuracy, "state_dict": network.state_dict()}, path)
    return path


@pytest.fixture(scope="module")
def config(root: Path) -> dict[str, Any]:
    """Abdomen CT of two scans whose axes are those of their headers, on a coarse grid."""
    config = Catalogue(root / "config").cohort("abdomen_ct")
    grid = {"axes": "header", "source_spacing": None, "spacing": [8.0, 9.0, 10.0], "shape": [16, 20, 24]}
    config["preprocess"] |= grid
    config.pop("expect")
    return config | {"splits": {"train": [1], "test": [2]}, "pairs": {}}


def made(path: Path, settings: dict[str, Any], config: dict[str, Any]) -> Segmentor:
    return Segmentor(read_weights(path, settings), str(path), settings, config["anatomy"], CPU)


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory, config: dict[str, Any]) -> Path:
    """Two stored scans of noise in Hounsfield units."""
    folder, generator = tmp_path_factory.mktemp("raw"), np.random.default_rng(0)
    for number in (1, 2):
        labels = np.zeros((30, 24, 36), np.uint8)
        labels[8:20, 6:18, 9:27] = 6
        image = generator.normal(np.where(labels, 100, -300), 60).astype(np.float32)
        release = config["source"]["releases"][0]
        write_nifti(folder / release["images"].format(number=number), image, TURNED)
        write_nifti(folder / release["labels"].format(number=number), labels, TURNED)
    return folder


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory, config: dict[str, Any], raw: Path) -> Cohort:
    folder = tmp_path_factory.mktemp("results") / "cohorts/abdomen_ct"
    write_yaml(folder / "config.yaml", config)
    preprocess_cohort(config, raw, folder, 1)
    return Cohort.load(folder)


def test_scans_of_a_cohort_are_segmented_from_their_stored_form(
    cohort: Cohort, raw: Path, published: Path, settings: dict[str, Any], config: dict[str, Any]
) -> None:
    folder = cohort.folder / "segmentations/tiny"
    segment_cohort(cohort, settings, published, folder, CPU, raw)
    segmentation = load_segmentation(folder / "segmentation.json", cohort)
    segmentor = made(published, settings, config)
    for subject in cohort.subjects():
        stored = raw / f"imagesTr/{subject}.nii.gz"
        stored_image = StoredImage.of_cohort(stored, Recipe.from_config(config))
        distribution = stored_probabilities(segmentor._network, range(14), stored_image, settings, CPU).numpy()
        np.testing.assert_array_equal(segmentation.labels(subject), distribution.argmax(0))
        np.testing.assert_allclose(segmentation.confidence(subject), distribution.max(0), atol=0.5 / 255 + 1e-6)
    assert len(np.unique(segmentation.labels(subject))) > 2
    assert len(read_json(folder / "segmentation.json")["files"]) == 4
    cost = read_json(folder / "cost.json")
    assert cost["parameters"] == sum(each.numel() for each in segmentor._network.parameters())
    assert [segmentation.seconds(subject) for subject in cohort.subjects()] == list(cost["seconds"].values())
    assert min(cost["seconds"].values()) > 0


def test_without_the_stored_scans_there_is_one_error_and_no_file(
    cohort: Cohort, published: Path, settings: dict[str, Any], tmp_path: Path
) -> None:
    folder = cohort.folder / "segmentations/absent"
    with pytest.raises(InputError, match=r"is pretrained, but the stored scans are not given \(--raw\)"):
        segment_cohort(cohort, settings, published, folder, CPU)
    with pytest.raises(InputError, match=r"imagesTr/AbdomenCTCT_0001_0000\.nii\.gz: no such file"):
        segment_cohort(cohort, settings, published, folder, CPU, tmp_path)
    assert not folder.exists()


def test_classes_that_are_not_the_cohorts_regions_are_refused(
    published: Path, settings: dict[str, Any], config: dict[str, Any]
) -> None:
    classes = [name.replace("liver", "livers") for name in settings["classes"]]
    with pytest.raises(InputError, match="classes: the anatomy has no 'livers'; did you mean"):
        made(published, settings | {"classes": classes}, config)


def test_weights_of_another_size_or_without_a_part_are_counted_and_named(
    published: Path, settings: dict[str, Any], config: dict[str, Any], tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=r"\d+ of another shape, such as .* instead of .*, ") as caught:
        made(published, settings | {"feature_size": 24}, config)
    assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match=r"\d+ missing, such as swinViT\.layers1\.0\.blocks\.1"):
        made(published, settings | {"depths": [2, 1, 1, 1]}, config)
    state = torch.load(published, weights_only=False)["state_dict"]
    kept = {key: value for key, value in state.items() if not key.startswith("swinViT.")}
    save_state(tmp_path / "half.pt", {"state_dict": kept})
    with pytest.raises(InputError, match=r"half\.pt: weights do not fit .* \d+ missing, such as swinViT\.layers1"):
        made(tmp_path / "half.pt", settings, config)


class Malicious:
    def __reduce__(self) -> tuple[Any, ...]:
        return exec, ("raise SystemExit('code was run')",)


@pytest.mark.parametrize("as_torch", [True, False])
def test_a_file_with_code_is_refused_and_nothing_of_it_is_run(
    settings: dict[str, Any], config: dict[str, Any], tmp_path: Path, as_torch: bool
) -> None:
    content = {"state_dict": Malicious()}
    path = tmp_path / "weights.pt"
    if as_torch:
        torch.save(content, path)
    else:
        path.write_bytes(pickle.dumps(content))
    with pytest.raises(InputError, match=r"weights\.pt: cannot be read"):
        made(path, settings, config)
