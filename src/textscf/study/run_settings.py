"""Settings of a study's runs, with a clear error for a run that is not there."""

from collections.abc import Mapping
from typing import Any, NoReturn

from textscf.errors import InputError
from textscf.files.names import suggest


class Runs(dict[str, dict[str, Any]]):
    """Settings of the concrete runs of a study, one per seed, by id.

    Args:
        study: name of the study, for messages.
        runs: settings by id.
        groups: run name -> ids of its concrete runs.
    """

    def __init__(self, study: str, runs: Mapping[str, dict[str, Any]], groups: Mapping[str, list[str]]) -> None:
        super().__init__(runs)
        self._study, self._groups = study, groups

    def __missing__(self, run: str) -> NoReturn:
        """Raise InputError with the runs that the caller may have meant."""
        where = f"study {self._study}: there is no run '{run}'"
        if self._groups.get(run):
            raise InputError(f"{where}, but one for each seed: {', '.join(self._groups[run])}")
        if run in self._groups:
            raise InputError(f"{where}, as not_run or only_finished leaves it out")
        raise InputError(f"{where}{suggest(run, self)}")
