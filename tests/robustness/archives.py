"""Cases with bad archives of a data set."""

import gzip
import io
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import yaml

from tests.robustness.case import Case
from tests.robustness.nifti import put
from tests.robustness.workspace import COHORT, scan
from textscf.files.io import read_yaml

_TOP = "Task04_Hippocampus"
_ARCHIVE = f"mirror/{_TOP}.tar"
_DOWNLOAD = (
    *("download.py", "--config", f"{COHORT}/config.yaml", "--data-root", "mirror"),
    *("--out", "new/source.json"),
)
_GOOD = f"{_TOP}/imagesTr/hippocampus_001.nii.gz"


def cases() -> Iterable[Case]:
    """Archives that would write outside their folder or fill the disk, broken archives, and unexpected archives."""
    for name in ("../evil", "/tmp/evil", f"{_TOP}\\..\\..\\evil"):
        for write in (_write_tar, _write_zip):
            kind = write.__name__.removeprefix("_write_")
            yield _case(f"{kind} with the member {name}", partial(_unusual, write=write, name=name), "would leave")
    kinds = {"symbolic link": tarfile.SYMTYPE, "hard link": tarfile.LNKTYPE, "pipe": tarfile.FIFOTYPE}
    for name, member_type in kinds.items():
        damage = partial(_unusual, write=_write_tar, name=f"{_TOP}/odd", member_type=member_type)
        yield _case(f"tar with a {name}", damage, "is a link or special file")
    for name, mode in {"link": stat.S_IFLNK, "device": stat.S_IFCHR}.items():
        yield _case(f"zip with a {name}", partial(_odd_zip, mode=mode), "is a link or special file")
    yield _case("tar member that claims a pebibyte", _claims_a_pebibyte, "unpacks to more than")
    yield _case("zip of a 4 GiB file of zeros", _zip_bomb, "unpacks to more than")
    yield _case("compressed tar of a 4 GiB file of zeros", _tar_bomb, "unpacks to more than")
    yield _case(
        "a folder of another data set", partial(_unusual, write=_write_tar, name="x", good=False), "no files under"
    )
    for write, share in ((_write_tar, 0.0), (_write_tar, 0.7), (_write_zip, 0.3)):
        kind = write.__name__.removeprefix("_write_")
        yield _case(f"{kind} cut after {share:.0%}", partial(_cut, write=write, share=share), "cannot be unpacked")
    for name, content in {
        "a scan": b"",
        "an HTML page": b"<!DOCTYPE html><html><body>404 Not Found</body></html>" * 20,
    }.items():
        yield _case(name, partial(_put_archive, content=content), "cannot be unpacked|no files under")
    yield _case("zip with a bit flip", _flipped_zip, "cannot be unpacked")
    yield _case("encrypted zip", _encrypted_zip, "cannot be unpacked")
    yield _case("another checksum", lambda place: _unusual(place, _write_tar, f"{_TOP}/x", checked=True), "checksum")
    yield Case("Archive", "missing, and no address", _DOWNLOAD, _no_address, _TOP, "has to be fetched by a person")
    for name, url in {
        "http": "http://example.org/a.tar",
        "file": "file:///etc/passwd",
    }.items():
        yield Case(
            "Archive", f"an address of {name}", _DOWNLOAD, partial(_address, url=url), url, "not an https address"
        )


def _case(name: str, damage: Callable[[Path], object], reason: str) -> Case:
    return Case("Archive", name, _DOWNLOAD, damage, _ARCHIVE, reason)


def _settings(place: Path, **release: object) -> None:
    path = place / COHORT / "config.yaml"
    settings = read_yaml(path)
    settings["source"]["releases"] = [settings["source"]["releases"][0] | {"checksum": None, **release}]
    put(path, yaml.safe_dump(settings).encode())
    (place / "mirror").mkdir(exist_ok=True)


def _member(name: str, member_type: bytes = tarfile.REGTYPE) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = (
        member_type,
        "/etc/passwd" if member_type in (tarfile.SYMTYPE, tarfile.LNKTYPE) else "",
    )
    return member


def _content(place: Path, good: bool) -> dict[str, bytes]:
    return {_GOOD if good else "Other/a.nii.gz": (place / scan(1)).read_bytes()}


def _write_tar(place: Path, extra: list[tarfile.TarInfo], good: bool = True) -> None:
    with tarfile.open(place / _ARCHIVE, "w") as archive:
        for name, content in _content(place, good).items():
            member = _member(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        for member in extra:
            archive.addfile(member)


def _write_zip(place: Path, extra: list[tarfile.TarInfo], good: bool = True) -> None:
    with zipfile.ZipFile(place / _ARCHIVE, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in _content(place, good).items():
            archive.writestr(name, content)
        for member in extra:
            archive.writestr(zipfile.ZipInfo(member.name), b"evil")


def _unusual(
    place: Path,
    write: Callable[..., None],
    name: str,
    member_type: bytes = tarfile.REGTYPE,
    good: bool = True,
    checked: bool = False,
) -> None:
    _settings(place, **({"checksum": f"md5:{'0' * 32}"} if checked else {}))
    write(place, [_member(name, member_type)], good)


def _odd_zip(place: Path, mode: int) -> None:
    _settings(place)
    _write_zip(place, [])
    info = zipfile.ZipInfo(f"{_TOP}/odd")
    info.external_attr = (mode | 0o777) << 16
    with zipfile.ZipFile(place / _ARCHIVE, "a") as archive:
        archive.writestr(info, "/etc/passwd")


def _claims_a_pebibyte(place: Path) -> None:
    _settings(place)
    member = _member(f"{_TOP}/huge")
    member.size = 2**50
    put(place / _ARCHIVE, member.tobuf() + bytes(1024))


def _zip_bomb(place: Path) -> None:
    _settings(place)
    with (
        zipfile.ZipFile(place / _ARCHIVE, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open(f"{_TOP}/zeros", "w", force_zip64=True) as member,
    ):
        for _ in range(64):
            member.write(bytes(2**23))


def _tar_bomb(place: Path) -> None:
    """Write a tar header followed by many identical gzip members."""
    _settings(place)
    member = _member(f"{_TOP}/zeros")
    member.size = 2**32
    block = gzip.compress(bytes(2**24), 9)
    put(place / _ARCHIVE, gzip.compress(member.tobuf()) + block * 256 + gzip.compress(bytes(1024)))


def _cut(place: Path, write: Callable[..., None], share: float) -> None:
    _settings(place)
    write(place, [])
    content = (place / _ARCHIVE).read_bytes()
    put(place / _ARCHIVE, content[: int(share * len(content))])


def _put_archive(place: Path, content: bytes) -> None:
    _settings(place)
    put(place / _ARCHIVE, content or (place / scan(1)).read_bytes())


def _flipped_zip(place: Path) -> None:
    _settings(place)
    _write_zip(place, [])
    content = bytearray((place / _ARCHIVE).read_bytes())
    content[len(content) // 2] ^= 8
    put(place / _ARCHIVE, bytes(content))


def _encrypted_zip(place: Path) -> None:
    _settings(place)
    _write_zip(place, [])
    content = bytearray((place / _ARCHIVE).read_bytes())
    content[6] |= 1
    content[content.index(b"PK\1\2") + 8] |= 1
    put(place / _ARCHIVE, bytes(content))


def _no_address(place: Path) -> None:
    _settings(place, url=None, instructions="Ask for it.")


def _address(place: Path, url: str) -> None:
    _settings(place, url=url)
