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
from pathlib import Path, PurePosixPath

from textscf.errors import InputError

_LOG = logging.getLogger(__name__)
_MAX_EXPANSION = 100  # times the archive's own size; NIfTI scans compress at most about twentyfold
_ALWAYS_ALLOWED = 2**28  # bytes, so that small archives of empty scans pass
_MAX_MEMBERS = 10**5
_LONGEST_HEADER = 2**20  # bytes of a member's extended header, which tarfile reads at once
_EXTENDED = (
    *(tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE),
    *(tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK),
)
_BROKEN = (
    *(tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error),
    *(EOFError, LookupError, NotImplementedError, RuntimeError, ValueError),
)


class _Member(tarfile.TarInfo):
    """Member of a tar archive; refuses extended headers that would fill the memory."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> "_Member":
        member = super().frombuf(buf, encoding, errors)
        if member.type in _EXTENDED and member.size > _LONGEST_HEADER:
            raise tarfile.ReadError(f"extended header of {member.size} bytes")
        return member


def unpack(archive: Path, top_folder: str, target: Path) -> None:
    """Unpack the files under `top_folder` in `archive` to `target`, replacing its content.

    Every member is checked before the first is written. Paths must be relative without "..", members must be plain
    files or folders, at most 100,000, and the total size must suit the archive's size and the free space. The archive
    is unpacked to a folder beside `target`, whose `top_folder` becomes `target` at the end. Raises InputError that
    names the archive, the member and the problem.
    """
    staging = target.with_name(f".{target.name}.unpacking")
    shutil.rmtree(staging, ignore_errors=True)
    try:
        with _opened(archive) as opened:
            n_bytes = _check(archive, opened)
            _check_room(archive, n_bytes, target.parent)
            _LOG.info("unpacking %s: %.1f MB", archive, n_bytes / 1e6)
            opened.extractall(staging)
        top = staging / top_folder
        if not top.is_dir():
            raise InputError(f"{archive}: has no files under '{top_folder}/'; expected the data set's own archive")
        remove(target)
        top.rename(target)
    except _BROKEN as error:
        raise _broken(archive, error) from error
    except OSError as error:
        if error.errno is None:
            raise _broken(archive, error) from error
        raise InputError(f"{archive}: cannot be unpacked to {target} ({error.strerror})") from error
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
    with zipfile.ZipFile(archive) if is_zip else tarfile.open(archive, tarinfo=_Member) as opened:
        if isinstance(opened, tarfile.TarFile):
            # Python before 3.11.4 has no filters.
            opened.extraction_filter = getattr(tarfile, "data_filter", opened.extraction_filter)
        yield opened


def _check(archive: Path, opened: tarfile.TarFile | zipfile.ZipFile) -> int:
    """Check all members, also those that the filter of `tarfile` would change or let pass; return their total size."""
    allowed, n_bytes = max(_ALWAYS_ALLOWED, _MAX_EXPANSION * archive.stat().st_size), 0
    for number, (name, size, plain) in enumerate(_members(opened), 1):
        if number > _MAX_MEMBERS:
            raise InputError(f"{archive}: has more than {_MAX_MEMBERS} members; nothing was unpacked")
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or "\\" in name:
            raise InputError(f"{archive}: member {name!r} would leave the folder; nothing was unpacked")
        if not plain:
            raise InputError(f"{archive}: member {name!r} is a link or special file; nothing was unpacked")
        n_bytes += size
        if n_bytes > allowed:
            raise InputError(
                f"{archive}: unpacks to more than {n_bytes / 1e6:.0f} MB; "
                f"expected at most {allowed / 1e6:.0f} MB; nothing was unpacked"
            )
    return n_bytes


def _members(opened: tarfile.TarFile | zipfile.ZipFile) -> Iterator[tuple[str, int, bool]]:
    """Name and size of each member, and whether it is a plain file or folder."""
    if isinstance(opened, tarfile.TarFile):
        for entry in opened:
            yield entry.name, entry.size, entry.isreg() or entry.isdir()
    else:
        for info in opened.infolist():
            kind = stat.S_IFMT(info.external_attr >> 16)
            yield info.filename, info.file_size, info.is_dir() or kind in (0, stat.S_IFREG)


def _check_room(archive: Path, n_bytes: int, folder: Path) -> None:
    free = shutil.disk_usage(folder).free
    if n_bytes > free:
        raise InputError(f"{folder}: {free / 1e6:.0f} MB free; expected {n_bytes / 1e6:.0f} MB for {archive}")
