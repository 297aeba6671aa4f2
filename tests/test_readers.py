"""The real cohorts from archive to prepared scans: stand-in archives from a server with faults, real samples."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from tests import stand_ins
from tests.faulty_server import Fault, FaultyServer
from textscf.data.archive import remove
from textscf.data.cohort import Cohort
from textscf.data.download import obtain_source
from textscf.data.preprocess import preprocess_cohort
from textscf.errors import InputError
from textscf.files.io import read_json, write_nifti
from textscf.study.catalogue import Catalogue

N = 5
SMALL = {"oasis": [40, 48, 56], "abdomen_ct": [24, 20, 32], "lung_ct": [96, 80, 128], "hippocampus_mr": [64, 64, 64]}


def cohort_config(root: Path, name: str, subjects: int = N) -> dict[str, Any]:
    """A cohort of config/ for a stand-in of its data set."""
    config = Catalogue(root / "config").cohort(name)
    config["splits"], config["pairs"] = {"train": [f"1-{subjects}"]}, {}
    config["preprocess"]["shape"] = SMALL[name]
    config.get("expect", {}).pop("initial", None)
    for release in config["source"]["releases"]:
        release["checksum"] = None
        if "count" in release:
            release["count"] = subjects
    return config


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One stand-in of each archive."""
    folder = tmp_path_factory.mktemp("served")
    stand_ins.oasis_tar(folder, N)
    stand_ins.oasis_zip(folder, N)
    stand_ins.abdomen_zip(folder, N)
    stand_ins.lung_zip(folder, N)
    stand_ins.hippocampus_tar(folder, N)
    return folder


@pytest.fixture
def server(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyServer]:
    for name, value in FaultyServer.environment.items():
        monkeypatch.setenv(name, value)
    with FaultyServer(folder) as running:
        yield running


def served(config: dict[str, Any], server: FaultyServer, release: int = 0) -> dict[str, Any]:
    """`config` with one release of its data set, downloaded from the server."""
    only = config["source"]["releases"][release]
    config["source"]["releases"] = [only | {"url": server.url(only["archive"])}]
    return config


def prepared(config: dict[str, Any], folder: Path, data_root: Path | None = None) -> Cohort:
    """Download and prepare a cohort whose terms are accepted."""
    obtain_source(config, data_root, folder, [config["source"]["data_set"]])
    preprocess_cohort(config, folder / "source", folder, workers=1)
    return Cohort.load(folder)


def same_scans(one: Cohort, other: Cohort) -> bool:
    """Whether two cohorts have the same labels and images."""
    return one.subjects() == other.subjects() and all(
        (one.load_labels(subject) == other.load_labels(subject)).all()
        and np.allclose(one.load_image(subject), other.load_image(subject), atol=1e-6)
        for subject in one.subjects()
    )


@pytest.mark.parametrize("name", SMALL)
def test_archive_comes_through_a_faulty_server(root: Path, tmp_path: Path, server: FaultyServer, name: str) -> None:
    config = served(cohort_config(root, name), server)
    path = f"/{config['source']['releases'][0]['archive']}"
    server.faults[path] = [Fault(status=503), Fault(break_after=5000), Fault(break_after=5000)]
    cohort = prepared(config, tmp_path)
    assert server.ranges() == [None, None, "bytes=5000-", "bytes=10000-"]
    assert (len(cohort.subjects()), cohort.shape) == (N, tuple(SMALL[name]))
    labels = cohort.load_labels(cohort.subjects()[-1])
    assert set(np.unique(labels)) == {0, *cohort.label_values}
    image = cohort.load_image(cohort.subjects()[-1])
    assert np.std([image[labels == value].mean() for value in (0, *cohort.label_values)]) > 0.05
    provenance = read_json(tmp_path / "source.json")
    assert (provenance["kind"], provenance["verified"]) == ("download", False)
    assert provenance["checksum"].startswith("sha256:")


