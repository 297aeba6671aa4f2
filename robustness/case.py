"""One bad input, and the command that must refuse it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

Damage = Callable[[Path], object]


def at(file: str, damage: Damage) -> Damage:
    """`damage` of a file, as one of the workspace that has it."""
    return lambda place: damage(place / file)


@dataclass(frozen=True)
class Case:
    """A damaged workspace and a command.

    Attributes:
        kind: of input, a heading of the page.
        name: what is wrong with it.
        command: a script of `src/`, or `snakemake`, and its arguments; paths are relative to the workspace.
        damage: changes a copy of the workspace.
        file: what the error must name, usually a file.
        reason: a regular expression that the same line must match.
        allowed: files, or folders that end in a slash, that the command may write though it fails.
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
        """The script, or `snakemake`."""
        return self.command[0]


@dataclass(frozen=True)
class Outcome:
    """What a command did: exit code, wall time, peak memory, its error line, and what it should not have done."""

    case: Case
    code: int | None
    seconds: float
    mebibytes: float
    line: str
    problems: tuple[str, ...]
