"""Sources of a cohort: linked folder, local archive, download; what their provenance says."""

import hashlib
import http.server
import io
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from textscf.data import fetch as fetch_module
from textscf.data.download import obtain_source
from textscf.errors import InputError
from textscf.io import read_json, write_yaml


def stand_in_archive(path: Path) -> Path:
    """A tar file in the layout of a source with one scan."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as opened:
        member = tarfile.TarInfo("Data/imagesTr/s_001.nii.gz")
        member.size = 5
        opened.addfile(member, io.BytesIO(b"image"))
    return path


@pytest.fixture
def config(tmp_path: Path) -> dict[str, Any]:
    """A cohort whose archive lies in `tmp_path`/server; without an address."""
    archive = stand_in_archive(tmp_path / "server" / "data.tar")
    checksum = f"md5:{hashlib.md5(archive.read_bytes()).hexdigest()}"
    instructions = "Sign the\n  agreement at https://example.org."
    return {
        "name": "stand_in",
        "title": "Stand-in",
        "licence": "CC0",
        "citation": "Nobody, 2024",
        "source": {
            "kind": "archive",
            "folder": "Data",
            "archive": {"file": "data.tar", "url": None, "checksum": checksum, "instructions": instructions},
        },
    }


@pytest.fixture
def server(tmp_path: Path, config: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Serves the archive and gives the cohort its address; yields the requested paths."""
    requested: list[str] = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            requested.append(self.path)

    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(fetch_module, "_FIRST_PAUSE", 0.0)
    handler = partial(Handler, directory=str(tmp_path / "server"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        config["source"]["archive"]["url"] = f"http://127.0.0.1:{running.server_address[1]}/data.tar"
        yield requested
        running.shutdown()
        thread.join()


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
        "kind": "folder",
        "location": str(tmp_path / "mirror" / "Data"),
        "checksum": None,
        "licence": "CC0",
        "citation": "Nobody, 2024",
    }


def test_local_archive_is_verified_and_unpacked(tmp_path: Path, config: dict[str, Any]) -> None:
    obtain_source(config, tmp_path / "server", tmp_path / "cohort")
    assert (tmp_path / "cohort/source/imagesTr/s_001.nii.gz").read_bytes() == b"image"
    provenance = read_json(tmp_path / "cohort" / "source.json")
    assert provenance["kind"] == "archive"
    assert provenance["location"] == str(tmp_path / "server" / "data.tar")
    assert provenance["checksum"] == config["source"]["archive"]["checksum"]
    assert (tmp_path / "server" / "data.tar").is_file()


def test_local_archive_with_another_checksum_is_refused(tmp_path: Path, config: dict[str, Any]) -> None:
    config["source"]["archive"]["checksum"] = "md5:" + "0" * 32
    with pytest.raises(InputError, match=r"data\.tar: the file does not have the expected checksum md5:000"):
        obtain_source(config, tmp_path / "server", tmp_path / "cohort")
    assert contents(tmp_path / "cohort") == []


def test_archive_without_known_checksum_is_unpacked_anew(tmp_path: Path, config: dict[str, Any]) -> None:
    del config["source"]["archive"]["checksum"]
    obtain_source(config, tmp_path / "server", tmp_path / "cohort")
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
    tmp_path: Path, config: dict[str, Any], server: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "empty").mkdir()
    with caplog.at_level("INFO"):
        obtain_source(config, tmp_path / "empty", tmp_path / "cohort")
        (tmp_path / "cohort" / "source.json").unlink()
        obtain_source(config, None, tmp_path / "cohort")
    assert (tmp_path / "cohort/source/imagesTr/s_001.nii.gz").read_bytes() == b"image"
    assert read_json(tmp_path / "cohort" / "source.json")["kind"] == "download"
    assert contents(tmp_path / "cohort") == ["source", "source.json"]
    assert server == ["/data.tar"]
    assert "Licence: CC0. Please cite: Nobody, 2024" in caplog.text


def test_download_with_wrong_checksum_leaves_the_earlier_source(
    tmp_path: Path, config: dict[str, Any], server: list[str]
) -> None:
    obtain_source(config, None, tmp_path / "cohort")
    config["source"]["archive"]["checksum"] = "md5:" + "0" * 32
    with pytest.raises(InputError, match=r"checksum md5:0000.*nothing was kept"):
        obtain_source(config, None, tmp_path / "cohort")
    assert (tmp_path / "cohort/source/imagesTr/s_001.nii.gz").is_file()
    assert not list((tmp_path / "cohort").rglob("*data.tar*"))


def test_source_without_address_says_what_to_put_where(tmp_path: Path, config: dict[str, Any]) -> None:
    (tmp_path / "mirror").mkdir()
    expected = (
        r"^Data: has to be fetched by a person\. Sign the agreement at https://example\.org\. "
        r"Put the folder Data or the file data\.tar into data_root \(.*mirror has neither of them\)$"
    )
    with pytest.raises(InputError, match=expected):
        obtain_source(config, tmp_path / "mirror", tmp_path / "cohort")
    with pytest.raises(InputError, match=r"into data_root \(it is not set"):
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
    command = [sys.executable, root / "src" / "download.py", *paths]
    assert subprocess.run([*command, "--data-root", tmp_path / "server"], check=False).returncode == 0
    assert (tmp_path / "cohort" / "source.json").is_file()
    failed = subprocess.run(command, check=False, capture_output=True, text=True)
    assert failed.returncode == 2
    assert failed.stderr.splitlines()[-1].startswith("error: Data: has to be fetched")
    assert "Traceback" not in failed.stderr
