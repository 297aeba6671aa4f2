"""Sources of a cohort: linked folder, local archive, download; and their recorded provenance."""

import hashlib
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faulty_server import Fault, FaultyServer
from tests.python_server import python
from tests.stand_ins import pack_tar
from textscf.data.download import obtain_source
from textscf.errors import InputError
from textscf.files.io import read_json, write_yaml


@pytest.fixture
def config(tmp_path: Path) -> dict[str, Any]:
    """A cohort of a data set whose archive lies in `tmp_path`/server; without an address."""
    archive = pack_tar(tmp_path / "server" / "data.tar", {"Data/imagesTr/s_001.nii.gz": b"image"})
    release = {
        **{"folder": "Data", "archive": "data.tar", "url": None},
        "checksum": f"md5:{hashlib.md5(archive.read_bytes()).hexdigest()}",
        "instructions": "Sign the\n  agreement at https://example.org.",
    }
    return {
        **{"name": "stand_in", "title": "Stand-in", "licence": "CC0", "citation": "Nobody, 2024"},
        "source": {"kind": "archive", "data_set": "small", "agreement": None, "releases": [release]},
    }


@pytest.fixture
def release(config: dict[str, Any]) -> dict[str, Any]:
    """The only release of the data set."""
    only: dict[str, Any] = config["source"]["releases"][0]
    return only


@pytest.fixture
def server(tmp_path: Path, release: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyServer]:
    """Serves the archive and gives the release its address."""
    for name, value in FaultyServer.environment.items():
        monkeypatch.setenv(name, value)
    with FaultyServer(tmp_path / "server") as running:
        release["url"] = running.url("data.tar")
        yield running


def contents(folder: Path) -> list[str]:
    """Names in `folder`, sorted."""
    return sorted(path.name for path in folder.iterdir())


def test_local_folder_is_linked_not_copied(tmp_path: Path, config: dict[str, Any]) -> None:
    (tmp_path / "mirror" / "Data").mkdir(parents=True)
    obtain_source(config, tmp_path / "mirror", tmp_path / "cohort")
    link = tmp_path / "cohort" / "source"
    assert link.is_symlink()
    assert link.resolve() == tmp_path / "mirror" / "Data"
    assert read_json(tmp_path / "cohort" / "source.json") == {
        "cohort": "stand_in",
        "data_set": "small",
        "kind": "folder",
        "location": str(tmp_path / "mirror" / "Data"),
        "checksum": None,
        "verified": False,
        "licence": "CC0",
        "citation": "Nobody, 2024",
    }


def test_local_archive_is_verified_and_unpacked(tmp_path: Path, config: dict[str, Any]) -> None:
    obtain_source(config, tmp_path / "server", tmp_path / "cohort")
    assert (tmp_path / "cohort/source/imagesTr/s_001.nii.gz").read_bytes() == b"image"
    provenance = read_json(tmp_path / "cohort" / "source.json")
    assert provenance["kind"] == "archive"
    assert provenance["location"] == str(tmp_path / "server" / "data.tar")
    assert provenance["checksum"] == config["source"]["releases"][0]["checksum"]
    assert provenance["verified"] is True
    assert (tmp_path / "server" / "data.tar").is_file()


def test_local_archive_with_another_checksum_is_refused(tmp_path: Path, config: dict[str, Any]) -> None:
    config["source"]["releases"][0]["checksum"] = "md5:" + "0" * 32
    with pytest.raises(InputError, match=r"data\.tar: the file does not have the expected checksum md5:000"):
        obtain_source(config, tmp_path / "server", tmp_path / "cohort")
    assert contents(tmp_path / "cohort") == []


def test_archive_without_known_checksum_is_unpacked_anew(tmp_path: Path, config: dict[str, Any]) -> None:
    config["source"]["releases"][0]["checksum"] = None
    obtain_source(config, tmp_path / "server", tmp_path / "cohort")
    provenance = read_json(tmp_path / "cohort" / "source.json")
    found = hashlib.sha256((tmp_path / "server/data.tar").read_bytes()).hexdigest()
    assert (provenance["checksum"], provenance["verified"]) == (f"sha256:{found}", False)
    (tmp_path / "cohort/source/stale").touch()
    obtain_source(config, tmp_path / "server", tmp_path / "cohort")
    assert not (tmp_path / "cohort/source/stale").exists()


