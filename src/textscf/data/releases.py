"""Releases of a data set: finds the release that a folder holds, and the files of each subject."""

import re
from pathlib import Path
from typing import Any

from textscf.data.cohort import Number, expand_entry, subject_numbers
from textscf.data.recipe import Recipe
from textscf.errors import InputError

_KINDS = ("images", "labels")
_NAMED = 3

Files = dict[str, tuple[Path, Path]]
"""Image and label map of each subject."""


def release_in(config: dict[str, Any], folder: Path) -> dict[str, Any]:
    """First release of an archive cohort's data set with label maps in `folder`; the first of all if none has any."""
    releases: list[dict[str, Any]] = config["source"]["releases"]
    anywhere = [(release, re.sub(r"\{[^}]*\}", "*", release["labels"])) for release in releases]
    return next((release for release, pattern in anywhere if any(folder.glob(pattern))), releases[0])


def source_files(config: dict[str, Any], folder: Path) -> Files:
    """Paths of a cohort's scans in the `folder` of its data set. Does not check that files of numbers exist.

    Patterns hold `{number}`, with a format, `{subject}`, which is a name, or `*`. With `*`, an image and a label map
    belong together if `*` stands for the same text in both; subject n is the n-th pair by the image's name.

    Raises:
        InputError: an image or a label map has no partner, or there are not as many pairs as the release's `count`.
    """
    release, numbers = release_in(config, folder), subject_numbers(config)
    if any("*" in release[kind] for kind in _KINDS):
        pairs = _pairs(release, folder)
        ranks = _ranks(config, folder, list(numbers.values()), len(pairs))
        return {subject: pairs[rank - 1] for subject, rank in zip(numbers, ranks, strict=True)}
    images, labels = (_numbered(config, release, kind, folder, list(numbers.values())) for kind in _KINDS)
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


def _pairs(release: dict[str, Any], folder: Path) -> list[tuple[Path, Path]]:
    """Images and label maps for which `*` stands for the same text, sorted by the image's name."""
    images, labels = (_found(folder, release[kind]) for kind in _KINDS)
    alone = [str(images[key]) for key in images.keys() - labels.keys()]
    alone += [str(labels[key]) for key in labels.keys() - images.keys()]
    if alone:
        named = ", ".join(sorted(alone)[:_NAMED])
        more = f" and {len(alone) - _NAMED} more" if len(alone) > _NAMED else ""
        expected = f"{release['images']} and {release['labels']} with the same text for *"
        raise InputError(
            f"{named}{more}: has no partner; expected an image and a label map of each subject, {expected}"
        )
    if len(images) != release["count"]:
        expected = f"{release['count']}, as subjects are numbered by their order"
        raise InputError(f"{folder}: {len(images)} files {release['images']}; expected {expected}")
    return [(path, labels[key]) for key, path in sorted(images.items(), key=lambda item: item[1])]


def _found(folder: Path, pattern: str) -> dict[tuple[str, ...], Path]:
    """Files that match a pattern, by the texts that `*` stands for."""
    parts = re.compile("([^/]*)".join(map(re.escape, pattern.split("*"))))
    matches = ((parts.fullmatch(path.relative_to(folder).as_posix()), path) for path in folder.glob(pattern))
    return {match.groups(): path for match, path in matches if match}


def _numbered(
    config: dict[str, Any], release: dict[str, Any], kind: str, folder: Path, numbers: list[Number]
) -> list[Path]:
    """Files of one `kind`, `images` or `labels`, of the subjects with these numbers."""
    pattern = release[kind]
    if "numbers" not in release:
        return [folder / _placed(config, pattern, number) for number in numbers]
    entries = [expand_entry(entry, f"{folder}: numbers") for entry in release["numbers"]]
    known = [folder / pattern.format(number=number) for entry in entries for number in entry]
    return [known[rank - 1] for rank in _ranks(config, folder, numbers, len(known))]


def _placed(config: dict[str, Any], pattern: str, number: Number) -> str:
    """The path of a pattern for a subject."""
    if "{subject}" in pattern:
        return pattern.format(subject=number)
    if isinstance(number, str):
        where = f"cohort {config['name']}: splits"
        raise InputError(f"{where}: '{number}' is a name, but '{pattern}' has numbers; expected {{subject}} in it")
    return pattern.format(number=number)


def _ranks(config: dict[str, Any], folder: Path, numbers: list[Number], n_known: int) -> list[int]:
    """The numbers themselves. Raises InputError for names, and for numbers beyond the files that are known."""
    names = [number for number in numbers if isinstance(number, str)]
    if names:
        raise InputError(f"cohort {config['name']}: splits: '{names[0]}' is a name; expected numbers, 1 to {n_known}")
    ranks = [int(number) for number in numbers]
    beyond = [number for number in ranks if not 1 <= number <= n_known]
    if beyond:
        raise InputError(f"cohort {config['name']}: no subject {beyond[0]} in {folder}; expected 1 to {n_known}")
    return ranks
