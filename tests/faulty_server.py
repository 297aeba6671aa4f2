"""A small local HTTP server of a folder, with faults on demand: errors, broken transfers, ranges ignored, redirects."""

import contextlib
import http.server
import threading
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self

from textscf.data import fetch as fetch_module


@dataclass(frozen=True)
class Fault:
    """A fault that one request meets instead of the file.

    Attributes:
        status: answer with this status and no content.
        location: where a redirecting status leads.
        break_after: close the connection after this many bytes of the body.
        ignore_range: send the whole file although a part was asked for.
    """

    status: int | None = None
    location: str = ""
    break_after: int | None = None
    ignore_range: bool = False


@dataclass(frozen=True)
class Request:
    """A request that arrived: its path and Range header."""

    path: str
    range: str | None


class FaultyServer:
    """Serves the files of `folder` while the `with` block lasts.

    Range requests (`bytes=N-`) are answered as by a real server: 206, or 416 beyond the end. `faults[path]` (path as
    in "/oasis.tar") is a list that the requests of this path use up one by one; without any left all goes well.
    `requests` lists what arrived. Within this process retries of `textscf.data.fetch` do not wait while it runs;
    `environment` is what another process needs beside its own to reach it past a proxy.

        with FaultyServer(folder) as server:
            server.faults["/oasis.tar"] = [Fault(status=503)] * 2 + [Fault(break_after=1000)]
            fetch(server.url("oasis.tar"), checksum, target)
            assert server.count("/oasis.tar") == 4
    """

    environment: ClassVar[dict[str, str]] = {"no_proxy": "127.0.0.1", "NO_PROXY": "127.0.0.1"}

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.faults: dict[str, list[Fault]] = {}
        self.requests: list[Request] = []
        self._http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), lambda *given: _Handler(self, *given))
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01})
        self._pause = fetch_module._FIRST_PAUSE

    def __enter__(self) -> Self:
        fetch_module._FIRST_PAUSE = 0.0
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        fetch_module._FIRST_PAUSE = self._pause
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    def url(self, name: str) -> str:
        """Address of a file of the folder."""
        return f"http://127.0.0.1:{self._http.server_address[1]}/{name}"

    def count(self, path: str) -> int:
        """Number of requests for `path`."""
        return sum(request.path == path for request in self.requests)

    def ranges(self) -> list[str | None]:
        """Range headers of all requests in order."""
        return [request.range for request in self.requests]


class _Handler(http.server.BaseHTTPRequestHandler):
    def __init__(self, owner: FaultyServer, *given: Any) -> None:
        self.owner = owner
        super().__init__(*given)

    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        self.owner.requests.append(Request(self.path, asked))
        waiting = self.owner.faults.get(self.path)
        fault = waiting.pop(0) if waiting else Fault()
        file = self.owner.folder / self.path.lstrip("/")
        if fault.status or not file.is_file():
            self._answer(fault.status or 404, {"Location": fault.location} if fault.location else {})
            return
        size = file.stat().st_size
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and not fault.ignore_range else 0
        if start >= size:
            self._answer(416, {"Content-Range": f"bytes */{size}"})
            return
        content_range = {"Content-Range": f"bytes {start}-{size - 1}/{size}"} if start else {}
        self._answer(206 if start else 200, content_range, size - start)
        with file.open("rb") as stream, contextlib.suppress(ConnectionError):  # the client may have had enough
            stream.seek(start)
            self.wfile.write(stream.read(fault.break_after if fault.break_after is not None else -1))

    def _answer(self, status: int, headers: dict[str, str], length: int = 0) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Keep the tests' output clean."""
