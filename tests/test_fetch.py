"""Download over a local server: resume, retries, refusals, checksums, full disk."""

import errno
import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faulty_server import Fault, FaultyServer
from textscf.data import fetch as fetch_module
from textscf.data.fetch import fetch
from textscf.errors import InputError

CONTENT = bytes(range(256)) * 4096
CUT = Fault(break_after=1000)
CHECKSUM = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyServer]:
    """Serves CONTENT as /scans.tar."""
    for name, value in FaultyServer.environment.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "served").mkdir()
    (tmp_path / "served/scans.tar").write_bytes(CONTENT)
    with FaultyServer(tmp_path / "served") as running:
        yield running


def script(server: FaultyServer, *faults: Fault) -> None:
    server.faults["/scans.tar"] = list(faults)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "downloads" / "scans.tar"


def test_downloads_once_and_keeps_what_fits(server: FaultyServer, target: Path) -> None:
    fetch(server.url("scans.tar"), CHECKSUM, target)
    fetch(server.url("scans.tar"), CHECKSUM, target)
    assert target.read_bytes() == CONTENT
    assert server.ranges() == [None]
    assert [path.name for path in target.parent.iterdir()] == ["scans.tar"]


def test_interrupted_transfer_goes_on_where_it_stopped(server: FaultyServer, target: Path) -> None:
    script(server, CUT, CUT)
    fetch(server.url("scans.tar"), CHECKSUM, target)
    assert target.read_bytes() == CONTENT
    assert server.ranges() == [None, "bytes=1000-", "bytes=2000-"]


def test_later_call_resumes_the_partial_file(server: FaultyServer, target: Path) -> None:
    script(server, *[CUT] * 5)
    with pytest.raises(InputError, match=r"gave up after 5 attempts .*connection closed after 5000"):
        fetch(server.url("scans.tar"), CHECKSUM, target)
    assert not target.exists()
    fetch(server.url("scans.tar"), CHECKSUM, target)
    assert target.read_bytes() == CONTENT
    assert server.ranges()[-1] == "bytes=5000-"


def test_server_without_ranges_is_read_from_the_start(server: FaultyServer, target: Path) -> None:
    script(server, CUT, Fault(ignore_range=True))
    fetch(server.url("scans.tar"), CHECKSUM, target)
    assert target.read_bytes() == CONTENT


def test_complete_partial_file_is_taken(server: FaultyServer, target: Path) -> None:
    target.parent.mkdir()
    target.with_name("scans.tar.part").write_bytes(CONTENT)
    fetch(server.url("scans.tar"), CHECKSUM, target)
    assert target.read_bytes() == CONTENT


def test_partial_file_longer_than_the_servers_is_dropped(server: FaultyServer, target: Path) -> None:
    target.parent.mkdir()
    target.with_name("scans.tar.part").write_bytes(CONTENT + b"more")
    fetch(server.url("scans.tar"), CHECKSUM, target)
    assert target.read_bytes() == CONTENT
    assert server.ranges()[-1] is None


def test_wrong_checksum_leaves_nothing(server: FaultyServer, target: Path) -> None:
    with pytest.raises(InputError, match=r"scans\.tar: .*checksum sha256:000.*nothing was kept") as caught:
        fetch(server.url("scans.tar"), "sha256:" + "0" * 64, target)
    assert "\n" not in str(caught.value)
    assert list(target.parent.iterdir()) == []


def test_foreign_partial_file_is_a_checksum_error_then_all_is_well(server: FaultyServer, target: Path) -> None:
    target.parent.mkdir()
    target.with_name("scans.tar.part").write_bytes(b"x" * 500)
    with pytest.raises(InputError, match="checksum"):
        fetch(server.url("scans.tar"), CHECKSUM, target)
    fetch(server.url("scans.tar"), CHECKSUM, target)
    assert target.read_bytes() == CONTENT


def test_server_errors_are_retried(server: FaultyServer, target: Path) -> None:
    script(server, Fault(status=500), Fault(status=503))
    fetch(server.url("scans.tar"), CHECKSUM, target)
    assert target.read_bytes() == CONTENT
    assert server.count("/scans.tar") == 3


def test_lasting_server_error_is_reported(server: FaultyServer, target: Path) -> None:
    script(server, *[Fault(status=500)] * 5)
    with pytest.raises(InputError, match=r"gave up after 5 attempts .server error 500"):
        fetch(server.url("scans.tar"), CHECKSUM, target)
    assert list(target.parent.iterdir()) == []


def test_refusal_is_not_retried(server: FaultyServer, target: Path) -> None:
    script(server, Fault(status=404))
    with pytest.raises(InputError, match="answered 404"):
        fetch(server.url("scans.tar"), CHECKSUM, target)
    assert server.count("/scans.tar") == 1


def test_unreachable_server_is_reported(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(fetch_module, "_FIRST_PAUSE", 0.0)
    with pytest.raises(InputError, match=r"gave up .*refused"):
        fetch("http://127.0.0.1:9/scans.tar", CHECKSUM, target)


@pytest.mark.parametrize("url", ["http://example.org/a.tar", "ftp://127.0.0.1/a.tar", "file:///etc/passwd", "a.tar"])
def test_only_https_is_used(url: str, target: Path) -> None:
    with pytest.raises(InputError, match="not an https address"):
        fetch(url, CHECKSUM, target)


def test_redirect_away_from_https_is_refused(server: FaultyServer, target: Path) -> None:
    script(server, Fault(status=302, location="http://example.org/scans.tar"))
    with pytest.raises(InputError, match=r"http://example\.org.* not an https"):
        fetch(server.url("scans.tar"), CHECKSUM, target)


def test_file_of_unknown_checksum_is_taken_with_a_warning(
    server: FaultyServer, target: Path, caplog: pytest.LogCaptureFixture
) -> None:
    script(server, CUT)
    fetch(server.url("scans.tar"), None, target)
    assert target.read_bytes() == CONTENT
    assert "scans.tar: its checksum is not known" in caplog.text


def test_missing_file_is_reported(server: FaultyServer, target: Path) -> None:
    with pytest.raises(InputError, match=r"other\.tar: the server answered 404"):
        fetch(server.url("other.tar"), CHECKSUM, target)


def test_full_disk_is_one_clear_error(server: FaultyServer, target: Path) -> None:
    target.parent.mkdir()
    target.with_name("scans.tar.part").symlink_to("/dev/full")
    with pytest.raises(InputError, match=r"scans\.tar\.part: no room left on the disk; expected room for 1 MB"):
        fetch(server.url("scans.tar"), CHECKSUM, target)
    assert not target.exists()
    assert server.count("/scans.tar") == 1


def test_other_write_errors_are_not_taken_for_the_network(
    server: FaultyServer, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target.parent.mkdir()
    target.with_name("scans.tar.part").mkdir()
    with pytest.raises(OSError, match="Is a directory") as caught:
        fetch(server.url("scans.tar"), CHECKSUM, target)
    assert caught.value.errno == errno.EISDIR
    assert server.count("/scans.tar") == 1
