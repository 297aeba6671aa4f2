"""Reading of files with validation, and atomic writing."""

import contextlib
import functools
import gzip
import hashlib
import json
import os
import platform
import uuid
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from textscf.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


@dataclass(frozen=True)
class Volume:
    """A 3-D scan: `data` (H, W, D) in NIfTI axis order, `affine` (4, 4) voxel -> mm."""

    data: "np.ndarray"
    affine: "np.ndarray"

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Voxel edge lengths in mm."""
        import numpy as np

        return tuple(float(s) for s in np.linalg.norm(self.affine[:3, :3], axis=0))  # type: ignore[return-value]


def read_image(path: Path) -> Volume:
    """Read a scan as float32; InputError if it is unreadable, not 3-D, or has non-finite voxels."""
    import numpy as np

    data, affine = _read_nifti(path)
    with np.errstate(over="ignore"):
        data = data.astype(np.float32)
    bad = data.size - int(np.isfinite(data).sum())
    if bad:
        raise InputError(f"{path}: {bad} voxels are NaN or infinite; expected finite intensities")
    return Volume(data, affine)


def read_labels(path: Path) -> Volume:
    """Read a label map as int16; InputError if it is unreadable, not 3-D, or holds anything but small integers."""
    import numpy as np

    data, affine = _read_nifti(path)
    labels = np.rint(data)
    if not np.isfinite(data).all() or np.abs(data - labels).max(initial=0) > 1e-3:
        raise InputError(f"{path}: has voxels that are not integers; expected a label map")
    if labels.min(initial=0) < 0 or labels.max(initial=0) > np.iinfo(np.int16).max:
        found = f"{labels.min():.0f} to {labels.max():.0f}"
        raise InputError(f"{path}: labels range from {found}; expected 0 to {np.iinfo(np.int16).max}")
    return Volume(labels.astype(np.int16), affine)


def _read_nifti(path: Path) -> "tuple[np.ndarray, np.ndarray]":
    from textscf.files.nifti import UNREADABLE, read_volume

    if not path.is_file():
        raise InputError(f"{path}: no such file; expected a NIfTI image")
    try:
        return read_volume(path)[:2]
    except UNREADABLE as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{path}: cannot be read as NIfTI ({reason}); the file may be truncated") from error


def is_current(path: Path, sources: Iterable[Path]) -> bool:
    """Whether a file is there, and none of its `sources` is missing or newer; of a folder, its files count, too."""
    files = [file for source in sources for file in (source, *(source.iterdir() if source.is_dir() else ()))]
    return path.is_file() and all(file.exists() and file.stat().st_mtime <= path.stat().st_mtime for file in files)


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`, renamed to it on success and removed on any failure.

    A process that is killed leaves its temporary file behind; the next process on the same machine that writes to that
    folder removes it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_files_of_dead_processes(path.parent)
    temporary = path.with_name(f".{_machine()}-{os.getpid()}-{uuid.uuid4().hex[:8]}.{path.name}")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@functools.cache
def _machine() -> str:
    """A short name of this machine, for names of temporary files."""
    return hashlib.sha256(platform.node().encode()).hexdigest()[:8]


@functools.cache
def _remove_files_of_dead_processes(folder: Path) -> None:
    """Remove temporary files of killed processes of this machine from `folder`, once per process."""
    for path in folder.glob(f".{_machine()}-*-*.*"):
        if not _is_running(int(path.name.split("-")[1])):
            path.unlink(missing_ok=True)


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)  # signal 0 is not delivered
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's process has this number
        pass
    return True


def write_nifti(path: Path, data: "np.ndarray", affine: "np.ndarray") -> None:
    """Write `data` (H, W, D[, C]) with `affine`; the same data gives the same bytes."""
    import nibabel as nib

    with atomic_path(path) as temporary:
        content = nib.Nifti1Image(data, affine).to_bytes()
        temporary.write_bytes(gzip.compress(content, 1, mtime=0) if path.suffix == ".gz" else content)


def write_json(path: Path, content: Any) -> None:
    """Write `content` as indented JSON."""
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:
    """Read JSON; InputError if it is malformed, with the file and the line."""
    try:
        return json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise InputError(f"{path}: not valid JSON at line {error.lineno} ({error.msg})") from error
    except RecursionError as error:
        raise InputError(f"{path}: not valid JSON (nested too deep)") from error


_SafeLoader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml reads several times as fast
_DEEPEST_YAML = 100
_MOST_VALUES = 10**6


class _StrictLoader(_SafeLoader):
    """Safe YAML loader that refuses duplicate keys in a mapping."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.MarkedYAMLError(problem=f"key '{key}' is used twice", problem_mark=key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


def read_settings(path: Path, *keys: str) -> dict[str, Any]:
    """Read the YAML settings of a stage; InputError unless they are a mapping with `keys`."""
    content = read_yaml(path)
    missing = [key for key in keys if key not in content] if isinstance(content, dict) else []
    if missing or not isinstance(content, dict):
        found = f"key '{missing[0]}' is missing" if missing else f"holds {type(content).__name__}"
        raise InputError(f"{path}: {found}; expected settings with {', '.join(keys)}")
    return content


def read_yaml(path: Path) -> Any:
    """Read YAML; InputError for malformed text, a duplicate key, or too many or too deep values."""
    text = read_text(path)
    try:
        _check_size(text)
        return yaml.load(text, Loader=_StrictLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else "?"
        raise InputError(f"{path}: line {line}: {error.problem}") from error
    except (yaml.YAMLError, TypeError) as error:
        raise InputError(f"{path}: not valid YAML ({' '.join(str(error).split())})") from error
    except RecursionError as error:
        raise InputError(f"{path}: not valid YAML (nested too deep)") from error


def _check_size(text: str) -> None:
    """Raise an error for text that would crash libyaml or fill the memory.

    RecursionError for collections nested too deep or within themselves; YAMLError for aliases that stand for too many
    values, as when each of ten lists repeats the one before ten times.
    """
    n_values = 0
    opened: list[tuple[str | None, int]] = []
    sizes: dict[str | None, int] = {}
    for event in yaml.parse(text, Loader=_StrictLoader):
        if isinstance(event, yaml.CollectionEndEvent):
            anchor, start = opened.pop()
            sizes[anchor] = n_values - start
        elif isinstance(event, yaml.AliasEvent):
            if any(anchor == event.anchor for anchor, _ in opened):
                raise RecursionError
            n_values += sizes.get(event.anchor, 0)
        elif isinstance(event, yaml.NodeEvent):
            n_values += 1
            sizes[event.anchor] = 1
            if isinstance(event, yaml.CollectionStartEvent):
                opened.append((event.anchor, n_values - 1))
        if len(opened) > _DEEPEST_YAML:
            raise RecursionError
        if n_values > _MOST_VALUES:
            raise yaml.YAMLError(f"more than {_MOST_VALUES} values, with what aliases stand for")


def write_yaml(path: Path, content: Any) -> None:
    """Write `content` as YAML with its keys in the given order."""
    with atomic_path(path) as temporary:
        temporary.write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=110), encoding="utf-8")


def read_text(path: Path) -> str:
    """Read a text file; InputError if it is missing or not UTF-8."""
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text ({error.reason} at byte {error.start})") from error


def write_csv(path: Path, frame: "pd.DataFrame") -> None:
    """Write `frame` as CSV without its index."""
    with atomic_path(path) as temporary:
        frame.to_csv(temporary, index=False)


def sha256_of(path: Path) -> str:
    """Hexadecimal SHA-256 of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
