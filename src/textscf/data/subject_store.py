"""The store of finished subjects: which files a subject has, and from which inputs and by which code they were made."""

import ast
import functools
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from textscf.errors import InputError
from textscf.files.io import read_json, sha256_of, write_json

RECORDS = ".subjects"
"""Folder of the records, beside `images` and `labels`."""


@dataclass(frozen=True)
class StoredSubject:
    """An image of a subject, its label map and landmarks if it has them, and a record that is written after these.

    Attributes:
        folder: of the cohort.
        subject: id.
        has_labels, has_landmarks: whether the subject has a label map and landmarks.
    """

    folder: Path
    subject: str
    has_labels: bool = True
    has_landmarks: bool = False

    @property
    def image(self) -> Path:
        """The image file."""
        return self.folder / f"images/{self.subject}.nii.gz"

    @property
    def labels(self) -> Path:
        """The label map."""
        return self.folder / f"labels/{self.subject}.nii.gz"

    @property
    def landmarks(self) -> Path:
        """The landmarks."""
        return self.folder / f"landmarks/{self.subject}.csv"

    @property
    def paths(self) -> list[Path]:
        """All files of the subject but the record."""
        labels, landmarks = [self.labels] * self.has_labels, [self.landmarks] * self.has_landmarks
        return [self.image, *labels, *landmarks]

    @property
    def record(self) -> Path:
        """The record."""
        return self.folder / RECORDS / f"{self.subject}.json"

    def is_complete(self, inputs: str) -> bool:
        """Whether all files are as they were made, from inputs with this digest (see `digest`)."""
        if not all(path.is_file() for path in (*self.paths, self.record)):
            return False
        try:
            found = read_json(self.record)
            return isinstance(found, dict) and found == found | self._content(inputs)
        except InputError:
            return False

    def begin(self) -> None:
        """Delete the subject's record, because its files are about to be written."""
        self.record.unlink(missing_ok=True)

    def complete(self, inputs: str, **more: Any) -> None:
        """Record the files that were written from inputs with this digest, and anything `more` about them."""
        write_json(self.record, self._content(inputs) | more)

    def files(self) -> dict[str, str]:
        """SHA-256 of the files by their names below `folder`, from the record."""
        found: dict[str, str] = read_json(self.record)["files"]
        return found

    def _content(self, inputs: str) -> dict[str, Any]:
        names = (path.relative_to(self.folder).as_posix() for path in self.paths)
        return {"inputs": inputs, "files": {name: sha256_of(self.folder / name) for name in names}}


def digest(settings: Iterable[str], files: Iterable[Path], code: Sequence[Path]) -> str:
    """SHA-256 over settings, the content of files, and source files, whose comments and docstrings do not count."""
    parts = [*settings, *map(sha256_of, files), *map(_code_digest, code)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


@functools.cache
def _code_digest(path: Path) -> str:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = [part for part in node.body if not _is_text(part)]
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
