"""Pretrained weights from a local mirror and by download, with and without a checksum."""

import hashlib
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faulty_server import Fault, FaultyServer
from tests.python_server import python
from textscf.errors import InputError
from textscf.files.io import read_json, write_yaml
from textscf.segmentation.weights import obtain_weights

CONTENT = bytes(range(256)) * 64
OWN = Path("no/folder")
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyServer]:
    for name, value in FaultyServer.environment.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "server").mkdir()
    (tmp_path / "server/tiny.pt").write_bytes(CONTENT)
    with FaultyServer(tmp_path / "server") as running:
        yield running


@pytest.fixture
def weights(server: FaultyServer) -> dict[str, Any]:
    return {"file": "tiny.pt", "url": server.url("tiny.pt"), "checksum": f"sha256:{SHA256}"}


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror/tiny.pt").write_bytes(CONTENT)
    return tmp_path / "mirror"


def test_a_file_of_the_mirror_comes_before_the_download(
    weights: dict[str, Any], mirror: Path, server: FaultyServer, tmp_path: Path
) -> None:
    obtain_weights(weights, mirror, OWN, tmp_path / "out/weights.pt")
    assert (tmp_path / "out/weights.pt").read_bytes() == CONTENT
    assert server.requests == []
    assert read_json(tmp_path / "out/weights.json") == {
        "file": "tiny.pt", "kind": "file", "location": str(mirror / "tiny.pt"),
        "checksum": f"sha256:{SHA256}", "sha256": SHA256,
    }  # fmt: skip


def test_weights_of_the_project_come_from_its_folder_after_the_mirror(
    weights: dict[str, Any], mirror: Path, tmp_path: Path
) -> None:
    own = weights | {"url": None}
    obtain_weights(own, None, mirror, tmp_path / "weights.pt")
    assert read_json(tmp_path / "weights.json")["location"] == str(mirror / "tiny.pt")
    obtain_weights(own, mirror, OWN, tmp_path / "weights.pt")
    with pytest.raises(InputError, match=r"no/folder/tiny\.pt: no such file; expected weights that come with the proj"):
        obtain_weights(own, None, OWN, tmp_path / "weights.pt")


@pytest.mark.parametrize("with_mirror", [True, False])
def test_a_download_survives_server_errors_and_a_broken_connection(
    weights: dict[str, Any], server: FaultyServer, tmp_path: Path, with_mirror: bool
) -> None:
    server.faults["/tiny.pt"] = [Fault(status=503), Fault(break_after=1000)]
    obtain_weights(weights, tmp_path if with_mirror else None, OWN, tmp_path / "out/weights.pt")
    assert (tmp_path / "out/weights.pt").read_bytes() == CONTENT
    assert server.ranges()[-1] == "bytes=1000-"
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["weights.json", "weights.pt"]


def test_without_a_checksum_the_log_says_so_and_the_digest_is_kept(
    weights: dict[str, Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    obtain_weights(weights | {"checksum": None}, None, OWN, tmp_path / "weights.pt")
    assert f"tiny.pt: not verified, as its checksum is not known; its SHA-256 is {SHA256}" in caplog.text
    assert read_json(tmp_path / "weights.json")["sha256"] == SHA256


@pytest.mark.parametrize("local", [True, False])
def test_another_file_is_refused_and_leaves_nothing(
    weights: dict[str, Any], mirror: Path, tmp_path: Path, local: bool
) -> None:
    weights["checksum"] = "sha256:" + "0" * 64
    with pytest.raises(InputError, match="does not have the expected checksum sha256:000"):
        obtain_weights(weights, mirror if local else None, OWN, tmp_path / "out/weights.pt")
    assert not [path for path in (tmp_path / "out").rglob("*") if path.is_file()]


def test_a_mirror_that_is_not_there_is_not_passed_over(weights: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"data_root .*typo: no such folder"):
        obtain_weights(weights, tmp_path / "typo", OWN, tmp_path / "weights.pt")


def test_script_copies_and_reports_bad_input_with_code_2(
    weights: dict[str, Any], mirror: Path, tmp_path: Path, root: Path
) -> None:
    write_yaml(tmp_path / "config.yaml", {"source": "pretrained", "weights": weights | {"url": "http://a.b/tiny.pt"}})
    command = [python(), root / "src/download_weights.py", "--config", tmp_path / "config.yaml"]
    command += ["--out", tmp_path / "weights.pt"]
    assert subprocess.run([*command, "--data-root", mirror], check=False).returncode == 0
    failed = subprocess.run(command, check=False, capture_output=True, text=True)
    assert failed.returncode == 2
    assert failed.stderr.splitlines()[-1] == "error: http://a.b/tiny.pt: not an https address; expected https://..."
