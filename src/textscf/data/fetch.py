"""Downloads one file over https with pooch; adds resuming, retries and a progress bar, and verifies a checksum."""

import errno
import http.client
import logging
import shutil
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import IO, Any

from tqdm import tqdm

from textscf.errors import InputError

_LOG = logging.getLogger(__name__)
_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_ATTEMPTS = 5
_FIRST_PAUSE = 1.0  # seconds; doubles after every failed attempt
_TIMEOUT = 60.0
_BLOCK = 2**20
_WORTH_RETRYING = (408, 425, 429, 500, 502, 503, 504)
_NETWORK_FAULTS = (
    urllib.error.URLError,
    http.client.HTTPException,
    ssl.SSLError,
    ConnectionError,
    TimeoutError,
)
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class _Interrupted(Exception):
    """The transfer stopped early for a reason that may be temporary."""


def fetch(url: str, checksum: str | None, target: Path) -> None:
    """Download `url` to `target` and verify `checksum`, "md5:..." or "sha256:..."; a matching file is kept.

    Without a `checksum`, any file is accepted and the log warns of it. An interrupted download continues from
    `target`.part, also in a later call. Raises InputError if the address is not https, the server refuses, the
    checksum is wrong (then no file is left) or the disk is full.
    """
    import pooch

    _check_address(url)
    if checksum is None:
        _LOG.warning("%s: its checksum is not known; what arrives cannot be verified", url)
    target.parent.mkdir(parents=True, exist_ok=True)
    pooch.get_logger().setLevel("WARNING")
    try:
        downloader = ResumingDownloader(target)
        pooch.retrieve(url, checksum, target.name, target.parent, downloader=downloader)
    except ValueError as error:
        reason = str(error).split(". Deleted")[0]
        assert checksum is not None
        raise InputError(f"{url}: {checksum_mismatch(checksum)}; nothing was kept ({reason})") from error


def checksum_mismatch(checksum: str) -> str:
    """Error text for a file that does not have `checksum`."""
    return f"the file does not have the expected checksum {checksum}"


class ResumingDownloader:
    """A pooch downloader that keeps partial data in `target`.part and asks the server only for the rest."""

    def __init__(self, target: Path) -> None:
        self.part = target.with_name(f"{target.name}.part")

    def __call__(self, url: str, output_file: str, pooch: Any) -> None:
        """Download `url` to `output_file`. Raises InputError after the last attempt or if the server refuses."""
        for attempt in range(_ATTEMPTS):
            try:
                self._receive(url)
                shutil.move(self.part, output_file)
                return
            except _Interrupted as error:
                if attempt == _ATTEMPTS - 1:
                    reason = f"gave up after {_ATTEMPTS} attempts ({error}); run it again to go on"
                    raise InputError(f"{url}: {reason}") from error
                pause = _FIRST_PAUSE * 2**attempt
                _LOG.warning("%s: %s; trying again in %.0f s", url, error, pause)
                time.sleep(pause)

    def _receive(self, url: str) -> None:
        present = self.part.stat().st_size if self.part.is_file() else 0
        try:
            with _request(url, present) as response:
                resumed = response.status == 206
                total = _total(response, present if resumed else 0)
                self._write(response, present if resumed else 0, total)
        except urllib.error.HTTPError as error:
            self._judge(error, url, present)
        except _NETWORK_FAULTS as error:
            raise _Interrupted(f"{type(error).__name__}: {getattr(error, 'reason', error)}") from error

    def _write(self, response: IO[bytes], start: int, total: int | None) -> None:
        bar = tqdm(total=total, initial=start, unit="B", unit_scale=True, desc=self.part.stem)
        with self.part.open("r+b" if start else "wb") as stream, bar:
            stream.seek(start)
            try:
                while block := response.read(_BLOCK):
                    stream.write(block)
                    bar.update(len(block))
            except OSError as error:
                if error.errno in _NO_ROOM:
                    raise self._no_room(total) from error
                raise
            size = stream.tell()
        if total is not None and size < total:
            raise _Interrupted(f"connection closed after {size} of {total} bytes")

    def _no_room(self, total: int | None) -> InputError:
        needed = f"{total / 1e6:.0f} MB" if total else "an unknown size"
        return InputError(f"{self.part}: no room left on the disk; expected room for {needed}")

    def _judge(self, error: urllib.error.HTTPError, url: str, present: int) -> None:
        if error.code == 416 and present:
            if error.headers.get("Content-Range", "").strip() == f"bytes */{present}":
                return
            self.part.unlink()
            raise _Interrupted("the partial download does not fit the server's file; beginning anew") from error
        if error.code in _WORTH_RETRYING:
            raise _Interrupted(f"server error {error.code}") from error
        raise InputError(f"{url}: the server answered {error.code} {error.reason}; expected the file") from error


def _check_address(url: str) -> None:
    parts = urllib.parse.urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        raise InputError(f"{url}: not an https address; expected https://...")


class _SafeRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        _check_address(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _request(url: str, start: int) -> Any:
    headers = {"User-Agent": "textscf", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    opener = urllib.request.build_opener(_SafeRedirects)
    return opener.open(urllib.request.Request(url, headers=headers), timeout=_TIMEOUT)


def _total(response: Any, start: int) -> int | None:
    length = response.headers.get("Content-Length")
    return start + int(length) if length and length.isdigit() else None