@pytest.mark.parametrize("name", ["oasis", "abdomen_ct"])
def test_terms_come_before_the_download(root: Path, tmp_path: Path, server: FaultyServer, name: str) -> None:
    config = served(cohort_config(root, name), server)
    with pytest.raises(InputError, match=rf"^data set {name}: its data use terms .*https://.*accept={name}"):
        obtain_source(config, None, tmp_path)
    assert server.requests == []


@pytest.mark.parametrize("name", SMALL)
def test_what_is_wrong_at_the_server_is_one_clear_line(
    root: Path, tmp_path: Path, server: FaultyServer, name: str
) -> None:
    config = served(cohort_config(root, name), server)
    release = config["source"]["releases"][0]
    archive, accepted = release["archive"], [config["source"]["data_set"]]
    server.faults[f"/{archive}"] = [Fault(status=404)]
    with pytest.raises(InputError, match=rf"{archive}: the server answered 404"):
        obtain_source(config, None, tmp_path, accepted)
    release["checksum"] = "md5:" + "0" * 32
    with pytest.raises(InputError, match=rf"{archive}: the file does not have the expected checksum md5:000"):
        obtain_source(config, None, tmp_path, accepted)
    with pytest.raises(InputError, match=rf"{server.folder / archive}: .*expected checksum md5:000"):
        obtain_source(config, server.folder, tmp_path, accepted)
    assert not (tmp_path / "source").exists()
    assert not (tmp_path / "source.json").exists()


