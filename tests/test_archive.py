"""Good archives are unpacked, bad ones are refused."""

import errno
import io
import random
import shutil
import tarfile
import zipfile
from collections import namedtuple
from pathlib import Path

import pytest

from textscf.data import archive as archive_module
from textscf.data.archive import remove, unpack
from textscf.errors import InputError

FILES = {
    "Data/images/a.nii.gz": b"image" * 1000,
    "Data/labels/a.nii.gz": b"label",
    "Data/dataset.json": b"{}",
}


def write_tar(path: Path, files: dict[str, bytes], mode: str = "w", extra: tarfile.TarInfo | None = None) -> Path:
    """A tar file of `files`, and of one more member without content."""
    with tarfile.open(path, mode) as opened:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            opened.addfile(member, io.BytesIO(content))
        if extra is not None:
            opened.addfile(extra)
    return path


def write_zip(path: Path, files: dict[str, bytes]) -> Path:
    """A zip file of `files`."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as opened:
        opened.mkdir("Data")
        for name, content in files.items():
            opened.writestr(name, content)
    return path


def member(name: str, kind: bytes, link: str = "") -> tarfile.TarInfo:
    """A tar member of another type than a file."""
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = kind, link
    return entry


def assert_refused(archive: Path, reason: str) -> None:
    """Unpacking fails with one line that names archive and reason, and leaves nothing behind."""
    before = sorted(archive.parent.iterdir())
    with pytest.raises(InputError, match=reason) as caught:
        unpack(archive, "Data", archive.parent / "source")
    assert str(archive) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert sorted(archive.parent.iterdir()) == before


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_tar_unpacks_below_its_top_folder(tmp_path: Path, mode: str) -> None:
    archive = write_tar(tmp_path / "data.tar", FILES | {"README": b"left out"}, mode)
    unpack(archive, "Data", tmp_path / "source")
    found = {f"Data/{p.relative_to(tmp_path / 'source')}": p.read_bytes() for p in tmp_path.glob("source/**/*.*")}
    assert found == FILES
    assert sorted(p.name for p in tmp_path.iterdir()) == ["data.tar", "source"]


def test_names_may_begin_with_a_dot_folder(tmp_path: Path) -> None:
    archive = write_tar(tmp_path / "data.tar", {f"./{name}": content for name, content in FILES.items()})
    unpack(archive, "Data", tmp_path / "source")
    assert (tmp_path / "source/dataset.json").read_bytes() == b"{}"


def test_zip_unpacks_in_place_of_an_older_folder(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "old").touch()
    (tmp_path / ".source.unpacking").mkdir()
    unpack(write_zip(tmp_path / "data.zip", FILES), "Data", tmp_path / "source")
    assert sorted(p.name for p in (tmp_path / "source").iterdir()) == ["dataset.json", "images", "labels"]
    assert not (tmp_path / ".source.unpacking").exists()


def test_tar_that_ends_in_a_zip_is_a_tar(tmp_path: Path) -> None:
    inner = write_zip(tmp_path / "inner.zip", FILES).read_bytes()
    archive = write_tar(tmp_path / "data.tar", {"Data/inner.zip": inner})
    unpack(archive, "Data", tmp_path / "source")
    assert (tmp_path / "source/inner.zip").read_bytes() == inner


@pytest.mark.parametrize("name", ["../evil", "Data/../../evil", "/tmp/evil", "Data\\..\\..\\evil"])
@pytest.mark.parametrize("write", [write_tar, write_zip])
def test_member_that_climbs_out_is_refused(tmp_path: Path, name: str, write: object) -> None:
    assert callable(write)
    assert_refused(write(tmp_path / "data.archive", FILES | {name: b"evil"}), "would leave the folder")


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
@pytest.mark.parametrize("link", ["/etc/passwd", "Data/dataset.json"])
def test_links_and_devices_are_refused(tmp_path: Path, kind: bytes, link: str) -> None:
    entry = member("Data/images/b.nii.gz", kind, link)
    assert_refused(write_tar(tmp_path / "data.tar", FILES, extra=entry), "is a link or special file")


def test_link_in_a_zip_is_refused(tmp_path: Path) -> None:
    archive = write_zip(tmp_path / "data.zip", FILES)
    info = zipfile.ZipInfo("Data/link")
    info.external_attr = 0o120777 << 16
    with zipfile.ZipFile(archive, "a") as opened:
        opened.writestr(info, "/etc/passwd")
    assert_refused(archive, "is a link or special file")


def test_bomb_is_refused_before_unpacking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive_module, "_ALWAYS_ALLOWED", 0)
    assert_refused(write_zip(tmp_path / "data.zip", {"Data/zeros": bytes(2**22)}), "unpacks to more than")
    assert_refused(write_tar(tmp_path / "data.tgz", {"Data/zeros": bytes(2**22)}, "w:gz"), "unpacks to more than")


def test_absurd_member_size_is_refused_without_reading_it(tmp_path: Path) -> None:
    entry = tarfile.TarInfo("Data/huge")
    entry.size = 2**50
    (tmp_path / "data.tar").write_bytes(entry.tobuf() + bytes(1024))
    assert_refused(tmp_path / "data.tar", "unpacks to more than")


@pytest.mark.parametrize("kept", [0, 3, 700, 9000])
@pytest.mark.parametrize("mode", ["w", "w:gz", "w:xz", "zip"])
def test_truncated_archive_is_refused(tmp_path: Path, kept: int, mode: str) -> None:
    noise = {"Data/noise": random.Random(0).randbytes(20_000)}
    archive = tmp_path / "data.archive"
    whole = write_zip(archive, noise) if mode == "zip" else write_tar(archive, noise, mode)
    assert whole.stat().st_size > 2 * kept
    archive.write_bytes(whole.read_bytes()[:kept])
    assert_refused(archive, "cannot be unpacked")


def test_corrupt_stream_is_refused(tmp_path: Path) -> None:
    archive = write_zip(tmp_path / "data.zip", FILES)
    content = bytearray(archive.read_bytes())
    place = content.index(b"a.nii.gz") + 12
    content[place : place + 4] = b"\xff\xff\xff\xff"
    archive.write_bytes(content)
    assert_refused(archive, "cannot be unpacked")


def test_archive_of_other_data_is_refused(tmp_path: Path) -> None:
    assert_refused(write_tar(tmp_path / "data.tar", {"Other/a": b"a"}), "no files under 'Data/'")


def test_missing_archive_is_named(tmp_path: Path) -> None:
    assert_refused(tmp_path / "data.tar", "no such file")


def test_too_little_room_is_seen_before_unpacking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage(100))
    assert_refused(write_tar(tmp_path / "data.tar", FILES), "0 MB free; expected")


def test_disk_that_fills_up_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object, **options: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    archive = write_tar(tmp_path / "data.tar", FILES)
    monkeypatch.setattr(tarfile, "copyfileobj", fail)
    with pytest.raises(InputError, match=r"data\.tar: cannot be unpacked to .*source .No space left on device"):
        unpack(archive, "Data", tmp_path / "source")
    assert [p.name for p in tmp_path.iterdir()] == ["data.tar"]


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK])
def test_extended_header_that_would_fill_the_memory_is_refused(tmp_path: Path, kind: bytes) -> None:
    entry = member("././@LongLink", kind)
    entry.size = 2**40
    (tmp_path / "data.tar").write_bytes(entry.tobuf(tarfile.GNU_FORMAT) + bytes(2048))
    assert_refused(tmp_path / "data.tar", f"extended header of {2**40} bytes")


def test_too_many_members_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive_module, "_MAX_MEMBERS", 2)
    assert_refused(write_tar(tmp_path / "data.tar", FILES), "has more than 2 members")


def test_zip_member_without_a_name_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "data.zip"
    with zipfile.ZipFile(path, "w") as opened:
        opened.writestr("x", b"content")
    content = bytearray(path.read_bytes())
    lengths = content.index(b"PK\1\2") + 28
    content[lengths : lengths + 4] = 0, 0, 1, 0  # of the name and of the extra field, in the central directory
    path.write_bytes(content)
    assert_refused(path, "cannot be unpacked")


def test_remove_takes_the_link_and_not_its_target(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "folder")
    remove(tmp_path / "link")
    remove(tmp_path / "absent")
    assert [p.name for p in tmp_path.iterdir()] == ["folder"]