def test_folder_is_preferred_to_archive_and_takes_its_place(tmp_path: Path, config: dict[str, Any]) -> None:
    obtain_source(config, tmp_path / "server", tmp_path / "cohort")
    (tmp_path / "server" / "Data").mkdir()
    obtain_source(config, tmp_path / "server", tmp_path / "cohort")
    assert (tmp_path / "cohort" / "source").is_symlink()
    (tmp_path / "server" / "Data").rmdir()
    obtain_source(config, tmp_path / "server", tmp_path / "cohort")
    assert (tmp_path / "cohort/source/imagesTr/s_001.nii.gz").is_file()
    assert not (tmp_path / "cohort" / "source").is_symlink()


def test_download_unpacks_and_is_not_repeated(
    tmp_path: Path, config: dict[str, Any], server: FaultyServer, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "empty").mkdir()
    with caplog.at_level("INFO"):
        obtain_source(config, tmp_path / "empty", tmp_path / "cohort")
        (tmp_path / "cohort" / "source.json").unlink()
        obtain_source(config, None, tmp_path / "cohort")
    assert (tmp_path / "cohort/source/imagesTr/s_001.nii.gz").read_bytes() == b"image"
    assert read_json(tmp_path / "cohort" / "source.json")["kind"] == "download"
    assert contents(tmp_path / "cohort") == ["source", "source.json"]
    assert server.count("/data.tar") == 1
    assert "Licence: CC0. Please cite: Nobody, 2024" in caplog.text


def test_download_with_wrong_checksum_leaves_the_earlier_source(
    tmp_path: Path, config: dict[str, Any], server: FaultyServer
) -> None:
    obtain_source(config, None, tmp_path / "cohort")
    config["source"]["releases"][0]["checksum"] = "md5:" + "0" * 32
    with pytest.raises(InputError, match=r"checksum md5:0000.*nothing was kept"):
        obtain_source(config, None, tmp_path / "cohort")
    assert (tmp_path / "cohort/source/imagesTr/s_001.nii.gz").is_file()
    assert not list((tmp_path / "cohort").rglob("*data.tar*"))


def test_unverified_download_is_not_repeated_either(
    tmp_path: Path, config: dict[str, Any], release: dict[str, Any], server: FaultyServer
) -> None:
    release["checksum"] = None
    for _ in range(2):
        obtain_source(config, None, tmp_path / "cohort")
    found = hashlib.sha256((tmp_path / "server/data.tar").read_bytes()).hexdigest()
    provenance = read_json(tmp_path / "cohort" / "source.json")
    assert (provenance["checksum"], provenance["verified"]) == (f"sha256:{found}", False)
    assert server.count("/data.tar") == 1


def test_download_goes_on_after_faults(tmp_path: Path, config: dict[str, Any], server: FaultyServer) -> None:
    server.faults["/data.tar"] = [Fault(status=503), Fault(break_after=700), Fault(status=503)]
    obtain_source(config, None, tmp_path / "cohort")
    assert (tmp_path / "cohort/source/imagesTr/s_001.nii.gz").read_bytes() == b"image"
    assert server.ranges() == [None, None, "bytes=700-", "bytes=700-"]


def test_terms_are_asked_for_once_before_a_download_and_only_then(
    tmp_path: Path, config: dict[str, Any], server: FaultyServer
) -> None:
    config["source"]["agreement"] = "Read\n  https://example.org/terms."
    expected = r"^data set small: its data use terms .* Read https://example\.org/terms\. .*accept=small; .*Data"
    for accepted in ((), ("other", "")):
        with pytest.raises(InputError, match=expected):
            obtain_source(config, None, tmp_path / "cohort", accepted)
    assert server.requests == []
    obtain_source(config, None, tmp_path / "cohort", ("other", "small"))
    obtain_source(config, None, tmp_path / "cohort")
    assert server.count("/data.tar") == 1
    obtain_source(config, tmp_path / "server", tmp_path / "local")
    assert read_json(tmp_path / "local/source.json")["kind"] == "archive"


