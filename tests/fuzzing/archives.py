"""Tar and zip archives of a data set."""

import gzip
import io
import lzma
import tarfile
import zipfile
from pathlib import Path

from tests.fuzzing.target import Target
from textscf.data.archive import unpack

_FILES = {"top/images/1.nii": b"one" * 20, "top/labels/1.nii": b"two" * 20}


def _read(path: Path) -> None:
    """Unpack, and look whether anything was written outside of the target."""
    try:
        unpack(path, "top", path.parent / "out")
    finally:
        assert {found.name for found in path.parent.iterdir()} <= {path.name, "out"}


def _tar(form: int) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=form) as archive:
        for name, content in _FILES.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return stream.getvalue()[:4096]


def _zip(compression: int) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as archive:
        for name, content in _FILES.items():
            archive.writestr(name, content)
    return stream.getvalue()


TARGET = Target(
    "data.archive",
    _read,
    (
        *(b"\0" + _tar(form) for form in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)),
        b"\1" + _tar(tarfile.GNU_FORMAT),
        b"\2" + _tar(tarfile.USTAR_FORMAT),
        *(b"\0" + _zip(kind) for kind in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)),
    ),
    (bytes, lambda content: gzip.compress(content, 1, mtime=0), lzma.compress),
    8192,
)
