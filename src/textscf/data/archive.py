"""Unpacks tar and zip archives after checking all their members."""

import logging
import lzma
import shutil
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from textscf.errors import InputError

_LOG = logging.getLogger(__name__)
_MAX_MEMBERS = 1_000_000
_MAX_EXPANSION = 100  # times the archive's own size; NIfTI scans compress at most about twentyfold
_ALWAYS_ALLOWED = 2**28  # bytes, so that small archives of empty scans pass
_BROKEN = (
    *(tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error),
    *(EOFError, NotImplementedError, RuntimeError, ValueError),
)


@dataclass(frozen=True)
class _Member:
    name: str
    size: int
    kind: str  # file, folder, link or special file
    handle: tarfile.TarInfo | zipfile.ZipInfo


def unpack(archive: Path, top_folder: str, target: Path) -> None:
    """Unpack the files under `top_folder` in `archive` to `target`, replacing its content.

    Every member is checked before the first is written. Paths must be relative without "..", members must be plain
    files or folders, and the total size must suit the archive's size and the free space. The files are written to a
    folder beside `target`, which is renamed to `target` at the end. Raises InputError that names the archive, the
    member and the problem.
    """
    staging = target.with_name(f".{target.name}.unpacking")
    shutil.rmtree(staging, ignore_errors=True)
    try:
        with _opened(archive) as opened:
            n_files, n_bytes = _check(archive, opened)
            _check_room(archive, n_bytes, target.parent)
            _LOG.info("unpacking %s: %d files, %.1f MB", archive, n_files, n_bytes / 1e6)
            _extract(opened, top_folder, staging)
        if not staging.is_dir():
            raise InputError(f"{archive}: has no files under '{top_folder}/'; expected the data set's own archive")
        remove(target)
        staging.rename(target)
    except _BROKEN as error:
        raise _broken(archive, error) from error
    except OSError as error:
        if error.errno is None:
            raise _broken(archive, error) from error
        raise InputError(f"{target}: cannot be unpacked there ({error.strerror})") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def remove(path: Path) -> None:
    """Remove a file, a link or a folder with its content, if it exists."""
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.is_dir():
        shutil.rmtree(path)


def _broken(archive: Path, error: Exception) -> InputError:
    reason = " ".join(str(error).split()) or type(error).__name__
    return InputError(f"{archive}: cannot be unpacked ({reason}); expected a whole tar or zip file")


@contextmanager
def _opened(archive: Path) -> Iterator[tarfile.TarFile | zipfile.ZipFile]:
    if not archive.is_file():
        raise InputError(f"{archive}: no such file; expected a tar or zip archive")
    with archive.open("rb") as stream:
        is_zip = stream.read(2) == b"PK"
    with zipfile.ZipFile(archive) if is_zip else tarfile.open(archive) as opened:
        yield opened


def _members(opened: tarfile.TarFile | zipfile.ZipFile) -> Iterator[_Member]:
    if isinstance(opened, tarfile.TarFile):
        for entry in opened:
            yield _Member(entry.name, entry.size, _tar_kind(entry), entry)
    else:
        for info in opened.infolist():
            yield _Member(info.filename, info.file_size, _zip_kind(info), info)


def _tar_kind(entry: tarfile.TarInfo) -> str:
    if entry.isdir():
        return "folder"
    if entry.issym() or entry.islnk():
        return "link"
    return "file" if entry.isreg() else "special file"


def _zip_kind(info: zipfile.ZipInfo) -> str:
    if info.is_dir():
        return "folder"
    file_type = stat.S_IFMT(info.external_attr >> 16)
    if file_type == stat.S_IFLNK:
        return "link"
    return "file" if file_type in (0, stat.S_IFREG) else "special file"


def _check(archive: Path, opened: tarfile.TarFile | zipfile.ZipFile) -> tuple[int, int]:
    allowed = max(_ALWAYS_ALLOWED, _MAX_EXPANSION * archive.stat().st_size)
    n_files, n_bytes = 0, 0
    for member in _members(opened):
        path = PurePosixPath(member.name)
        if path.is_absolute() or ".." in path.parts or "\\" in member.name:
            raise InputError(f"{archive}: member {member.name!r} would leave the folder; nothing was unpacked")
        if member.kind not in ("file", "folder"):
            raise InputError(f"{archive}: member {member.name!r} is a {member.kind}; nothing was unpacked")
        n_files, n_bytes = n_files + 1, n_bytes + member.size
        if n_bytes > allowed or n_files > _MAX_MEMBERS:
            raise InputError(
                f"{archive}: unpacks to more than {n_files} files and {n_bytes / 1e6:.0f} MB; "
                f"expected at most {_MAX_MEMBERS} files and {allowed / 1e6:.0f} MB; nothing was unpacked"
            )
    return n_files, n_bytes


def _check_room(archive: Path, n_bytes: int, folder: Path) -> None:
    free = shutil.disk_usage(folder).free
    if n_bytes > free:
        raise InputError(f"{folder}: {free / 1e6:.0f} MB free; expected {n_bytes / 1e6:.0f} MB for {archive}")


def _extract(opened: tarfile.TarFile | zipfile.ZipFile, top_folder: str, staging: Path) -> None:
    top = PurePosixPath(top_folder)
    for member in _members(opened):
        path = PurePosixPath(member.name)
        if member.kind == "file" and path.is_relative_to(top) and path != top:
            target = staging / path.relative_to(top)
            target.parent.mkdir(parents=True, exist_ok=True)
            with _content(opened, member) as content, target.open("xb") as stream:
                shutil.copyfileobj(content, stream, 2**20)


def _content(opened: tarfile.TarFile | zipfile.ZipFile, member: _Member) -> IO[bytes]:
    if isinstance(opened, zipfile.ZipFile):
        assert isinstance(member.handle, zipfile.ZipInfo)
        return opened.open(member.handle)
    assert isinstance(member.handle, tarfile.TarInfo)
    content = opened.extractfile(member.handle)
    assert content is not None
    return content