@pytest.mark.parametrize("name", ["oasis", "lung_ct"])
def test_archive_that_climbs_out_is_refused_after_its_download(
    root: Path, tmp_path: Path, server: FaultyServer, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    config = served(cohort_config(root, name), server)
    pack, files = (
        (stand_ins.pack_tar, stand_ins.oasis_files(1, (8, 8, 8)))
        if name == "oasis"
        else (stand_ins.pack_zip, stand_ins.lung_files(1, (8, 8, 8)))
    )
    spoilt = pack(tmp_path / "spoilt" / config["source"]["releases"][0]["archive"], {**files, "a/../../x": b""})
    monkeypatch.setattr(server, "folder", spoilt.parent)
    with pytest.raises(InputError, match=r"member 'a/\.\./\.\./x' would leave the folder; nothing was unpacked"):
        obtain_source(config, None, tmp_path / "cohort", [name])
    assert not (tmp_path / "cohort/source").exists()


def test_full_disk_stops_a_download_with_one_clear_line(root: Path, tmp_path: Path, server: FaultyServer) -> None:
    config = served(cohort_config(root, "lung_ct"), server)
    (tmp_path / ".download").mkdir()
    (tmp_path / ".download/training.zip.part").symlink_to("/dev/full")
    with pytest.raises(InputError, match=r"training\.zip\.part: no room left on the disk; expected room for"):
        obtain_source(config, None, tmp_path)
    remove(tmp_path / ".download/training.zip.part")
    obtain_source(config, None, tmp_path)
    assert (tmp_path / "source.json").is_file()


def test_both_releases_of_oasis_end_in_the_same_grid(root: Path, tmp_path: Path, folder: Path) -> None:
    config = cohort_config(root, "oasis")
    both = config["source"]["releases"]
    cohorts = []
    for number, release in enumerate(both):
        config["source"]["releases"] = [release]
        cohorts.append(prepared(config, tmp_path / str(number), folder))
    assert nib.load(tmp_path / "0/source/OASIS_OAS1_0001_MR1/aligned_norm.nii.gz").shape == (40, 48, 56)
    assert nib.load(tmp_path / "1/source/imagesTr/OASIS_0001_0000.nii.gz").shape == (40, 56, 48)
    assert same_scans(*cohorts)
    config["source"]["releases"] = both
    assert prepared(config, tmp_path / "2", folder).subjects() == [f"OASIS_{n:04d}_0000" for n in range(1, N + 1)]
    assert read_json(tmp_path / "2/source.json")["location"].endswith("neurite-oasis.v1.0.tar")


@pytest.mark.parametrize(
    ("name", "found"),
    [("OASIS_OAS1_0001_MR1/aligned_{}.nii.gz", (160, 192, 224)), ("{}Tr/OASIS_0001_0000.nii.gz", (160, 224, 192))],
)
def test_oasis_at_full_size(root: Path, tmp_path: Path, name: str, found: tuple[int, int, int]) -> None:
    kinds = ("norm", "seg35") if "aligned" in name else ("images", "labels")
    labels = np.zeros(found, np.float32)
    labels[20:60, 30:90, 40:80] = 13
    write_nifti(tmp_path / "raw" / name.format(kinds[0]), labels / 13, np.eye(4))
    write_nifti(tmp_path / "raw" / name.format(kinds[1]), labels, np.eye(4))
    config = Catalogue(root / "config").cohort("oasis")
    config["splits"], config["pairs"] = {"train": [1]}, {}
    config["source"]["releases"][0]["count"] = 1
    preprocess_cohort(config, tmp_path / "raw", tmp_path / "out", workers=1)
    cohort = Cohort.load(tmp_path / "out")
    stored = labels if found == (160, 192, 224) else labels[::-1, :, ::-1].transpose(0, 2, 1)
    np.testing.assert_array_equal(cohort.load_labels("OASIS_0001_0000"), stored)


def test_scan_of_another_size_is_refused_by_name(root: Path, tmp_path: Path) -> None:
    files = stand_ins.oasis_files(N) | {
        path: content for path, content in stand_ins.oasis_files(3, (40, 48, 60)).items() if "0004" in path
    }
    raw = stand_ins.write_files(tmp_path / "raw", files)
    expected = r"0004_MR1/aligned_norm\.nii\.gz: shape \(40, 48, 60\) with axes LIA becomes .* expected exactly"
    with pytest.raises(InputError, match=rf"^1 of {N} subjects cannot be used: .*{expected} \(40, 48, 56\)"):
        preprocess_cohort(cohort_config(root, "oasis"), raw, tmp_path / "out", workers=1)


def test_both_releases_of_the_abdomen_are_the_same_scans(root: Path, tmp_path: Path, folder: Path) -> None:
    config = cohort_config(root, "abdomen_ct", 12)
    stand_ins.abdomen_zip(tmp_path / "new", 12)
    stand_ins.abdomen_btcv_folder(tmp_path / "old", 12)
    cohorts = [prepared(config, tmp_path / f"cohort_{name}", tmp_path / name) for name in ("new", "old")]
    assert same_scans(*cohorts)


def right_and_left(cohort: Cohort, subject: str) -> tuple[int, int]:
    """Voxels of the lung on the right and on the left of the body, of a cohort whose first axis runs to the left."""
    assert nib.aff2axcodes(cohort.affine) == ("L", "A", "S")
    parts, _ = ndimage.label(cohort.load_labels(subject))
    sizes = np.bincount(parts.ravel())[1:]
    largest = np.argsort(sizes)[-2:] + 1
    first, second = sorted(largest, key=lambda part: ndimage.center_of_mass(parts == part)[0])
    return int((parts == first).sum()), int((parts == second).sum())


def test_lungs_of_the_stand_in_lie_right_and_left(root: Path, tmp_path: Path, folder: Path) -> None:
    cohort = prepared(cohort_config(root, "lung_ct"), tmp_path, folder)
    for subject in cohort.subjects():
        right, left = right_and_left(cohort, subject)
        assert right > left


def test_real_lung_masks_have_the_larger_lung_on_the_right(root: Path, shared: Path, tmp_path: Path) -> None:
    masks = shared / "data/LungCT/masksTr"
    for number in (1, 2, 3):
        mask = nib.load(masks / f"LungCT_{number:04d}_0000.nii.gz")
        air = np.where(np.asarray(mask.dataobj) > 0, -800, 40).astype(np.int16)
        write_nifti(tmp_path / f"raw/scans/case_{number:03d}_insp.nii.gz", air, mask.affine)
        target = tmp_path / f"raw/lungMasks/case_{number:03d}_insp.nii.gz"
        target.parent.mkdir(exist_ok=True)
        target.symlink_to(masks / f"LungCT_{number:04d}_0000.nii.gz")
    preprocess_cohort(cohort_config(root, "lung_ct", 3), tmp_path / "raw", tmp_path / "out", workers=1)
    cohort = Cohort.load(tmp_path / "out")
    for number, subject in enumerate(cohort.subjects(), start=1):
        right, left = right_and_left(cohort, subject)
        assert right > 1.05 * left
        mask = nib.load(masks / f"LungCT_{number:04d}_0000.nii.gz")
        volume = np.asarray(mask.dataobj).sum() * np.prod(mask.header.get_zooms())
        assert (right + left) * 4.0**3 == pytest.approx(volume, rel=0.03)


def test_real_brain_takes_the_path_of_oasis(root: Path, shared: Path, tmp_path: Path) -> None:
    """FreeSurfer's labels become the 35 of OASIS; the scan stands in for the first release at its full size."""
    stored = Catalogue(root / "config").cohort("brain_from_one")["from_one"]["stored_labels"]
    image, labels = (nib.load(shared / f"data/brain_t1w/{name}.nii.gz") for name in ("image", "labels_freesurfer"))
    table = np.zeros(256, np.float32)
    table[stored] = np.arange(1, 36)
    top = tmp_path / "neurite-oasis.v1.0/OASIS_OAS1_0001_MR1"
    write_nifti(top / "aligned_norm.nii.gz", np.asarray(image.dataobj) / np.float32(255), image.affine)
    write_nifti(top / "aligned_seg35.nii.gz", table[np.asarray(labels.dataobj)], labels.affine)
    config = Catalogue(root / "config").cohort("oasis")
    config["splits"], config["pairs"] = {"train": [1]}, {}
    config["source"]["releases"][0]["count"] = 1
    config["expect"] = {
        "places": [
            *([f"left {name}", "left of", f"right {name}"] for name in ("cerebral cortex", "hippocampus", "thalamus")),
            ["brain stem", "below", "left thalamus"],
            ["4th ventricle", "behind", "3rd ventricle"],
            ["left cerebellum cortex", "behind", "left accumbens"],
        ]
    }
    cohort = prepared(config, tmp_path / "cohort", tmp_path)
    assert (cohort.shape, cohort.n_regions) == ((160, 192, 224), 36)
    assert set(np.unique(cohort.load_labels("OASIS_0001_0000"))) == set(range(36))


def test_real_ct_with_its_header_is_turned_to_the_abdomens_axes(root: Path, shared: Path, tmp_path: Path) -> None:
    config = Catalogue(root / "config").cohort("abdomen_ct")
    names = ("spleen", "right kidney", "left kidney", "liver")
    ct, labels = (
        nib.load(shared / f"data/abdomen_ct_example/{name}.nii.gz") for name in ("ct", "totalsegmentator_labels")
    )
    table = np.zeros(256, np.uint8)
    table[[1, 2, 3, 5]] = 1, 2, 3, 4
    write_nifti(tmp_path / "raw/imagesTr/AbdomenCTCT_0001_0000.nii.gz", np.asarray(ct.dataobj), ct.affine)
    write_nifti(
        tmp_path / "raw/labelsTr/AbdomenCTCT_0001_0000.nii.gz", table[np.asarray(labels.dataobj)], labels.affine
    )
    config["anatomy"]["structures"] = [{"label": n, "name": name} for n, name in enumerate(names, start=1)]
    config["splits"], config["pairs"] = {"train": [1]}, {}
    config["preprocess"] |= {"axes": "header", "source_spacing": None}
    config["expect"] = {"places": config["expect"]["places"][:4]}
    preprocess_cohort(config, tmp_path / "raw", tmp_path / "out", workers=1)
    cohort = Cohort.load(tmp_path / "out")
    image, found = (load("AbdomenCTCT_0001_0000") for load in (cohort.load_image, cohort.load_labels))
    hounsfield = image[found == 4] * 1300 - 500
    assert 0 < hounsfield.mean() < 200
    assert (found > 0).sum() * 64 == pytest.approx((table[np.asarray(labels.dataobj)] > 0).sum() * 27, rel=0.05)
