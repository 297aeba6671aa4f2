"""The driver: files, resumption, provenance, real label maps, and one clear error for each bad input."""

import copy
import shutil
import subprocess
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from tests.python_server import python
from textscf.data.simulation.simulated_cohort import simulate_cohort
from textscf.errors import InputError
from textscf.files.io import read_image, read_json, read_labels, sha256_of, write_nifti, write_yaml
from textscf.study.catalogue import Catalogue


def resolved(root: Path, name: str) -> dict[str, Any]:
    """A cohort of config/ with anatomy and phantom inlined, cut down to three subjects."""
    config = Catalogue(root / "config").cohort(name)
    config["splits"] = {"train": [1], "validation": [2], "test": [24]}
    return config


@pytest.fixture
def drawn(root: Path) -> dict[str, Any]:
    return resolved(root, "simulated_abdomen")


@pytest.fixture
def real(root: Path) -> dict[str, Any]:
    config = resolved(root, "abdomen_anatomy")
    return config | {"splits": {"train": [24], "validation": [], "test": []}}


def digests(folder: Path) -> dict[str, str]:
    return {str(p.relative_to(folder)): sha256_of(p) for p in sorted(folder.glob("*/*.nii.gz"))}


def test_phantoms_are_written_resumed_and_described(drawn: dict[str, Any], tmp_path: Path) -> None:
    simulate_cohort(drawn, None, tmp_path, workers=1)
    first = digests(tmp_path)
    assert sorted(first) == [f"{k}/simulated_{n:03d}.nii.gz" for k in ("images", "labels") for n in (1, 2, 24)]
    record = read_json(tmp_path / "simulation.json")
    assert record["files"] == first
    assert (record["seed"], record["simulated"]) == (2024, "anatomy and images")
    assert record["notice"] == "simulated anatomy, simulated CT"
    damaged, kept = tmp_path / "images/simulated_002.nii.gz", tmp_path / "images/simulated_001.nii.gz"
    before = kept.stat().st_mtime_ns
    damaged.write_bytes(damaged.read_bytes()[:100])
    simulate_cohort(drawn, None, tmp_path, workers=1)
    assert digests(tmp_path) == first
    assert kept.stat().st_mtime_ns == before


def test_another_seed_makes_everything_anew_and_processes_change_no_byte(drawn: dict[str, Any], tmp_path: Path) -> None:
    simulate_cohort(drawn, None, tmp_path / "a", workers=1)
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    simulate_cohort(drawn, None, tmp_path / "c", workers=2)
    assert digests(tmp_path / "c") == digests(tmp_path / "a")
    drawn["source"]["seed"] = 1
    simulate_cohort(drawn, None, tmp_path / "b", workers=1)
    assert not set(digests(tmp_path / "b").values()) & set(digests(tmp_path / "a").values())


def test_stored_axes_and_affine_agree(drawn: dict[str, Any], tmp_path: Path) -> None:
    """The same subject in other axes: the same patient, by its header."""
    simulate_cohort(drawn, None, tmp_path / "las", workers=1)
    other = copy.deepcopy(drawn)
    swapped = {key: [other["preprocess"][key][axis] for axis in (0, 2, 1)] for key in ("shape", "spacing")}
    other["preprocess"] |= {"orientation": "RSA", "axes": "header", **swapped}
    simulate_cohort(other, None, tmp_path / "rsa", workers=1)
    las, rsa = (nib.load(tmp_path / f / "labels/simulated_001.nii.gz") for f in ("las", "rsa"))
    assert nib.aff2axcodes(las.affine) == ("L", "A", "S")
    assert nib.aff2axcodes(rsa.affine) == ("R", "S", "A")
    canonical = [nib.as_closest_canonical(image) for image in (las, rsa)]
    assert np.array_equal(canonical[0].dataobj, canonical[1].dataobj)
    np.testing.assert_allclose(canonical[0].affine, canonical[1].affine)


