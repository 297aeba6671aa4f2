"""Methods from elsewhere: displacement fields in a folder, or a program that is run for each pair.

The page `docs/external.md` shows how to use it.
"""

import math
import shlex
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from textscf.data.cohort import Cohort
from textscf.errors import InputError
from textscf.registration.evaluation import PairRegistrar
from textscf.registration.field_file import Convention, FieldFile
from textscf.world.grid import Grid

_LONGEST_REASON = 300


def registrar(
    cohort: Cohort, convention: Convention, pattern: str, fields: str | None = None, command: str | None = None
) -> PairRegistrar:
    """Registrar of the fields in a folder, or of a program.

    Args:
        cohort: prepared cohort of the pairs.
        convention: meaning of the vectors, see `FieldFile`.
        pattern: name of a pair's file in `fields`, with `{fixed}` and `{moving}`.
        fields: folder.
        command: program with its arguments, see `ProgramRegistrar`.

    Raises:
        InputError: the file of a test pair is missing or lies on another grid; the program is not found.
    """
    if command is not None:
        return ProgramRegistrar(cohort, convention, command)
    return FieldRegistrar(cohort, convention, Path(str(fields)), pattern)


@dataclass(frozen=True)
class FieldRegistrar:
    """Reads the field of each pair from a folder. The attributes are the arguments of `registrar`."""

    cohort: Cohort
    convention: Convention
    folder: Path
    pattern: str
    in_workers: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not self.folder.is_dir():
            raise InputError(
                f"{self.folder}: no such folder; expected one with a displacement field for each test pair"
            )
        for fixed, moving in self.cohort.pairs["test"]:
            self._file(fixed, moving).check()

    def displacement(self, fixed: str, moving: str) -> tuple[NDArray[np.float32], float]:
        """Displacement field ``(H, W, D, 3)`` in voxels; its computing time is not known.

        InputError if the file cannot be used.
        """
        return self._file(fixed, moving).displacement(), math.nan

    def _file(self, fixed: str, moving: str) -> FieldFile:
        name = _filled(self.pattern, fixed=fixed, moving=moving)
        return FieldFile(self.folder / name, _grid(self.cohort), self.convention)


@dataclass(frozen=True)
class ProgramRegistrar:
    """Runs a program for each pair, one at a time, in a temporary folder with copies of the two scans.

    Attributes:
        cohort: prepared cohort of the pairs.
        convention: meaning of the vectors that the program writes.
        command: program and arguments, split as a shell does, but not run by one. `{fixed}`, `{moving}`, `{out}` and
            `{root}` stand for the files of the scans, the file to write and the current folder.
    """

    cohort: Cohort
    convention: Convention
    command: str
    in_workers: ClassVar[bool] = False

    def __post_init__(self) -> None:
        try:
            program = self._arguments(root=str(Path.cwd()))[0]
        except (ValueError, IndexError) as error:
            raise InputError(
                f"command '{self.command}': cannot be split into program and arguments ({error})"
            ) from error
        if shutil.which(program) is None:
            raise InputError(f"command '{self.command}': no program '{program}' is found; expected one on the PATH, or "
                             "its full path")  # fmt: skip

    def displacement(self, fixed: str, moving: str) -> tuple[NDArray[np.float32], float]:
        """Displacement field ``(H, W, D, 3)`` in voxels, and the time of the program in s.

        InputError if the program fails or what it writes cannot be used.
        """
        with tempfile.TemporaryDirectory(prefix="textscf-external-") as name:
            folder = Path(name)
            files = {key: str(folder / f"{key}.nii.gz") for key in ("fixed", "moving", "out")}
            for key, subject in (("fixed", fixed), ("moving", moving)):
                shutil.copyfile(self.cohort.image_path(subject), files[key])
            seconds = self._run(folder, files, f"fixed {fixed} and moving {moving}")
            try:
                field = FieldFile(Path(files["out"]), _grid(self.cohort), self.convention).displacement()
            except InputError as error:
                raise InputError(
                    f"pair of fixed {fixed} and moving {moving}: '{self.command}' wrote {error}"
                ) from error
        return field, seconds

    def _run(self, folder: Path, files: dict[str, str], pair: str) -> float:
        arguments = self._arguments(**files, root=str(Path.cwd()))
        started = time.perf_counter()
        try:
            done = subprocess.run(
                arguments, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
            )
        except OSError as error:
            raise InputError(f"pair of {pair}: '{self.command}' cannot be started ({error})") from error
        if done.returncode:
            said = " ".join(done.stdout.decode(errors="replace").split())[-_LONGEST_REASON:]
            raise InputError(
                f"pair of {pair}: '{self.command}' ended with status {done.returncode} ({said or 'no output'}); "
                "expected 0"
            )
        return time.perf_counter() - started

    def _arguments(self, **values: str) -> list[str]:
        return [_filled(part, **values) for part in shlex.split(self.command)]


def _filled(text: str, **values: str) -> str:
    """The text with `{name}` replaced by each value; other braces stay."""
    for name, value in values.items():
        text = text.replace(f"{{{name}}}", value)
    return text


def _grid(cohort: Cohort) -> Grid:
    return Grid(cohort.shape, cohort.affine)