def test_releases_are_looked_for_in_order_and_the_first_address_is_taken(
    tmp_path: Path, config: dict[str, Any], release: dict[str, Any], server: FaultyServer
) -> None:
    other = {**release, "folder": "Older", "archive": None, "url": None}
    by_hand = {**release, "folder": "Newer", "archive": "newer.zip", "url": None}
    config["source"]["releases"] = [by_hand, release, other]
    (tmp_path / "mirror/Older").mkdir(parents=True)
    location = {}
    for mirror, added in (("mirror", None), ("mirror", "Newer"), ("empty", None)):
        (tmp_path / mirror / (added or "")).mkdir(parents=True, exist_ok=True)
        obtain_source(config, tmp_path / mirror, tmp_path / "cohort")
        location[mirror, added] = read_json(tmp_path / "cohort/source.json")["location"]
    assert location == {
        ("mirror", None): str(tmp_path / "mirror/Older"),
        ("mirror", "Newer"): str(tmp_path / "mirror/Newer"),
        ("empty", None): server.url("data.tar"),
    }


def test_release_without_a_top_folder_is_unpacked(
    tmp_path: Path, config: dict[str, Any], release: dict[str, Any]
) -> None:
    pack_tar(tmp_path / "server/data.tar", {"./A_1/scan.nii.gz": b"one", "A_2/scan.nii.gz": b"two"})
    release |= {"top": ".", "checksum": None}
    obtain_source(config, tmp_path / "server", tmp_path / "cohort")
    assert (tmp_path / "cohort/source/A_1/scan.nii.gz").read_bytes() == b"one"
    assert (tmp_path / "cohort/source/A_2/scan.nii.gz").read_bytes() == b"two"


def test_source_without_address_says_what_to_put_where(tmp_path: Path, config: dict[str, Any]) -> None:
    (tmp_path / "mirror").mkdir()
    expected = (
        r"^data set small: has to be fetched by a person\. Sign the agreement at https://example\.org\. "
        r"Expected in data_root: the folder Data or the file data\.tar \(.*mirror has none of them\)$"
    )
    with pytest.raises(InputError, match=expected):
        obtain_source(config, tmp_path / "mirror", tmp_path / "cohort")
    with pytest.raises(InputError, match=r"data\.tar \(it is not set"):
        obtain_source(config, None, tmp_path / "cohort")


def test_absent_data_root_is_not_passed_over(tmp_path: Path, config: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"data_root .*typo: no such folder"):
        obtain_source(config, tmp_path / "typo", tmp_path / "cohort")
    assert not (tmp_path / "cohort").exists()


def test_phantom_needs_no_source(tmp_path: Path, config: dict[str, Any]) -> None:
    config["source"] = {"kind": "phantom"}
    with pytest.raises(InputError, match=r"cohort stand_in: source\.kind is phantom"):
        obtain_source(config, None, tmp_path / "cohort")


def test_script_writes_source_json_and_reports_bad_input_with_code_2(
    tmp_path: Path, config: dict[str, Any], root: Path
) -> None:
    write_yaml(tmp_path / "cohort" / "config.yaml", config)
    paths = ["--config", tmp_path / "cohort" / "config.yaml", "--out", tmp_path / "cohort" / "source.json"]
    command = [python(), root / "src" / "download.py", *paths]
    assert subprocess.run([*command, "--data-root", tmp_path / "server"], check=False).returncode == 0
    assert (tmp_path / "cohort" / "source.json").is_file()
    failed = subprocess.run(command, check=False, capture_output=True, text=True)
    assert failed.returncode == 2
    assert failed.stderr.splitlines()[-1].startswith("error: data set small: has to be fetched")
    assert "Traceback" not in failed.stderr
