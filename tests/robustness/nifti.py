"""Faults of NIfTI files that must be refused: in the compressed stream, in the header and in the voxels."""

import gzip
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import nibabel as nib
import numpy as np

from tests.robustness.case import Damage

_BOMB_MEMBERS = 256  # of 16 MiB


class Bad(NamedTuple):
    """A fault of a NIfTI file: name, function that makes it, and regular expression for the reason in the error."""

    name: str
    damage: Damage
    reason: str


def stream_faults() -> list[Bad]:
    """Compressed files that are incomplete or corrupt, contents that are not NIfTI, and missing files."""
    return [
        Bad("gzip stream cut in the middle", _cut, "truncated|ended before"),
        Bad("bit flip in the gzip stream", _flip, "cannot be read"),
        Bad("last byte missing", lambda path: put(path, path.read_bytes()[:-1]), "ended before|truncated"),
        Bad("checksum of the gzip stream wrong", _break_checksum, "CRC"),
        Bad("garbage after the gzip stream", lambda path: put(path, path.read_bytes() + b"garbage"), "gzip"),
        Bad("4 GiB of zeros after the voxels", _bomb, "goes on after"),
        Bad("empty file", lambda path: put(path, b""), "cannot be read"),
        Bad("compressed text", lambda path: put(path, gzip.compress(b"hello" * 1000)), "cannot be read"),
        Bad("a folder", _folder, "no such file"),
        Bad("missing", lambda path: path.unlink(), "no such file"),
        Bad("a link to itself", lambda path: link(path, path.name), "no such file"),
    ]


def header_faults() -> list[Bad]:
    """Headers with one changed field; the compressed stream is intact."""
    dims = "<8h"
    shapes: list[tuple[str, tuple[int, ...], str]] = [
        ("4-D", (4, 30, 30, 10, 2, 1, 1, 1), "4 dimensions"),
        ("9 dimensions", (9, 30, 30, 30, 1, 1, 1, 1), "cannot be read|dimension"),
        ("an edge of -5", (3, -5, 30, 30, 1, 1, 1, 1), "not possible|cannot be read"),
        ("32767 x 32767 x 32767 voxels", (3, 32767, 32767, 32767, 1, 1, 1, 1), "not possible"),
        ("more voxels than there are", (3, 100, 100, 100, 1, 1, 1, 1), "cannot be read"),
        ("fewer voxels than there are", (3, 3, 3, 3, 1, 1, 1, 1), "goes on after|grid|shape"),
    ]
    types = {"complex64": 32, "RGB": 128, "unknown": 999}
    return [
        *(Bad(name, field(40, dims, *values), reason) for name, values, reason in shapes),
        *(Bad(f"voxel type {name}", field(70, "<h", code), "voxel type|cannot be read") for name, code in types.items()),
        *(
            Bad(f"spacing {value:g} without an sform", _spacing(value), "spacing")
            for value in (0.0, float("nan"), 1e30)
        ),
        Bad("offset of the voxels beyond the file", field(108, "<f", 1e9), "cannot be read"),
        Bad("offset of the voxels inside the header", field(108, "<f", 16.0), "cannot be read"),
        Bad("intercept NaN", field(112, "<ff", 1.0, float("nan")), "intercept|NaN|integers|cannot be read"),
        Bad("magic number wrong", field(344, "4s", b"abc\0"), "cannot be read"),
        Bad("affine NaN", _affine(np.full((3, 4), np.nan)), "affine"),
        Bad("affine with two equal axes", _affine(np.array([[1, 1, 0, 0], [0, 0, 0, 0], [0, 0, 1, 0]])), "affine"),
        Bad("affine with voxels of 1e20 mm", _affine(np.eye(3, 4) * 1e20), "spacing|affine"),
    ]  # fmt: skip


def image_faults() -> list[Bad]:
    """Voxels that are not a valid image."""
    return [
        Bad("one voxel NaN", voxels(lambda v: _with(v.astype("f4"), np.nan)), "1 voxels are NaN"),
        Bad("one voxel beyond float32", voxels(lambda v: _with(v.astype("f8"), 1e300)), "1 voxels are NaN or infinite"),
        Bad("all voxels 0", voxels(np.zeros_like), "constant"),
        Bad("complex voxels", voxels(lambda v: v.astype("c8")), "voxel type complex64"),
        Bad("a time series", voxels(lambda v: np.stack([v, v], axis=-1)), "4 dimensions"),
    ]


def label_faults() -> list[Bad]:
    """Voxels that are not a valid label map of the anatomy."""
    return [
        Bad("no label", voxels(np.zeros_like), "no voxel is labelled"),
        Bad("an unknown label", voxels(lambda v: _with(v, 7)), "labels 7 are not in the anatomy"),
        Bad("a label beyond a byte", voxels(lambda v: _with(v.astype("i2"), 258)), "labels 258 are not"),
        Bad("a negative label", voxels(lambda v: _with(v.astype("i2"), -1)), "labels range"),
        Bad("half a label", voxels(lambda v: _with(v.astype("f4"), 0.5)), "not integers"),
        Bad("a label map for each structure", voxels(lambda v: np.stack([v == 1, v == 2], -1).astype("u1")), "4 dim"),
    ]


def put(path: Path, content: bytes) -> None:
    """Replace a file by one with this content."""
    path.unlink(missing_ok=True)
    path.write_bytes(content)


def link(path: Path, target: str) -> None:
    """Replace a file by a symbolic link."""
    path.unlink()
    path.symlink_to(target)


def field(offset: int, layout: str, *values: Any) -> Damage:
    """Change a field of the header."""

    def damage(path: Path) -> None:
        content = bytearray(gzip.decompress(path.read_bytes()))
        struct.pack_into(layout, content, offset, *values)
        put(path, gzip.compress(bytes(content), 1))

    return damage


def voxels(change: Callable[[np.ndarray], np.ndarray]) -> Damage:
    """Change the voxels and keep the affine."""

    def damage(path: Path) -> None:
        image: Any = nib.load(path)
        changed = nib.Nifti1Image(change(np.asanyarray(image.dataobj)), image.affine)
        put(path, gzip.compress(changed.to_bytes(), 1))

    return damage


def _with(volume: np.ndarray, value: float) -> np.ndarray:
    volume[3, 4, 5] = value
    return volume


def _affine(rows: np.ndarray) -> Damage:
    def damage(path: Path) -> None:
        field(280, "<12f", *rows.ravel())(path)
        field(252, "<2h", 0, 2)(path)

    return damage


def _spacing(value: float) -> Damage:
    def damage(path: Path) -> None:
        field(80, "<f", value)(path)
        field(252, "<2h", 1, 0)(path)

    return damage


def _cut(path: Path) -> None:
    content = path.read_bytes()
    put(path, content[: len(content) // 2])


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 16
    put(path, bytes(content))


def _break_checksum(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-8] ^= 1
    put(path, bytes(content))


def _bomb(path: Path) -> None:
    """Append 4 GiB of zeros to the file's stream, compressed to about 4 MB."""
    compressor = zlib.compressobj(9, wbits=31)
    member = compressor.compress(bytes(2**24)) + compressor.flush()
    put(path, path.read_bytes() + member * _BOMB_MEMBERS)


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()
