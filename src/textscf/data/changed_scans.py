"""Differences between the scans that a user keeps and those that a cohort was made from."""

from pathlib import Path
from typing import Any

from textscf.data.releases import is_simulated, landmark_files, local_source, source_files
from textscf.errors import InputError
from textscf.files.io import read_json


def changed_scans(config: dict[str, Any], source: Path, made: Path) -> list[Path]:
    """Files of a cohort's data set that are newer than what was made from them.

    Only files that a user keeps are looked at: those of a data set in `data_root`, to which `source` is a link.

    Args:
        config: the resolved cohort.
        source: folder of the data set as the download left it.
        made: file that the first stage after the download writes last.

    Returns:
        Paths, sorted; none if the stage has not run yet or the data set is no longer there.
    """
    if not (source.is_symlink() and source.is_dir() and made.is_file()):
        return []
    try:
        scans = source_files(config, source).values()
        landmarks = [] if is_simulated(config) else [each.path for each in landmark_files(config, source).values()]
    except InputError:
        return []
    paths = {path for pair in scans for path in pair if path is not None} | set(landmarks)
    limit = made.stat().st_mtime_ns
    return sorted(path for path in paths if path.is_file() and path.stat().st_mtime_ns > limit)


def other_source(config: dict[str, Any], record: Path, data_root: Path) -> tuple[str, str] | None:
    """Where a cohort's scans came from, and where `data_root` has others, which are not read; None if it has none.

    Args:
        config: the resolved cohort.
        record: `source.json` of the cohort's download; without a readable one, nothing was taken yet.
        data_root: a user's folder of data sets.
    """
    local = local_source(config["source"], data_root)
    try:
        taken = read_json(record)
        kind, location = taken["kind"], taken["location"]
    except (InputError, LookupError, TypeError):
        return None
    is_there = kind == "download" or Path(location).exists()
    return (location, local[2]) if local and is_there and location != local[2] else None
