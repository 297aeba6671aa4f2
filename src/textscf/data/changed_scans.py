"""Stored scans that changed after a cohort was made from them."""

from pathlib import Path
from typing import Any

from textscf.data.releases import is_simulated, landmark_files, source_files
from textscf.errors import InputError


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