def test_real_label_maps_get_images_on_their_own_grid(real: dict[str, Any], shared: Path, tmp_path: Path) -> None:
    name = "labelsTr/AbdomenCTCT_0024_0000.nii.gz"
    stored = read_labels(shared / "data/AbdomenCTCT" / name)
    labels, affine = stored.data[::4, ::4, ::4].astype(np.uint8), np.diag([1.0, 1.0, 1.0, 1.0])
    write_nifti(tmp_path / "source" / name, labels, affine)
    real["preprocess"]["source_spacing"] = [8.0, 8.0, 8.0]
    simulate_cohort(real, tmp_path / "source", tmp_path / "raw", workers=1)
    image, copied = (read_image(tmp_path / f"raw/{k}/AbdomenCTCT_0024_0000.nii.gz") for k in ("images", "labels"))
    assert np.array_equal(copied.data, labels)
    assert np.array_equal(image.affine, affine)
    assert image.data.shape == labels.shape
    assert 50 < image.data[labels == 6].mean() < 140
    assert read_json(tmp_path / "raw/simulation.json")["simulated"] == "images; the label maps are real"


def test_the_axes_of_real_label_maps_do_not_change_the_patient(real: dict[str, Any], tmp_path: Path) -> None:
    labels = np.zeros((40, 32, 40), np.uint8)
    labels[6:18, 8:24, 10:26], labels[20:22, 13:15, 5:30] = 6, 8
    name = "labelsTr/AbdomenCTCT_0024_0000.nii.gz"
    real["preprocess"] |= {"source_spacing": None, "axes": "header"}
    images = []
    for codes, data in (("las", labels), ("ras", labels[::-1])):
        affine = np.diag([8.0 if codes == "ras" else -8.0, 8.0, 8.0, 1.0])
        write_nifti(tmp_path / codes / name, data, affine)
        simulate_cohort(real, tmp_path / codes, tmp_path / f"raw_{codes}", workers=1)
        images.append(read_image(tmp_path / f"raw_{codes}/images/AbdomenCTCT_0024_0000.nii.gz").data)
    assert np.array_equal(images[0], images[1][::-1])


def test_bad_label_maps_are_named_and_nothing_is_described(real: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "labelsTr/AbdomenCTCT_0024_0000.nii.gz"
    with pytest.raises(InputError, match=f"{path}: no such file"):
        simulate_cohort(real, tmp_path, tmp_path / "raw", workers=1)
    for value, message in ((14, r"labels \[14\] are not in the anatomy"), (0, "no labelled voxel")):
        write_nifti(path, np.full((8, 8, 8), value, np.uint8), np.eye(4))
        with pytest.raises(InputError, match=f"{path}: .*{message}"):
            simulate_cohort(real, tmp_path, tmp_path / "raw", workers=1)
    assert not list((tmp_path / "raw").glob("**/*.*"))


def test_configs_that_cannot_be_simulated_are_refused(
    drawn: dict[str, Any], real: dict[str, Any], tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="abdomen_anatomy: no folder of scans; expected --source"):
        simulate_cohort(real, None, tmp_path, workers=1)
    with pytest.raises(InputError, match="nothing to simulate"):
        simulate_cohort(real | {"simulate_ct": None}, tmp_path, tmp_path, workers=1)
    wrong_axes = copy.deepcopy(drawn)
    wrong_axes["preprocess"]["axes"] = "RAS"
    with pytest.raises(InputError, match=r"preprocess\.axes is RAS; expected header or LAS"):
        simulate_cohort(wrong_axes, None, tmp_path, workers=1)
    wrong_phantom = copy.deepcopy(drawn)
    wrong_phantom["source"]["phantom"]["parts"][0]["slides"] = ["pleura"]
    with pytest.raises(InputError, match=r"source.phantom.parts\[0\].slides: found 'pleura'; expected one of"):
        simulate_cohort(wrong_phantom, None, tmp_path, workers=1)
    fewer = copy.deepcopy(drawn)
    fewer["anatomy"]["structures"].pop()
    with pytest.raises(InputError, match=r"labels \[13\] are not in both anatomy and phantom"):
        simulate_cohort(fewer, None, tmp_path, workers=1)


def test_the_script_says_what_is_wrong_in_one_line(drawn: dict[str, Any], root: Path, tmp_path: Path) -> None:
    drawn["source"]["phantom"]["scanner"]["blank"] = ["soup"]
    write_yaml(tmp_path / "config.yaml", drawn)
    command = [
        python(),
        root / "src/simulate.py",
        "--config",
        tmp_path / "config.yaml",
        "--out",
        tmp_path / "raw",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.strip().startswith(
        "error: cohort simulated_abdomen: source.phantom.scanner.blank: found 'soup'; expected one of air, skin"
    )
