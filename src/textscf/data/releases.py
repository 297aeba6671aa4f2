"""Releases of a data set: finds the release that a folder holds, and the files of each subject."""

import re
from pathlib import Path
from typing import Any

from textscf.data.cohort import expand_entry, subject_numbers
from textscf.data.recipe import Recipe
from textscf.errors import InputError

Files = dict[str, tuple[Path, Path]]
"""Image and label map of each subject."""


def release_in(config: dict[str, Any], folder: Path) -> dict[str, Any]:
    """First release of an archive cohort's data set with label maps in `folder`; the first of all if none has any."""
    releases: list[dict[str, Any]] = config["source"]["releases"]
    anywhere = [(release, re.sub(r"\{[^}]*\}", "*", release["labels"])) for release in releases]
    return next((release for release, pattern in anywhere if any(folder.glob(pattern))), releases[0])


def source_files(config: dict[str, Any], folder: Path) -> Files:
    """Paths of a cohort's scans in the `folder` of its data set. Does not check that the files exist.

    Patterns hold `{number}`, with a format, or `*`. With `*`, subject n is the n-th file by name; raises InputError if
    the number of files is not the release's `count`.
    """
    release, numbers = release_in(config, folder), subject_numbers(config)
    images, labels = (_files(config, release, kind, folder, list(numbers.values())) for kind in ("images", "labels"))
    return dict(zip(numbers, zip(images, labels, strict=True), strict=True))


def stored_files(config: dict[str, Any], raw: Path) -> Files:
    """Image and label map of each subject as downloaded or simulated, under `raw`."""
    if _simulated(config):
        folders = raw / "images", raw / "labels"
        return {s: (folders[0] / f"{s}.nii.gz", folders[1] / f"{s}.nii.gz") for s in subject_numbers(config)}
    return source_files(config, raw)


def stored_axes(config: dict[str, Any], folder: Path) -> str:
    """Axis codes of the stored scans in `folder`: those of their release, or else the cohort's `preprocess.axes`."""
    axes: str = config["preprocess"]["axes"]
    drawn = config["source"]["kind"] == "phantom"
    return axes if drawn else str(release_in(config, folder).get("axes") or axes)


def stored_recipe(config: dict[str, Any], raw: Path) -> Recipe:
    """Recipe for preparing the downloaded or simulated scans under `raw`."""
    axes = config["preprocess"]["axes"] if _simulated(config) else stored_axes(config, raw)
    return Recipe.from_config({**config, "preprocess": {**config["preprocess"], "axes": axes}})


def _simulated(config: dict[str, Any]) -> bool:
    made = config.get("simulate_ct") or config.get("from_one")
    return bool(made) or config["source"]["kind"] == "phantom"


def _files(config: dict[str, Any], release: dict[str, Any], kind: str, folder: Path, numbers: list[int]) -> list[Path]:
    """Files of one `kind`, `images` or `labels`, of the subjects with these numbers."""
    pattern = release[kind]
    if "*" in pattern:
        known = sorted(folder.glob(pattern))
        if len(known) != release["count"]:
            expected = f"{release['count']}, as subjects are numbered by their order"
            raise InputError(f"{folder}: {len(known)} files {pattern}; expected {expected}")
    elif "numbers" in release:
        entries = [expand_entry(entry, f"{folder}: numbers") for entry in release["numbers"]]
        known = [folder / pattern.format(number=number) for entry in entries for number in entry]
    else:
        return [folder / pattern.format(number=number) for number in numbers]
    beyond = [number for number in numbers if not 1 <= number <= len(known)]
    if beyond:
        raise InputError(f"cohort {config['name']}: no subject {beyond[0]} in {folder}; expected 1 to {len(known)}")
    return [known[number - 1] for number in numbers]
