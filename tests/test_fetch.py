"""Download over a local server: resume, retries, refusals, checksums, full disk."""

import errno
import hashlib
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from textscf.data import fetch as fetch_module
from textscf.data.fetch import fetch
from textscf.errors import InputError

CONTENT = bytes(range(256)) * 4096
CHECKSUM = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"


class ScriptedServer(http.server.ThreadingHTTPServer):
    """Serves CONTENT under every path; each request takes the next entry of `script`, then all goes well."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.script: list[int | str] = []
        self.ranges: list[str | None] = []
        self.redirect_to = ""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/scans.tar"


class _Handler(http.server.BaseHTTPRequestHandler):
    server: ScriptedServer

    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        self.server.ranges.append(asked)
        step = self.server.script.pop(0) if self.server.script else "serve"
        if isinstance(step, int):
            self.send_response(step)
            if step == 302:
                self.send_header("Location", self.server.redirect_to)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and step != "ignore range" else 0
        if start >= len(CONTENT):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(CONTENT)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        body = CONTENT[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Range", f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}")
        self.end_headers()
        self.wfile.write(body[:1000] if step == "cut" else body)

    def log_message(self, format: str, *args: Any) -> None:
        """Keep the tests' output clean."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedServer]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(fetch_module, "_FIRST_PAUSE", 0.0)
    with ScriptedServer() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "downloads" / "scans.tar"


def test_downloads_once_and_keeps_what_fits(server: ScriptedServer, target: Path) -> None:
    fetch(server.url, CHECKSUM, target)
    fetch(server.url, CHECKSUM, target)
    assert target.read_bytes() == CONTENT
    assert server.ranges == [None]
    assert [path.name for path in target.parent.iterdir()] == ["scans.tar"]


def test_interrupted_transfer_goes_on_where_it_stopped(server: ScriptedServer, target: Path) -> None:
    server.script = ["cut", "cut"]
    fetch(server.url, CHECKSUM, target)
    assert target.read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=1000-", "bytes=2000-"]


def test_later_call_resumes_the_partial_file(server: ScriptedServer, target: Path) -> None:
    server.script = ["cut"] * 5
    with pytest.raises(InputError, match=r"gave up after 5 attempts .*connection closed after 5000"):
        fetch(server.url, CHECKSUM, target)
    assert not target.exists()
    fetch(server.url, CHECKSUM, target)
    assert target.read_bytes() == CONTENT
    assert server.ranges[-1] == "bytes=5000-"


def test_server_without_ranges_is_read_from_the_start(server: ScriptedServer, target: Path) -> None:
    server.script = ["cut", "ignore range"]
    fetch(server.url, CHECKSUM, target)
    assert target.read_bytes() == CONTENT


def test_complete_partial_file_is_taken(server: ScriptedServer, target: Path) -> None:
    target.parent.mkdir()
    target.with_name("scans.tar.part").write_bytes(CONTENT)
    fetch(server.url, CHECKSUM, target)
    assert target.read_bytes() == CONTENT


def test_partial_file_longer_than_the_servers_is_dropped(server: ScriptedServer, target: Path) -> None:
    target.parent.mkdir()
    target.with_name("scans.tar.part").write_bytes(CONTENT + b"more")
    fetch(server.url, CHECKSUM, target)
    assert target.read_bytes() == CONTENT
    assert server.ranges[-1] is None


def test_wrong_checksum_leaves_nothing(server: ScriptedServer, target: Path) -> None:
    with pytest.raises(InputError, match=r"scans\.tar: .*checksum sha256:000.*nothing was kept") as caught:
        fetch(server.url, "sha256:" + "0" * 64, target)
    assert "\n" not in str(caught.value)
    assert list(target.parent.iterdir()) == []


def test_foreign_partial_file_is_a_checksum_error_then_all_is_well(server: ScriptedServer, target: Path) -> None:
    target.parent.mkdir()
    target.with_name("scans.tar.part").write_bytes(b"x" * 500)
    with pytest.raises(InputError, match="checksum"):
        fetch(server.url, CHECKSUM, target)
    fetch(server.url, CHECKSUM, target)
    assert target.read_bytes() == CONTENT


def test_server_errors_are_retried(server: ScriptedServer, target: Path) -> None:
    server.script = [500, 503]
    fetch(server.url, CHECKSUM, target)
    assert target.read_bytes() == CONTENT
    assert len(server.ranges) == 3


def test_lasting_server_error_is_reported(server: ScriptedServer, target: Path) -> None:
    server.script = [500] * 5
    with pytest.raises(InputError, match=r"gave up after 5 attempts .server error 500"):
        fetch(server.url, CHECKSUM, target)
    assert list(target.parent.iterdir()) == []


def test_refusal_is_not_retried(server: ScriptedServer, target: Path) -> None:
    server.script = [404]
    with pytest.raises(InputError, match="answered 404"):
        fetch(server.url, CHECKSUM, target)
    assert len(server.ranges) == 1


def test_unreachable_server_is_reported(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(fetch_module, "_FIRST_PAUSE", 0.0)
    with pytest.raises(InputError, match=r"gave up .*refused"):
        fetch("http://127.0.0.1:9/scans.tar", CHECKSUM, target)


@pytest.mark.parametrize("url", ["http://example.org/a.tar", "ftp://127.0.0.1/a.tar", "file:///etc/passwd", "a.tar"])
def test_only_https_is_used(url: str, target: Path) -> None:
    with pytest.raises(InputError, match="not an https address"):
        fetch(url, CHECKSUM, target)


def test_redirect_away_from_https_is_refused(server: ScriptedServer, target: Path) -> None:
    server.script = [302]
    server.redirect_to = "http://example.org/scans.tar"
    with pytest.raises(InputError, match=r"http://example\.org.* not an https"):
        fetch(server.url, CHECKSUM, target)


def test_without_a_checksum_what_arrives_is_taken(server: ScriptedServer, target: Path) -> None:
    server.script = ["cut"]
    fetch(server.url, None, target)
    fetch(server.url, None, target)
    assert target.read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=1000-"]


def test_full_disk_is_one_clear_error(server: ScriptedServer, target: Path) -> None:
    target.parent.mkdir()
    target.with_name("scans.tar.part").symlink_to("/dev/full")
    with pytest.raises(InputError, match=r"scans\.tar\.part: no room left on the disk; expected room for 1 MB"):
        fetch(server.url, CHECKSUM, target)
    assert not target.exists()
    assert len(server.ranges) == 1


def test_other_write_errors_are_not_taken_for_the_network(
    server: ScriptedServer, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target.parent.mkdir()
    target.with_name("scans.tar.part").mkdir()
    with pytest.raises(OSError, match="Is a directory") as caught:
        fetch(server.url, CHECKSUM, target)
    assert caught.value.errno == errno.EISDIR
    assert len(server.ranges) == 1
