"""A bad input with the command that must refuse it, and the outcome."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

Damage = Callable[[Path], object]


def at(file: str, damage: Damage) -> Damage:
    """Turn a `damage` of a file into a `damage` of the workspace that contains the file."""
    return lambda place: damage(place / file)


@dataclass(frozen=True)
class Case:
    """A damaged workspace and a command.

    Attributes:
        kind: kind of input, a heading of the page.
        name: the fault of the input.
        command: a script of `src/`, or `snakemake`, and its arguments; paths are relative to the workspace.
        damage: function that damages a copy of the workspace.
        file: text that the error line must contain, usually a file name.
        reason: regular expression that the same line must match.
        allowed: files that the command may write although it fails; a folder ends with a slash.
    """

    kind: str
    name: str
    command: tuple[str, ...]
    damage: Damage
    file: str
    reason: str
    allowed: tuple[str, ...] = ()

    @property
    def entry(self) -> str:
        """Name of the script, or `snakemake`."""
        return self.command[0]


@dataclass(frozen=True)
class Outcome:
    """Result of a command: exit code (None if it did not end), wall time, peak memory, error line, and problems."""

    case: Case
    code: int | None
    seconds: float
    mebibytes: float
    line: str
    problems: tuple[str, ...]
